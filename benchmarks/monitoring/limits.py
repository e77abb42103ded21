"""False alarms of performance, and losses that are found, by simulation.

``python -m benchmarks.monitoring.limits [--windows 500] [--days 1]`` prints, for hold-outs of two sizes and days that
differ or don't, the share of windows that alarm: of an unchanged model, and of one whose labels are random in 40%. Ten
windows in a row are of one version, which has a baseline of its own: a second table says how unchanged versions share
the false alarms. It takes about two minutes for days; the hourly look judges ``--days 7``.
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
DAYS, EACH = 14, 10
"""Held-out days of a version, and windows that are judged beside them."""
RATE, APART = 0.2, 1.2
"""Share of class 1, and how far apart the classes' scores are, in standard deviations."""


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=500, help="a multiple of twenty")
    parser.add_argument("--days", type=int, default=1, help="days of a window")
    given = parser.parse_args()
    table = Table("days differ", "held out", "rows", *(f"{metric}: alarm / found" for metric in CLASSIFICATION))
    shared = Table("days differ", "held out", "rows", *(f"{metric}: any / 3+ / most" for metric in CLASSIFICATION))
    draw = np.random.default_rng(3)
    for spread in (0.0, 0.4):
        for held in (2000, 20_000):
            for rows in (100, 1000, 10_000):
                windows = given.windows if rows < 10_000 else given.windows // 2
                found = alarms(draw, held, rows, spread, windows, given.days)
                head = ("yes" if spread else "no", f"{held:,}", f"{rows:,}")
                table.add_row(*head, *(f"{usual.mean():.1%} / {broken.mean():.0%}" for usual, broken in found.values()))
                shared.add_row(*head, *(of_versions(usual) for usual, _ in found.values()))
    console = Console(width=160)
    console.print(table)
    console.print(f"unchanged versions with any false alarm in {EACH} windows, with three or more, and the most of any")
    console.print(shared)


def of_versions(usual: Any) -> str:
    """How versions share their false alarms."""
    each = usual.reshape(-1, EACH).sum(axis=1)
    return f"{(each > 0).mean():.0%} / {(each >= 3).mean():.0%} / {each.max()}"


def alarms(draw: Any, held: int, rows: int, spread: float, windows: int, days: int) -> dict[Metric, tuple[Any, Any]]:
    """Whether each window of so many rows a day alarms, of an unchanged model and of a broken one."""
    found: dict[Metric, tuple[Any, Any]] = {
        metric: (np.zeros(windows, dtype=bool), np.zeros(windows, dtype=bool)) for metric in CLASSIFICATION
    }
    for place in range(windows):
        if place % EACH == 0:
            base = baseline(draw, held, spread)
        for side, lost in enumerate((0.0, 0.4)):
            parts = [day(draw, rows, spread, lost) for _ in range(days)]
            output, label = (np.concatenate([part[place_of] for part in parts]) for place_of in (0, 1))
            for metric, figure in realised.of_rows("classification", output, label).items():
                one = judged(figure, base.get(metric), 0.0, since=DAY, until=DAY, days=days)
                found[metric][side][place] = one is not None and one.is_worse
    return found


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
