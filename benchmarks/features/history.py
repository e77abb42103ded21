"""The point-in-time join beside Feast on DuckDB, and how it grows: ``python -m benchmarks.features.history``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.peers import FEAST, ROOT, feast, run

PEER = Path(__file__).with_name("history_peer.py")
LONG = 400
"""Days: longer than the year that the rows are of, so that every earlier row is a candidate."""


def ours(*arguments: object) -> dict[str, Any]:
    """One step of ours, in a process of its own."""
    return run([sys.executable, "-m", "benchmarks.features.history_ours", *map(str, arguments)], PYTHONPATH=str(ROOT))


def times(seen: dict[str, Any]) -> list[str]:
    """As shown."""
    return [f"{seen['seconds']:.3g} s", f"{seen['work']:.3g} s", f"{seen['megabytes']:,.0f} MB"]


def beside(table: Table, rows: int, each: int, questions: int, days: int, runs: int, limit: int) -> list[str]:
    """Both sides on the same files, in turn; the fastest of each. What was checked."""
    python = feast()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        ours("make", folder, rows, each, questions)
        mine, theirs = [], []
        for _ in range(runs):
            mine.append(ours("join", folder, folder / "ours.parquet", days, limit))
            if python:
                theirs.append(run([python, "-W", "ignore", PEER, folder, folder / "theirs.parquet", str(days)]))
        frames = [folder / "ours.parquet", *([folder / "theirs.parquet"] if theirs else [])]
        found = ours("check", folder, days, *frames)
    assert not found["wrong"][0], "our frame isn't what a plain search finds"
    assert mine[0]["rows"] == questions
    best = min(mine, key=lambda seen: seen["seconds"])
    other = min(theirs, key=lambda seen: seen["seconds"]) if theirs else None
    ratios = ["", ""] if other is None else [f"{other[key] / best[key]:.1f}x" for key in ("seconds", "work")]
    table.add_row(f"{each:,}", f"{days} d", *(times(other) if other else ["", "", ""]), *times(best), *ratios)
    said = f"{each} rows an entity, {days} days: {found['picked']:,} rows of ours are what a plain search finds"
    if theirs:
        said += f"; Feast's {'are not' if found['wrong'][1] else 'too'}, {found['differ'][0]:,} rows of the two differ"
    return [said]


def curve(table: Table, sizes: list[tuple[int, int]], limit: int) -> None:
    """Ours alone."""
    for rows, questions in sizes:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            computed = ours("make", folder, rows, 50, questions)
            seen = ours("join", folder, folder / "ours.parquet", LONG, limit)
            found = ours("check", folder, LONG, folder / "ours.parquet")
        assert not found["wrong"][0]
        assert seen["rows"] == questions
        table.add_row(f"{rows:,}", f"{questions:,}", f"{computed['seconds']:.3g} s", *times(seen))


def main() -> None:
    """Measure, check, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features.history", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="feature rows, of ten features")
    parser.add_argument("--questions", type=int, default=100_000, help="entity rows; 0: leave the comparison out")
    parser.add_argument("--each", type=int, nargs="*", default=[50, 500], help="rows an entity")
    parser.add_argument("--days", type=int, nargs="*", default=[LONG, 30], help="TTL")
    parser.add_argument("--runs", type=int, default=2, help="of each side; the fastest counts")
    parser.add_argument("--limit", type=int, default=2000, help="DuckDB's memory limit on our side, MB")
    parser.add_argument(
        "--sizes", nargs="*", default=["100000x10000", "1000000x100000", "10000000x1000000"], help="rows x questions"
    )
    options = parser.parse_args()
    console = Console(width=150)
    console.print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if options.questions:
        table = Table(
            "rows an entity", "TTL", f"Feast {FEAST}", "work (CPU)", "peak", "Headwater", "work (CPU)", "peak", "ratio",
            "of work", title=f"{options.questions:,} entity rows x {options.rows:,} rows x 10 features; "
            "floor 4x at 50, 50x at 500; aim 10x, 100x",
        )  # fmt: skip
        notes: list[str] = []
        for each in options.each:
            for days in options.days:
                notes += beside(table, options.rows, each, options.questions, days, options.runs, options.limit)
        console.print(table, *notes, sep="\n")
    if options.sizes:
        grown = Table("rows", "entity rows", "compute", "join", "work (CPU)", "peak", title="growth: Headwater alone")
        sizes = [(int(rows), int(questions)) for rows, questions in (size.split("x") for size in options.sizes)]
        curve(grown, sizes, options.limit)
        console.print(grown)
    console.print(f"load average {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
