"""Feast's side, run by its own Python: the same rows, the same endpoint. Prints JSON on the last line."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.repo_config import RepoConfig
from feast.types import Float32

from benchmarks.features.online_data import FEATURES, NOW, VIEWS, entities_to_read


def store(path: Path, views: int) -> FeatureStore:
    """A project with the views, its registry beside the data."""
    config = RepoConfig(
        project="bench",
        provider="aws",
        registry=str(path.with_suffix(".db")),
        offline_store={"type": "file"},
        online_store={
            "type": "dynamodb",
            "region": os.environ["AWS_REGION"],
            "endpoint_url": os.environ["AWS_ENDPOINT_URL"],
        },
        entity_key_serialization_version=3,
    )
    made = FeatureStore(config=config)
    entity = Entity(name="entity", join_keys=["entity"])
    declared = [
        FeatureView(
            name=f"view_{number}",
            entities=[entity],
            ttl=timedelta(days=365),
            schema=[Field(name=f"f{place}", dtype=Float32) for place in range(FEATURES)],
            source=FileSource(name=f"rows_{number}", path=str(path), timestamp_field="event_time"),
        )
        for number in range(views)
    ]
    made.apply([entity, *declared])
    return made


def materialise(path: Path, views: int, rows: int) -> dict[str, Any]:
    """Rows a second, and the largest resident memory."""
    made = store(path, views)
    started = time.perf_counter()
    made.materialize(NOW - timedelta(days=30), NOW)
    seconds = time.perf_counter() - started
    return {
        "rows_per_second": rows * views / seconds,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def read(path: Path, views: int, count: int, repeats: int) -> dict[str, Any]:
    """Milliseconds of one read of ``count`` entities from each of ``views``, the median; and the values."""
    made = store(path, views)
    names = [f"view_{number}:f{place}" for number in range(views) for place in range(FEATURES)]
    rows = [{"entity": entity} for entity in entities_to_read(count)]
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        found = made.get_online_features(features=names, entity_rows=rows, full_feature_names=True).to_dict()
        times.append((time.perf_counter() - started) * 1000)
    columns = [found[f"view_0__f{place}"] for place in range(FEATURES)]
    values = [list(row) for row in zip(*columns, strict=True)]
    return {"milliseconds": sorted(times)[len(times) // 2], "values": values}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["materialise", "read"])
    parser.add_argument("--path", type=Path)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--views", type=int, default=VIEWS)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=30)
    given = parser.parse_args()
    done = (
        materialise(given.path, given.views, given.rows)
        if given.what == "materialise"
        else read(given.path, given.views, given.count, given.repeats)
    )
    print(json.dumps(done))
