"""Real days with real faults: how often each is found, how often the right feature is named, and how often in vain.

``python -m benchmarks.monitoring.faults [--seeds 5] [--rows N] [--strata]`` holds 36 random days out, five times, so
that they are like the reference by construction, and breaks them.
"""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from benchmarks.monitoring.days import CORRUPTIONS, Split, is_found
from headwater.monitoring.drift.verdicts import Outcome


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, help="a random sample of each held-out day")
    parser.add_argument("--strata", action="store_true", help="weekdays beside weekdays, weekends beside weekends")
    given = parser.parse_args()
    splits = [Split.of(seed) for seed in range(given.seeds)]
    table = Table("fault", "found", "feature named", "alarm at once", "wanted")
    for name, fault in CORRUPTIONS.items():
        verdicts = [
            split.verdict(place, name, strata=given.strata, rows=given.rows)
            for split in splits
            for place in split.held_out
        ]
        found = [verdict for verdict in verdicts if is_found(verdict)]
        named = sum(fault.feature in {one.feature for one in verdict.findings} for verdict in found)
        at_once = sum(verdict.outcome is Outcome.EXTREME for verdict in verdicts)
        table.add_row(
            name,
            f"{len(found) / len(verdicts):.3f}",
            f"{named / len(found):.2f}" if found and fault.feature else "",
            f"{at_once / len(verdicts):.3f}",
            f"{'at most' if name == 'none' else 'at least'} {fault.detected}" if fault.detected else "",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
