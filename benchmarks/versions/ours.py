"""Our side, in a process of its own: ``python -m benchmarks.versions.ours <what> <argument> …``. Prints JSON.

``files BEFORE AFTER``: two manifests, path to (size, sha256), are committed, compared and verified. ``upload FOLDER``:
a folder's bytes. ``numbered COUNT``: objects that only the double knows.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.versions.double import LAKE, Registry, Served
from headwater.storage.clients import Clients
from headwater.versions.dataset import Dataset
from headwater.versions.service import Versions

T = TypeVar("T")
DATASET = "bench"
PLACE = f"data/{DATASET}@main/"
LOST = 50
"""Versions that are deleted for ever, and as many that are changed, for verify to find."""


class Side:
    """One lake; each use of `dataset` begins with nothing remembered."""

    def __init__(self, scratch: Path, count: int | None = None) -> None:
        self.bucket = Served(PLACE, scratch, count)
        self._clients = Clients(endpoint_url=self.bucket.url)
        self._registry = Registry()

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *_: object) -> None:
        self.bucket.close()

    def dataset(self) -> Dataset:
        """The dataset as a new process sees it."""
        return Versions(LAKE, self._registry, self._clients).dataset(DATASET)

    def timed(self, call: Callable[[Dataset], T]) -> tuple[dict[str, float], T]:
        """Seconds, and CPU seconds, of one call; and its answer."""
        dataset, cpu, started = self.dataset(), time.process_time(), time.perf_counter()
        answer = call(dataset)
        return {"seconds": time.perf_counter() - started, "work": time.process_time() - cpu}, answer


def megabytes() -> float | None:
    """The most memory this process had; ru_maxrss would count what it was forked from. Linux only."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else None


def files(before: Path, after: Path, scratch: Path) -> dict[str, Any]:
    """Commit one state of the files, then the other; compare both; lose and change some and verify."""
    with Side(scratch) as side:
        side.bucket.do("put", json.loads(before.read_text()))
        first, _ = side.timed(lambda dataset: dataset.commit("before"))
        side.bucket.do("put", json.loads(after.read_text()))
        second, _ = side.timed(lambda dataset: dataset.commit("after"))
        compared, changes = side.timed(lambda dataset: list(dataset.diff("main~1", "main")))
        paths = [entry.path for entry in side.dataset().files()]
        chosen = paths[:: max(1, len(paths) // (2 * LOST))][: 2 * LOST]
        for path in chosen[::2]:
            side.bucket.do("lose", path)
        for path in chosen[1::2]:
            side.bucket.do("change", path)
        verified, problems = side.timed(lambda dataset: list(dataset.verify()))
    expected = dict.fromkeys(chosen[::2], "gone") | dict.fromkeys(chosen[1::2], "changed")
    return {
        "commit": first,
        "again": second,
        "diff": compared,
        "verify": verified,
        "changes": {
            kind: [one.path for one in changes if one.kind == kind] for kind in ("added", "removed", "changed")
        },
        "repinned": sum(one.kind == "repinned" for one in changes),
        "damaged": len(expected),
        "found": len(problems),
        "exact": {problem.entry.path: problem.kind for problem in problems} == expected,
        "megabytes": megabytes(),
    }


def upload(folder: Path, scratch: Path) -> dict[str, Any]:
    """Commit a folder: every byte is hashed and sent."""
    with Side(scratch) as side:
        return {"upload": side.timed(lambda dataset: dataset.upload(folder, "upload"))[0]}


def numbered(count: int, scratch: Path) -> dict[str, Any]:
    """Commit ``count`` objects, then 1% more behind them; compare."""
    with Side(scratch, count) as side:
        first, _ = side.timed(lambda dataset: dataset.commit("first"))
        peak, more = megabytes(), max(1, count // 100)
        side.bucket.do("grow", more)
        before = Counter(side.bucket.do("calls"))
        second, _ = side.timed(lambda dataset: dataset.commit("appended"))
        calls = Counter(side.bucket.do("calls")) - before
        compared, changes = side.timed(lambda dataset: sum(1 for _ in dataset.diff("main~1", "main")))
        dataset = side.dataset()
        had = {part.id for part in dataset.tree("main~1").ranges}
        parts = dataset.tree().ranges
    assert changes == more, (changes, more)
    return {
        "count": count,
        "commit": first,
        "append": second,
        "append_calls": dict(calls),
        "diff": compared,
        "ranges": len(parts),
        "replaced": len(had - {part.id for part in parts}),
        "new_ranges": sum(part.id not in had for part in parts),
        "new_rows": sum(part.rows for part in parts if part.id not in had),
        "commit_megabytes": peak,
        "megabytes": megabytes(),
    }


def main() -> None:
    """Measure what was asked for."""
    # Nothing here reaches AWS.
    os.environ.update(dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "none"), AWS_REGION="us-east-1")
    what, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        if what == "upload":
            measured = upload(Path(arguments[0]), scratch)
        elif what == "numbered":
            measured = numbered(int(arguments[0]), scratch)
        else:
            measured = files(Path(arguments[0]), Path(arguments[1]), scratch)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
