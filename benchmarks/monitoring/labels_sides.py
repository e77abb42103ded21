"""One side of the join: prints seconds, peak memory and what came out as JSON."""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import time
from collections.abc import Iterator, Sequence
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

    def batches(self, model: str, since: datetime, until: datetime) -> Iterator[LabelBatch]:
        """All of them."""
        yield from self._batches

    def bodies(self, batches: Sequence[LabelBatch]) -> Iterator[tuple[LabelBatch, bytes]]:
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
    parser.add_argument("side", choices=["nothing", "ours", "merge", "rules"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    chance, names = np.random.default_rng(1), ids(given.rows)
    frame = pandas.DataFrame({"prediction_id": pandas.array(names, dtype="str"), "output": chance.random(given.rows)})
    frame["as_of"] = pandas.Timestamp(AT)
    frame["as_of"] = frame["as_of"].astype("datetime64[us, UTC]")
    found: dict[str, Any] = {"seconds": 0.0, "labelled": 0, "sum": 0.0, "labels": 0}
    if given.side != "nothing":
        order = chance.permutation(given.rows)
        again = chance.choice(given.rows, given.rows // 10, replace=False)
        places = np.concatenate([order, again])
        labels = pandas.DataFrame({
            "prediction_id": pandas.array(names[places], dtype="str"),
            "value": chance.integers(0, 2, len(places)).astype(float),
            "observed_at": micros(AT) + 3_600_000_000 + np.arange(len(places)),
            "source": "clerk",
        })  # fmt: skip
        found = {"ours": ours, "merge": merge, "rules": rules}[given.side](frame, labels) | {"labels": len(labels)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**found, "peak": peak}))


def ours(frame: pandas.DataFrame, labels: pandas.DataFrame) -> dict[str, Any]:
    """Read batches, and join them by the rules."""
    inputs = [timestamp("seen_at")]
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made = list(_written(labels, folder))
        del labels
        start = time.perf_counter()
        with WrittenLabels(Local(folder, made), "m", since=AT, known=AT + timedelta(days=9)) as written:  # type: ignore[arg-type]
            answer = written.of(frame.assign(inputs="{}"), inputs)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "labelled": int((answer.sources >= 0).sum()), "sum": float(np.nansum(answer.labels))}


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
    start = time.perf_counter()
    merged = frame.merge(labels, on="prediction_id", how="left")
    return {"seconds": time.perf_counter() - start, "labelled": int(merged.value.notna().sum()), "sum": 0.0}


def rules(frame: pandas.DataFrame, labels: pandas.DataFrame) -> dict[str, Any]:
    """The same answers as ours."""
    start = time.perf_counter()
    ordered = labels.sort_values("observed_at", kind="stable")
    by_source = ordered.drop_duplicates(["prediction_id", "source"], keep="last")
    differ = by_source.groupby("prediction_id", sort=False)["value"].nunique().gt(1).rename("conflict")
    latest = ordered.drop_duplicates("prediction_id", keep="last").merge(differ, on="prediction_id")
    merged = frame.merge(latest, on="prediction_id", how="left")
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "labelled": int(merged.value.notna().sum()), "sum": float(merged.value.sum())}


if __name__ == "__main__":
    main()
