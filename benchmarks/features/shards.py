"""How fast a view is split into shards, and how fast one shard is written: the limits of the distributed map.

``python -m benchmarks.features.shards [--rows 2000000] [--shard 100000] [--milliseconds 5]``; there is no peer for it.
S3 is a folder: what is measured is the work of the functions.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.endpoints import endpoint
from benchmarks.features.online import STUB, write
from benchmarks.features.online_data import NOW
from benchmarks.features.online_ours import Lake, view
from benchmarks.versions.double import Registry
from headwater.features.definitions import Definitions
from headwater.features.online.progress import ProgressOf, Run
from headwater.features.online.reading import microseconds
from headwater.features.online.sharding import Assignment, Shard, Sharding
from headwater.features.online.store import OnlineStore
from headwater.storage.environment import CLIENTS
from headwater.values import Pointer


class Folder:
    """Objects in a folder, in S3's place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def newest(self, _key: str) -> None:
        """Nothing was kept before."""

    def put(self, key: str, path: Path) -> Pointer:
        """Keep a file."""
        kept = self._folder / key
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, kept)
        return Pointer(bucket=str(self._folder), key=key, version_id="1")

    def fetch(self, pointer: Pointer, path: Path) -> None:
        """Give it back."""
        shutil.copy(self._folder / pointer.key, path)


def measure(folder: Path, rows: int, size: int, milliseconds: float) -> dict[str, float]:
    """Entities a second of the split and of the first shard, and the largest resident memory of both."""
    write(folder / "rows.parquet", rows)
    lake, objects, registry, one = Lake(folder / "rows.parquet"), Folder(folder), Registry(), view(0)
    version = lake.pin(["rows"], [])
    run = Run(data_version=version.id, revision=1, commits=version.ids, moment=microseconds(NOW))
    Definitions(registry).remember(one)  # type: ignore[arg-type]
    ProgressOf(registry, one.name, one.version).begin(run)  # type: ignore[arg-type]
    sharding = Sharding(registry, objects)  # type: ignore[arg-type]
    given = Assignment(view=one.name, version=one.version, run=run)
    started = time.perf_counter()
    split = sharding.split(given, one, lake, lambda *_: "rows", lambda *_: (), shard_entities=size)  # type: ignore[arg-type]
    split_seconds = time.perf_counter() - started
    assert split.manifest is not None
    assert split.entities == rows
    first = Shard.model_validate(json.loads((folder / split.manifest.key).read_text())[0])
    split_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with endpoint(STUB, milliseconds) as environment:
        os.environ.update(environment)
        started = time.perf_counter()
        written = sharding.write(first, OnlineStore("features", CLIENTS)).written
        write_seconds = time.perf_counter() - started
    assert written == first.entities
    return {
        "split, entities/s": rows / split_seconds,
        "split, largest MiB": split_mib,
        f"a shard of {written:,}, entities/s at {milliseconds:g} ms": written / write_seconds,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--shard", type=int, default=100_000)
    parser.add_argument("--milliseconds", type=float, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for what, figure in measure(Path(folder), given.rows, given.shard, given.milliseconds).items():
            print(f"{what}: {figure:,.0f}")


if __name__ == "__main__":
    main()
