"""Feast's side of the point-in-time join: ``<environment>/python history_peer.py <folder> <frame>``.

Imports nothing of this project. Reads ``features.parquet`` and ``questions.parquet`` of the folder, with Feast's DuckDB
offline store; writes the frame and prints JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path

import pandas
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig  # type: ignore[import-not-found]
from feast.infra.offline_stores.duckdb import DuckDBOfflineStoreConfig  # type: ignore[import-not-found]
from feast.types import Float64  # type: ignore[import-not-found]
from feast.value_type import ValueType  # type: ignore[import-not-found]


def main() -> None:
    """One join, timed from the call to the frame in memory."""
    folder, frame_path = Path(sys.argv[1]), Path(sys.argv[2])
    days = int(sys.argv[3])
    names = [f"f{number}" for number in range(10)]
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            registry=str(folder / "registry.db"),
            provider="local",
            offline_store=DuckDBOfflineStoreConfig(),
            online_store=None,
            entity_key_serialization_version=3,
        )
    )
    entity = Entity(name="customer", join_keys=["customer"], value_type=ValueType.STRING)
    source = FileSource(path=str(folder / "features.parquet"), timestamp_field="event_time")
    view = FeatureView(
        name="v", entities=[entity], ttl=timedelta(days=days), source=source, online=False,
        schema=[Field(name=name, dtype=Float64) for name in names],
    )  # fmt: skip
    store.apply([entity, view])
    questions = pandas.read_parquet(folder / "questions.parquet").rename(columns={"asked_at": "event_timestamp"})
    questions["event_timestamp"] = questions["event_timestamp"].dt.tz_localize("UTC")
    started, work = time.perf_counter(), time.process_time()
    frame = store.get_historical_features(
        entity_df=questions, features=[f"v:{name}" for name in names], full_feature_names=True
    ).to_arrow()
    seconds, work = time.perf_counter() - started, time.process_time() - work
    frame.to_pandas().to_parquet(frame_path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "work": work, "megabytes": peak, "rows": frame.num_rows}))


if __name__ == "__main__":
    main()
