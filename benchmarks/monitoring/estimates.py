"""Estimated performance of a million scores, beside NannyML.

``python -m benchmarks.monitoring.estimates [--rows 1000000]`` prints our seconds from rows (scores are counted first)
and from a stored profile, NannyML's and their ratios, and fails if the two don't say the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.peers import NANNYML, nannyml, run

ALLOWED = 1e-3
"""Difference between the two sides' figures."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reference", type=int, default=50_000)
    given = parser.parse_args()
    python, options = nannyml(), ["--rows", str(given.rows), "--reference", str(given.reference)]
    ours = run([sys.executable, "-m", "benchmarks.monitoring.estimates_ours", *options])
    peer = run([python, Path(__file__).with_name("estimates_peer.py"), *options]) if python else {}
    table = Table("what", "Headwater", f"NannyML {NANNYML}", "ratio", title=f"estimates of {given.rows:,} scores")
    theirs = peer["all"]["estimated"] if peer else 0.0
    for what, mine, beside in (
        ("calibration, fitted once, s", ours["fitted"], peer["all"]["fitted"] if peer else 0.0),
        ("from rows, ms", ours["rows"], theirs),
        ("from rows, beside the area alone, ms", ours["rows"], peer["roc_auc"]["estimated"] if peer else 0.0),
        ("from a profile's JSON, stored anyway, ms", ours["stored"], theirs),
        ("from a profile in memory, ms", ours["estimated"], theirs),
    ):
        scale = 1 if what.endswith(" s") else 1000
        ratio = [f"{beside * scale:.2f}", f"{beside / mine:.0f}x"] if peer else []
        table.add_row(what, f"{mine * scale:.2f}", *ratio)
    for metric, value in ours["values"].items():
        other = peer["all"]["values"].get(metric) if peer else None
        table.add_row(metric, f"{value:.5f}", *([f"{other:.5f}", f"{abs(other - value):.1e} apart"] if other else []))
        if other is not None and abs(other - value) > ALLOWED:
            raise SystemExit(f"{metric}: we say {value:.5f}, NannyML says {other:.5f}")
    worst = max(abs(ours["values"][metric] - value) for metric, value in ours["by rows"].items())
    table.add_row("largest error of bins beside rows", f"{worst:.1e}")
    Console().print(table)


if __name__ == "__main__":
    main()
