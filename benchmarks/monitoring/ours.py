"""Our side: a window's profile and its verdict beside a bank; prints seconds as JSON."""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import pandas

from benchmarks.monitoring.columns import NUMBERS, columns
from headwater.monitoring.drift.bank import bank_of_days
from headwater.monitoring.drift.judging import Judge
from headwater.monitoring.profiles.counting import profile_of
from headwater.monitoring.profiles.types import Scheme
from headwater.registry.types import CategoryProfile, Profile
from headwater.training.describing import numbers


def main() -> None:
    """Measure the wall clock and the processor's time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reference", type=int, default=100_000)
    given = parser.parse_args()
    reference, window = columns(given.reference, 0), columns(given.rows, 1)
    described = Profile(
        model="m",
        run_id="r",
        rows=given.reference,
        numbers={f"n{place}": numbers(pandas.Series(reference[f"n{place}"])) for place in range(NUMBERS)},
        categories={
            name: CategoryProfile(missing=0, counts=pandas.Series(values).value_counts().to_dict(), others=0)
            for name, values in reference.items()
            if name.startswith("c")
        },
        label=numbers(pandas.Series([0.0, 1.0])),
        predictions=numbers(pandas.Series([0.0, 1.0])),
    )
    scheme = Scheme.of(described)
    days = np.datetime64("2026-01-01") + np.arange(given.reference) * 40 // given.reference
    start = time.perf_counter()
    judge = Judge(bank_of_days(scheme, reference, days, source="reference"))
    fitted = time.perf_counter() - start
    found = []
    for turn in range(3):
        start, cpu = time.perf_counter(), time.process_time()
        profile = profile_of(scheme, window, part=str(turn))
        counted = time.perf_counter() - start
        verdict = judge.judge(profile)
        found.append((time.perf_counter() - start, counted, time.process_time() - cpu))
    whole, counted, cpu = min(found)
    print(json.dumps({"reference": fitted, "window": whole, "profile": counted, "cpu": cpu, "says": verdict.outcome,
                      "bytes": len(profile.model_dump_json())}))  # fmt: skip


if __name__ == "__main__":
    main()
