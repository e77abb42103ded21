"""What an hour of predictions costs: compaction, counting and judging, for hours of several sizes.

``python -m benchmarks.monitoring.hourly [--records 1000 4167 12000]`` logs an hour of requests of one instance each,
twenty features, one column of segments, on mocked AWS in this process, writes a label of each, and prints the seconds
of each step, how they grow, and what an hour of ten million predictions a day would cost on a function of 3 GB. Seconds
are the processor's, so that a busy machine changes little. moto answers in this process, so that S3's own work is in
them: nine tenths of compaction's, which `benchmarks.monitoring.compacting` measures without it. Judging is a day's, of
which a model has one; performance is the joining of labels and the counting of a day's rows, which is done for seven
days, once a day and when labels came.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as Shown

from headwater.declare import Product, category, number
from headwater.monitoring.drift.bank import Bank, BankWindow
from headwater.monitoring.log.service import Compaction
from headwater.monitoring.profiles.counting import profile_of
from headwater.registry.types import BANK_FILE, DEFINITION_FILE, ESTIMATE_FILE, Package
from headwater.serving.types import record_key
from headwater.storage.environment import CLIENTS
from headwater.storage.objects import Bucket
from tests.unit.lake.world import ARTIFACTS
from tests.unit.monitoring.data import scheme_of
from tests.unit.monitoring.logs import BUCKET, record
from tests.unit.monitoring.performing import DECLARED, SOURCE, Performing, estimator
from tests.unit.monitoring.watched import MODEL, Watched, new_watched, package
from tests.unit.registry.cases import candidate

NUMBERS = tuple(f"x{place}" for place in range(19))
SHOPS = tuple(f"shop {place}" for place in range(40))
DAYS, ROWS = 90, 1_000
DAY = date(2026, 4, 1)
A_DAY = 10_000_000
GIBIBYTES, SECOND = 3, 0.0000133334
"""A function's memory, and dollars of a gibibyte-second (arm64)."""
STEPS = ("compaction", "counting", "judging a day", "performance")
LABEL = 0.3
"""Scores above it are labelled 1."""


def rows_of(seed: int, count: int) -> dict[str, Any]:
    """Columns of usual predictions."""
    draw = np.random.default_rng(seed)
    columns: dict[str, Any] = {name: draw.normal(size=count).round(4) for name in NUMBERS}
    return {**columns, "shop": draw.choice(SHOPS, count), "score": draw.random(count)}


def version(watched: Watched) -> None:
    """Register a version of twenty columns, and let it serve."""
    whole = rows_of(0, 20_000)
    scheme = scheme_of({name: whole[name] for name in NUMBERS}, {"shop": SHOPS}, scores=whole["score"])
    windows = []
    for place in range(DAYS):
        day = rows_of(place + 1, ROWS)
        start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=place)
        counted = profile_of(scheme, day, part=str(place), scores=day["score"])
        windows.append(BankWindow(start=start, profile=counted))
    bank = Bank(scheme=scheme, windows=tuple(windows), segments={"shop": SHOPS[:31]})
    inputs = (*(number(name) for name in NUMBERS), category("shop"))
    names = tuple(entry.name for entry in inputs)
    described = Package.model_validate(
        {**package("run-1").model_dump(), "inputs": inputs, "columns": names, "categories": ("shop",)}
    )
    bucket = Bucket(ARTIFACTS, CLIENTS)
    at = bucket.put(f"runs/{MODEL}/run-1/package.json", described.model_dump_json().encode())
    product = Product(sources=(SOURCE,), models=(DECLARED,))
    kept = {BANK_FILE: bank.packed(), DEFINITION_FILE: product.model_dump_json().encode(),
            ESTIMATE_FILE: estimator().model_dump_json().encode()}  # fmt: skip
    files = {name: bucket.put(f"runs/{MODEL}/run-1/{name}", body) for name, body in kept.items()}
    made = candidate("run-1", model=MODEL).model_copy(update={"package": at, "files": files})
    watched.registry.register(made)
    watched.registry.promote(MODEL, alias="production", to=1, expected=None)


def log_hour(count: int) -> None:
    """Log an hour of requests of one instance each."""
    columns = rows_of(count, count)
    start = datetime(DAY.year, DAY.month, DAY.day, 5, tzinfo=UTC)
    s3 = CLIENTS("s3")
    for place in range(count):
        inputs = {name: float(columns[name][place]) for name in NUMBERS} | {"shop": str(columns["shop"][place])}
        prediction = {
            "inputs": inputs, "features": {}, "missing_features": [], "feature_age_seconds": None,
            "probability": float(columns["score"][place]),
        }  # fmt: skip
        at = start + timedelta(seconds=3_600 * place / count)
        one = record(f"{place:08}-{count}", at, as_of=at, predictions=[prediction])
        s3.put_object(Bucket=BUCKET, Key=record_key(MODEL, at, one.request_id), Body=json.dumps(one.document()))


def timed(work: Callable[[], Any]) -> float:
    """Processor's seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(count: int) -> tuple[float, float, float, float]:
    """Seconds of compaction, counting, judging and performance."""
    with new_watched() as watched:
        version(watched)
        log_hour(count)
        morning = datetime(DAY.year, DAY.month, DAY.day, 6, 7, tzinfo=UTC)
        report: list[Any] = []
        compaction = timed(lambda: report.append(Compaction(watched.log.store).run(morning)))
        assert report[0].rows == count
        counting = timed(lambda: report.append(watched.watch().run(morning)))
        assert report[1].counted[MODEL].rows == count
        midnight = morning + timedelta(hours=18)
        watched.log.compact(midnight)
        judging = timed(lambda: report.append(watched.watch().run(midnight)))
        assert report[2].judged == 1
        model = Performing(watched)
        scores = rows_of(count, count)["score"]
        model.write(
            [{"prediction_id": f"{place:08}-{count}.0", "value": int(scores[place] > LABEL)} for place in range(count)],
            midnight,
        )
        judged = watched.store.judged(MODEL, 1)
        look = model.look()
        performance = timed(lambda: report.append(look(MODEL, 1, midnight, judged, None, lambda: False)))
        assert report[3].realised.rows == count, report[3]
        return compaction, counting, judging, performance


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[1_000, 4_167, 12_000])
    given = parser.parse_args()
    table = Shown("records", *(f"{name}, s" for name in STEPS), "first two, µs a record")
    points = []
    for count in given.records:
        seconds = measure(count)
        points.append((count, *seconds))
        table.add_row(f"{count:,}", *(f"{value:.2f}" for value in seconds), f"{1e6 * sum(seconds[:2]) / count:.0f}")
    Console().print(table)
    counts = np.asarray([point[0] for point in points], dtype=float)
    hour = A_DAY / 24
    total = 0.0
    for name, place in (("counting", 2), ("performance of a day's part", 4)):
        seconds = np.asarray([point[place] for point in points])
        slope, base = np.polyfit(counts, seconds, 1) if len(points) > 1 else (seconds[0] / counts[0], 0.0)
        fitted = base + slope * counts
        worst = float(np.abs(fitted / seconds - 1).max())
        dollars = (base + slope * hour) * GIBIBYTES * SECOND
        # Each of seven days is counted once a day.
        total += dollars * (7 if place == 4 else 1)
        print(f"{name}: {base:.2f} s + {1e6 * slope:.0f} µs a record, within {worst:.0%} of what was measured; "
              f"{hour:,.0f} records take {base + slope * hour:.0f} s, ${dollars:.4f}")  # fmt: skip
    print(f"an hour of {A_DAY:,} predictions a day: ${total:.4f} beside compaction; a day ${24 * total:.2f}")


if __name__ == "__main__":
    main()
