"""How often estimates are withdrawn, of unchanged models and of broken ones, by simulation.

``python -m benchmarks.monitoring.withdrawal [--versions 20]`` prints, for hold-outs of two sizes and days that differ
or don't, the share of days whose estimate of the area under the ROC curve was a miss, and the versions whose estimates
were withdrawn: within 90 days of an unchanged model, and within 10 days once labels are random in 40%.
"""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from typing import Any

import numpy as np

from benchmarks.monitoring.limits import DAYS, day
from headwater.monitoring.performance import estimated, realised
from headwater.monitoring.performance.calibration import calibration
from headwater.monitoring.performance.withdrawal import EstimateStanding, scored, spread_of
from headwater.training.estimating import baselines

FIRST = date(2026, 1, 1)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=20)
    versions = parser.parse_args().versions
    draw = np.random.default_rng(7)
    for spread in (0.0, 0.4):
        for held in (2000, 20_000):
            for rows in (300, 3000):
                found = [lived(draw, held, rows, spread) for _ in range(versions)]
                misses = np.mean([share for share, _, _ in found])
                unchanged, broken = (sum(one[side] for one in found) for side in (1, 2))
                print(
                    f"days differ by {spread}, {held:,} held out, {rows:,} rows a day: {misses:.1%} misses; withdrawn "
                    f"unchanged {unchanged} of {versions}, broken {broken}",
                    flush=True,
                )


def lived(draw: Any, held: int, rows: int, spread: float) -> tuple[float, bool, bool]:
    """Share of misses of an unchanged version, and whether its estimates are withdrawn, unchanged and broken."""
    parts = [day(draw, held // DAYS, spread) for _ in range(DAYS)]
    output, label = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    curve = calibration(output, label)
    figures = [realised.of_rows("classification", *part) for part in parts]
    base = baselines(realised.of_rows("classification", output, label), figures)["roc_auc"]
    expected = estimated.of_outputs(curve, output)["roc_auc"].value
    assert expected is not None
    standings, misses = [], 0
    for lost, days in ((0.0, 90), (0.4, 10)):
        standing = EstimateStanding()
        for place in range(days):
            scores, labels = day(draw, rows, spread, lost)
            one = scored(
                estimated.of_outputs(curve, scores)["roc_auc"],
                realised.of_rows("classification", scores, labels)["roc_auc"],
                since=FIRST + timedelta(days=place),
                until=FIRST + timedelta(days=place),
                offset=expected - base.value,
                spread=spread_of(base),
            )
            assert one is not None
            misses += one.is_miss and not lost
            standing = standing.after(one)
        standings.append(standing.withdrawn_on is not None)
    return misses / 90, standings[0], standings[1]


if __name__ == "__main__":
    main()
