"""Labels joined to predictions, beside pandas.

``python -m benchmarks.monitoring.labels [--rows 1000000]`` prints seconds and peak memory of both, each in a process of
its own. A tenth of the labels is corrected by a later one, so there are more labels than predictions. Ours are read
from their batches of Parquet within the time; pandas reads the same files, or has its labels in memory.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.table import Table

from benchmarks.peers import run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    sides = {
        side: run([sys.executable, "-m", "benchmarks.monitoring.labels_sides", side, "--rows", str(given.rows)])
        for side in ("nothing", "ours", "files", "merge", "rules")
    }
    if len({side["labelled"] for side in sides.values() if side["labelled"]}) != 1:
        raise SystemExit(f"the sides don't agree: {sides}")
    if len({sides[side]["sum"] for side in ("ours", "files", "rules")}) != 1:
        raise SystemExit(f"the sides give other labels: {sides}")
    table = Table(
        "what",
        "s",
        "ratio",
        "CPU, s",
        "ratio",
        "peak, MiB",
        title=f"{given.rows:,} predictions, {sides['ours']['labels']:,} labels",
    )
    ours = sides["ours"]["seconds"]
    table.add_row("the frame of predictions alone", "", "", "", "", f"{sides['nothing']['peak']:,.0f}")
    table.add_row(
        "Headwater: read, latest observation, conflicts",
        f"{ours:.2f}",
        "",
        f"{sides['ours']['cpu']:.2f}",
        "",
        f"{sides['ours']['peak']:,.0f}",
    )
    for side, words in (
        ("files", "pandas: read, latest observation, conflicts, merge"),
        ("rules", "pandas: the same, labels in memory"),
        ("merge", "pandas: merge alone, labels in memory"),
    ):
        taken, worked = sides[side]["seconds"], sides[side]["cpu"]
        ratios = f"{taken / ours:.1f}x", f"{worked / sides['ours']['cpu']:.1f}x"
        table.add_row(words, f"{taken:.2f}", ratios[0], f"{worked:.2f}", ratios[1], f"{sides[side]['peak']:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
