"""Our side: materialise a Parquet file of feature rows, read entities back. Prints JSON on the last line."""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb

from benchmarks.features.online_data import FEATURES, NOW, VIEWS, entities_to_read
from benchmarks.versions.double import Registry
from headwater.declare import Feature, FeatureView
from headwater.features.online.materialising import MaterialiseOptions, Materialiser
from headwater.features.online.reading import Lookup, ValueStatus, plan, read_online
from headwater.features.online.store import OnlineStore
from headwater.lake.types import DataVersion, PinnedCommit
from headwater.registry.types import PackageFeature
from headwater.storage.environment import CLIENTS


def view(number: int) -> FeatureView:
    """One of the views: all of them of the same entity."""
    return FeatureView(
        name=f"view_{number}",
        entity=("entity",),
        sources=("rows",),
        sql="FROM rows",
        features=tuple(Feature(name=f"f{place}") for place in range(FEATURES)),
        ttl="365d",
    )


class Lake:
    """One source, a Parquet file, in S3's place: what is measured is the way from offline rows to online items."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.objects = SimpleNamespace(newest=lambda _key: None)

    def pin(self, _sources: object, _views: object) -> DataVersion:
        """The one version."""
        return DataVersion(commits={"rows": PinnedCommit(commit="0" * 64, revision=1)})

    @contextmanager
    def tables(self, _version: DataVersion, _names: object) -> Iterator[duckdb.DuckDBPyConnection]:
        """A database with the view's offline rows."""
        with duckdb.connect() as connection:
            connection.execute(
                "CREATE VIEW rows AS SELECT CAST(entity AS VARCHAR) AS entity, "  # noqa: S608
                "CAST(event_time AS TIMESTAMP) AS event_time, CAST(event_time AS TIMESTAMP) AS available_time, "
                f"* EXCLUDE (entity, event_time) FROM read_parquet('{self._path}')"
            )
            yield connection


def materialise(path: Path, views: int) -> dict[str, Any]:
    """Rows a second, and the largest resident memory."""
    lake, store = Lake(path), OnlineStore("features", CLIENTS)
    made = Materialiser(lake, store, Registry(), lambda *_: "rows", lambda *_: (), now=lambda: NOW)  # type: ignore[arg-type]
    started, written = time.perf_counter(), 0
    for number in range(views):
        written += made.materialise(view(number), MaterialiseOptions()).written
    seconds = time.perf_counter() - started
    return {
        "rows_per_second": written / seconds,
        "rows": written,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def read(views: int, count: int, repeats: int) -> dict[str, Any]:
    """Milliseconds of one read of ``count`` entities from each of ``views``, the median; and the values."""
    store = OnlineStore("features", CLIENTS)
    wanted = [PackageFeature.of(view(number), f"f{place}") for number in range(views) for place in range(FEATURES)]
    instances = [{"entity": entity} for entity in entities_to_read(count)]
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        lookups: list[Lookup] = [entry for row in plan(wanted, instances) for entry in row]
        answers = read_online(store, lookups, datetime.now(UTC))
        times.append((time.perf_counter() - started) * 1000)
    assert all(answer.status is ValueStatus.FOUND for answer in answers), "an entity is missing"
    values = [list(answer.values.values()) for answer in answers[::views]]
    return {"milliseconds": sorted(times)[len(times) // 2], "values": values}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["materialise", "read"])
    parser.add_argument("--path", type=Path)
    parser.add_argument("--views", type=int, default=VIEWS)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=30)
    given = parser.parse_args()
    done = materialise(given.path, given.views) if given.what == "materialise" else read(
        given.views, given.count, given.repeats
    )  # fmt: skip
    print(json.dumps(done))
