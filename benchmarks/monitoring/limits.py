"""False alarms of performance, and losses that are found, by simulation.

``python -m benchmarks.monitoring.limits [--windows 500]`` prints, for hold-outs of two sizes and days that differ or
don't, the share of one-day windows that alarm: of an unchanged model, and of one whose labels are random in 40%.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from headwater.declare import Metric
from headwater.monitoring.performance import realised
from headwater.monitoring.performance.limits import judged
from headwater.monitoring.performance.metrics import CLASSIFICATION
from headwater.monitoring.performance.types import Baseline
from headwater.training.estimating import baselines

DAY = date(2026, 1, 1)
DAYS = 14
RATE, APART = 0.2, 1.2
"""Share of class 1, and how far apart the classes' scores are, in standard deviations."""


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=500)
    given = parser.parse_args()
    table = Table("days differ", "held out", "rows", *(f"{metric}: alarm / found" for metric in CLASSIFICATION))
    draw = np.random.default_rng(3)
    for spread in (0.0, 0.4):
        for held in (2000, 20_000):
            for rows in (100, 1000, 10_000):
                windows = given.windows if rows < 10_000 else given.windows // 2
                found = shares(draw, held, rows, spread, windows)
                cells = (f"{found[metric][0]:.1%} / {found[metric][1]:.0%}" for metric in CLASSIFICATION)
                table.add_row("yes" if spread else "no", f"{held:,}", f"{rows:,}", *cells)
    Console(width=160).print(table)


def shares(draw: Any, held: int, rows: int, spread: float, windows: int) -> dict[Metric, tuple[float, float]]:
    """Shares of windows that alarm, unchanged and broken; each ten windows have a baseline of their own."""
    counts = {metric: [0, 0] for metric in CLASSIFICATION}
    for place in range(windows):
        if place % 10 == 0:
            base = baseline(draw, held, spread)
        for side, lost in enumerate((0.0, 0.4)):
            for metric, figure in realised.of_rows("classification", *day(draw, rows, spread, lost)).items():
                one = judged(figure, base.get(metric), 0.0, since=DAY, until=DAY)
                counts[metric][side] += one is not None and one.is_worse
    return {metric: (usual / windows, broken / windows) for metric, (usual, broken) in counts.items()}


def baseline(draw: Any, held: int, spread: float) -> Mapping[Metric, Baseline]:
    """As a training run keeps it."""
    parts = [day(draw, held // DAYS, spread) for _ in range(DAYS)]
    output, label = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    figures = [realised.of_rows("classification", *part) for part in parts]
    return baselines(realised.of_rows("classification", output, label), figures)


def day(draw: Any, rows: int, spread: float, lost: float = 0.0) -> tuple[Any, Any]:
    """Scores and labels of a day; the model knows the usual share of class 1 and not the day's."""
    usual = math.log(RATE / (1 - RATE))
    share = 1 / (1 + math.exp(-usual - draw.normal(0, spread)))
    label = draw.random(rows) < share
    seen = draw.normal(APART * label)
    score = 1 / (1 + np.exp(-(APART * seen - APART**2 / 2 + usual)))
    return score, np.where(draw.random(rows) < lost, draw.random(rows) < share, label) * 1.0


if __name__ == "__main__":
    main()
