"""One side of the join: prints seconds, peak memory and what came out as JSON."""

# ruff: noqa: S608 - numbers and paths of our own
from __future__ import annotations

import argparse
import hashlib
import json
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pandas

from headwater.declare import timestamp
from headwater.monitoring.labels.types import LabelBatch, micros
from headwater.monitoring.labels.written import WrittenLabels

AT = datetime(2026, 3, 1, tzinfo=UTC)
BATCH = 250_000


class Local:
    """Batches of labels on this disk."""

    def __init__(self, folder: Path, batches: Sequence[LabelBatch]) -> None:
        self._folder, self._batches = folder, batches

    def batches(self, *_: object) -> Iterator[LabelBatch]:
        """All of them."""
        yield from self._batches

    def bodies(self, _: object) -> Iterator[tuple[LabelBatch, bytes]]:
        """None: all are Parquet."""
        yield from ()

    def fetch(self, batch: LabelBatch, path: Path) -> bool:
        """Copy a batch's bytes."""
        path.write_bytes((self._folder / batch.name).read_bytes())
        return True


def ids(rows: int) -> Any:
    """Ids as a log has them, a hundred instances a request."""
    requests = [
        hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest() for number in range(rows // 100 + 1)
    ]
    return np.array([f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}.{place}"
                     for name in requests for place in range(100)][:rows], dtype=object)  # fmt: skip


def main() -> None:
    """Measure the wall clock."""
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=["nothing", "ours", "merge", "rules", "files"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    chance, names = np.random.default_rng(1), ids(given.rows)
    frame = pandas.DataFrame({"prediction_id": pandas.array(names, dtype="str"), "output": chance.random(given.rows)})
    frame["as_of"] = pandas.Timestamp(AT)
    frame["as_of"] = frame["as_of"].astype("datetime64[us, UTC]")
    found: dict[str, Any] = {"seconds": 0.0, "cpu": 0.0, "labelled": 0, "sum": 0.0, "labels": 0}
    if given.side != "nothing":
        order = chance.permutation(given.rows)
        again = chance.choice(given.rows, given.rows // 10, replace=False)
        places = np.concatenate([order, again])
        # Texts of their own, as what is read from elsewhere is: pandas is faster where both sides share them.
        fresh = np.array([name[:1] + name[1:] for name in names[places]], dtype=object)
        labels = pandas.DataFrame({
            "prediction_id": pandas.array(fresh, dtype="str"),
            "value": chance.integers(0, 2, len(places)).astype(float),
            "observed_at": micros(AT) + 3_600_000_000 + np.arange(len(places)),
            "source": "clerk",
        })  # fmt: skip
        found = {"ours": ours, "merge": merge, "rules": rules, "files": files}[given.side](frame, labels) | {
            "labels": len(labels)
        }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**found, "peak": peak}))


def ours(frame: pandas.DataFrame, labels: pandas.DataFrame) -> dict[str, Any]:
    """Read batches, and join them by the rules."""
    inputs = [timestamp("seen_at")]
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made = list(_written(labels, folder))
        del labels
        frame = frame.assign(inputs="{}")
        start, cpu = time.perf_counter(), time.process_time()
        with WrittenLabels(Local(folder, made), "m", since=AT, known=AT + timedelta(days=9)) as written:  # type: ignore[arg-type]
            answer = written.of(frame, inputs)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {
        "seconds": seconds,
        "cpu": cpu,
        "labelled": int((answer.by_hand.sources >= 0).sum()),
        "sum": float(np.nansum(answer.by_hand.labels)),
    }


def _written(labels: pandas.DataFrame, folder: Path) -> Iterator[LabelBatch]:
    with duckdb.connect() as connection:
        connection.register("given", labels)
        for number in range(0, len(labels), BATCH):
            name = hashlib.sha256(str(number).encode()).hexdigest()
            connection.execute(
                "COPY (SELECT prediction_id, CAST(NULL AS VARCHAR) AS keys, CAST(NULL AS BIGINT) AS as_of, value, "
                "observed_at, source, CAST(NULL AS VARCHAR) AS write_id FROM given "
                f"LIMIT {BATCH} OFFSET {number}) TO '{folder / name}' (FORMAT parquet, COMPRESSION zstd)"
            )
            rows = min(BATCH, len(labels) - number)
            received = AT + timedelta(days=1, seconds=number)
            yield LabelBatch(model="m", name=name, kind="parquet", labels=rows, received_at=received)


def merge(frame: pandas.DataFrame, labels: pandas.DataFrame) -> dict[str, Any]:
    """The join alone, of as many labels as there are predictions."""
    labels = labels.head(len(frame))
    start, cpu = time.perf_counter(), time.process_time()
    merged = frame.merge(labels, on="prediction_id", how="left")
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "labelled": int(merged.value.notna().sum()), "sum": 0.0}


def rules(frame: pandas.DataFrame, labels: pandas.DataFrame) -> dict[str, Any]:
    """The same answers as ours, of labels in memory."""
    return _ruled(frame, lambda: labels)


def files(frame: pandas.DataFrame, labels: pandas.DataFrame) -> dict[str, Any]:
    """The same answers as ours, of the same files."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        paths = [folder / batch.name for batch in _written(labels, folder)]
        del labels
        wanted = ["prediction_id", "value", "observed_at", "source"]
        return _ruled(frame, lambda: pandas.concat([pandas.read_parquet(path, columns=wanted) for path in paths]))


def _ruled(frame: pandas.DataFrame, read: Callable[[], pandas.DataFrame]) -> dict[str, Any]:
    start, cpu = time.perf_counter(), time.process_time()
    ordered = read().sort_values("observed_at", kind="stable")
    by_source = ordered.drop_duplicates(["prediction_id", "source"], keep="last")
    differ = by_source.groupby("prediction_id", sort=False)["value"].nunique().gt(1).rename("conflict")
    latest = ordered.drop_duplicates("prediction_id", keep="last").merge(differ, on="prediction_id")
    merged = frame.merge(latest, on="prediction_id", how="left")
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {
        "seconds": seconds,
        "cpu": cpu,
        "labelled": int(merged.value.notna().sum()),
        "sum": float(merged.value.sum()),
    }


if __name__ == "__main__":
    main()
