"""A window's profile and drift, beside NannyML.

``python -m benchmarks.monitoring [--rows 1000000]`` prints our seconds for twenty columns, NannyML's and their ratio;
both sides count the same rows, neither of them drifted, in one process and on one core as far as they let us.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.peers import NANNYML, nannyml, run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reference", type=int, default=100_000)
    given = parser.parse_args()
    python, options = nannyml(), ["--rows", str(given.rows), "--reference", str(given.reference)]
    ours = run([sys.executable, "-m", "benchmarks.monitoring.ours", *options])
    peer = run([python, Path(__file__).with_name("peer.py"), *options]) if python else {}
    if ours["says"] != "CLEAN":
        raise SystemExit(f"the window hasn't drifted, but we say {ours['says']}")
    table = Table("what", "Headwater", f"NannyML {NANNYML}", "ratio", title=f"20 columns of {given.rows:,} rows")
    for what, side, name in (
        ("the reference, one distance a column, s", "shape", "reference"),
        ("the window, one distance a column, s", "shape", "window"),
        ("the reference, all that ours gives, s", "all", "reference"),
        ("the window, all that ours gives, s", "all", "window"),
    ):
        theirs = peer[side][name] if peer else None
        table.add_row(what, f"{ours[name]:.2f}", *([f"{theirs:.2f}", f"{theirs / ours[name]:.1f}x"] if theirs else []))
    table.add_row("processor's time of the window, s", f"{ours['cpu']:.2f}")
    table.add_row("the window's profile, bytes", f"{ours['bytes']:,}")
    if peer:
        table.add_row("distances that alarm", "0%", f"{peer['all']['alerts']:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
