"""Labels joined to predictions, beside pandas.

``python -m benchmarks.monitoring.labels [--rows 1000000]`` prints seconds and peak memory of both, each in a process of
its own. A tenth of the labels is corrected by a later one, so there are more labels than predictions. pandas has its
labels in memory; ours are read from their batches of Parquet within the time.
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
        for side in ("nothing", "ours", "merge", "rules")
    }
    if len({side["labelled"] for side in sides.values() if side["labelled"]}) != 1:
        raise SystemExit(f"the sides don't agree: {sides}")
    if sides["ours"]["sum"] != sides["rules"]["sum"]:
        raise SystemExit(f"the sides give other labels: {sides}")
    table = Table(
        "what",
        "s",
        "ratio",
        "CPU, s",
        "peak, MiB",
        title=f"{given.rows:,} predictions, {sides['ours']['labels']:,} labels",
    )
    ours = sides["ours"]["seconds"]
    table.add_row("the frame of predictions alone", "", "", "", f"{sides['nothing']['peak']:,.0f}")
    table.add_row(
        "Headwater: read, latest observation, conflicts",
        f"{ours:.2f}",
        "",
        f"{sides['ours']['cpu']:.2f}",
        f"{sides['ours']['peak']:,.0f}",
    )
    for side, words in (("rules", "pandas: latest observation, conflicts, merge"), ("merge", "pandas: merge alone")):
        taken = sides[side]["seconds"]
        table.add_row(
            words, f"{taken:.2f}", f"{taken / ours:.1f}x", f"{sides[side]['cpu']:.2f}", f"{sides[side]['peak']:,.0f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
