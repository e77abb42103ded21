"""How often days together raise an alarm although nothing has changed, and how soon they do once something has.

``python -m benchmarks.monitoring.lasting [--banks 150]`` simulates scores of days, each resembling the day before it by
a correlation, beside banks of several lengths.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from headwater.monitoring.drift.lasting import limit_of, ranks_of, surprise

YEARS = 4


def series(draw: np.random.Generator, length: int, correlation: float) -> NDArray[np.float64]:
    """Scores of days."""
    noise = draw.standard_normal(length)
    found = np.empty(length)
    found[0] = noise[0]
    for place in range(1, length):
        found[place] = correlation * found[place - 1] + np.sqrt(1 - correlation**2) * noise[place]
    return found


def exceeds(bank: NDArray[np.float64], days: NDArray[np.float64], limit: float) -> bool:
    """Whether the sum of surprises of the days exceeds the limit."""
    total = 0.0
    for score in days:
        total = max(0.0, total + surprise((1 + int((bank >= score).sum())) / (len(bank) + 1)))
        if total > limit:
            return True
    return False


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--banks", type=int, default=150)
    given = parser.parse_args()
    table = Table("days in the bank", "correlation", "years with an alarm", "limit", "days at p 0.08 until one")
    for length in (60, 120, 365):
        for correlation in (0.0, 0.5, 0.8):
            draw = np.random.default_rng(length)
            alarms, limits = 0, []
            for _ in range(given.banks):
                scores = series(draw, length + 365 * YEARS, correlation)
                bank, years = scores[:length], scores[length:].reshape(YEARS, 365)
                limit = limit_of(ranks_of(bank)) or np.inf
                limits.append(limit)
                alarms += sum(exceeds(bank, year, limit) for year in years)
            usual = float(np.median(limits))
            share = alarms / (given.banks * YEARS)
            table.add_row(
                str(length), f"{correlation}", f"{share:.2f}", f"{usual:.1f}", f"{usual / surprise(0.08):.0f}"
            )
    Console().print(table)


if __name__ == "__main__":
    main()
