"""Our side, in a process of its own: ``python -m benchmarks.versions.ours <what> <argument> …``. Prints JSON.

``files BEFORE AFTER``, ``wire BEFORE AFTER``: two manifests, path to (size, sha256), are committed, compared and
verified, without or with botocore. ``upload FOLDER``: a folder's bytes. ``numbered COUNT``: objects that only the
double knows.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.versions.double import LAKE, Bucket, Direct, Files, Numbered, Registry, wire
from headwater import aws
from headwater.versions.dataset import Dataset
from headwater.versions.service import Versions

T = TypeVar("T")
DATASET = "bench"
PLACE = f"data/{DATASET}@main/"
LOST = 50
"""Versions that are deleted for ever, and as many that are changed, for verify to find."""


class Side:
    """One lake; each use of `dataset` begins with nothing remembered."""

    def __init__(self, contents: Files | Numbered, scratch: Path, *, with_botocore: bool = False) -> None:
        self.bucket = Bucket(contents, PLACE, scratch)
        self._clients = wire(self.bucket) if with_botocore else Direct(self.bucket)
        self._registry = Registry()

    def dataset(self) -> Dataset:
        """The dataset as a new process sees it."""
        with aws.using(self._clients):
            return Versions(LAKE, self._registry).dataset(DATASET)

    def timed(self, call: Callable[[Dataset], T]) -> tuple[dict[str, float], T]:
        """Seconds, and CPU seconds without the double's, of one call; and its answer."""
        dataset, own, cpu, started = self.dataset(), self.bucket.seconds, time.process_time(), time.perf_counter()
        answer = call(dataset)
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "work": time.process_time() - cpu - (self.bucket.seconds - own)}, answer


def megabytes() -> float | None:
    """The most memory this process had; ru_maxrss would count what it was forked from. Linux only."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else None


def files(before: Path, after: Path, scratch: Path, *, with_botocore: bool) -> dict[str, Any]:
    """Commit one state of the files, then the other; compare both; lose and change some and verify."""
    contents = Files()
    contents.put(json.loads(before.read_text()))
    side = Side(contents, scratch, with_botocore=with_botocore)
    first, _ = side.timed(lambda dataset: dataset.commit("before"))
    contents.put(json.loads(after.read_text()))
    second, _ = side.timed(lambda dataset: dataset.commit("after"))
    compared, changes = side.timed(lambda dataset: list(dataset.diff("main~1", "main")))
    paths = [entry.path for entry in side.dataset().files()]
    step = max(1, len(paths) // (2 * LOST))
    chosen = paths[::step][: 2 * LOST]
    for path in chosen[::2]:
        contents.lose(path)
    for path in chosen[1::2]:
        contents.change(path)
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
    """Commit a folder: every byte is hashed and handed to the client."""
    side = Side(Files(), scratch)
    return {"upload": side.timed(lambda dataset: dataset.upload(folder, "upload"))[0]}


def numbered(count: int, scratch: Path) -> dict[str, Any]:
    """Commit ``count`` objects, then 1% more behind them; compare."""
    contents = Numbered(count)
    side = Side(contents, scratch)
    first, _ = side.timed(lambda dataset: dataset.commit("first"))
    peak = megabytes()
    contents.count += max(1, count // 100)
    calls = side.bucket.calls.copy()
    second, _ = side.timed(lambda dataset: dataset.commit("appended"))
    calls = side.bucket.calls - calls
    compared, changes = side.timed(lambda dataset: sum(1 for _ in dataset.diff("main~1", "main")))
    dataset = side.dataset()
    had = {part.id for part in dataset.tree("main~1").ranges}
    parts = dataset.tree().ranges
    assert changes == contents.count - count, (changes, contents.count - count)
    return {
        "count": count,
        "commit": first,
        "append": second,
        "append_calls": dict(calls),
        "diff": compared,
        "ranges": len(parts),
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
            measured = files(Path(arguments[0]), Path(arguments[1]), scratch, with_botocore=what == "wire")
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
