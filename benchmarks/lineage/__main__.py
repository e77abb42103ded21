"""Lineage beside ML Metadata: writing edges, walking upwards, and the impact of a file over many edges.

``python -m benchmarks.lineage [--runs 2000] [--edges 100000]`` prints our figures, MLMD's and the ratios, and sees
that both walks find as many nodes. Our table is a stub that answers at once, in a process of its own and over HTTP;
MLMD's is SQLite in the same process.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.endpoints import endpoint
from benchmarks.peers import MLMD, mlmd, run


def ours(milliseconds: float, *arguments: str) -> dict[str, float]:
    """Our figures at an endpoint that answers after so many milliseconds."""
    with endpoint("benchmarks.lineage.stub", milliseconds) as environment:
        return run([sys.executable, "-m", "benchmarks.lineage.ours", *arguments], **environment)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--edges", type=int, default=100_000)
    given = parser.parse_args()
    python, runs = mlmd(), ["--runs", str(given.runs)]
    found, slow = ours(0, *runs), ours(5, *runs)
    peer = run([python, Path(__file__).with_name("peer.py"), *runs]) if python else {}
    for hops in (6, 20):
        if peer and found[f"nodes_{hops}"] != peer[f"nodes_{hops}"]:
            raise SystemExit(f"{hops} hops: we found {found[f'nodes_{hops}']} nodes, MLMD {peer[f'nodes_{hops}']}")
    table = Table("what", "Headwater", f"MLMD {MLMD}", "ratio", title=f"a chain of {given.runs:,} runs")
    for what, name, better in (
        ("edges written a second", "edges_per_second", "more"),
        ("6 hops upwards, ms", "ms_6", "less"),
        ("20 hops upwards, ms", "ms_20", "less"),
    ):
        mine, theirs = found[name], peer.get(name)
        ratio = "" if theirs is None else f"{mine / theirs if better == 'more' else theirs / mine:.2f}x"
        table.add_row(what, f"{mine:,.1f}", "" if theirs is None else f"{theirs:,.1f}", ratio)
    table.add_row("6 hops upwards, 5 ms an answer, ms", f"{slow['ms_6']:,.1f}", "", "")
    impact = ours(0, "--edges", str(given.edges))
    table.add_row(f"impact over {given.edges:,} edges, s", f"{impact['impact_seconds']:,.2f}", "", "")
    Console(width=int(os.environ.get("COLUMNS", "110"))).print(table)


if __name__ == "__main__":
    main()
