"""Estimated performance of a million scores, beside NannyML.

``python -m benchmarks.monitoring.estimates [--rows 1000000]`` prints our seconds from rows, from rows that are counted
for drift too and from a stored profile, NannyML's and their ratios, and fails if the two don't say the same.
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
        ("from rows, processor's time, ms", ours["rows cpu"], peer["all"]["cpu"] if peer else 0.0),
        ("from rows, beside the area alone, ms", ours["rows"], peer["roc_auc"]["estimated"] if peer else 0.0),
        ("from rows, counted for drift too, ms", ours["counted"] + ours["estimated"], theirs),
        ("from a profile's JSON, stored anyway, ms", ours["stored"], theirs),
        ("from a profile in memory, ms", ours["estimated"], theirs),
    ):
        scale = 1 if what.endswith(" s") else 1000
        ratio = [f"{beside * scale:.2f}", f"{beside / mine:.0f}x"] if peer else []
        table.add_row(what, f"{mine * scale:.2f}", *ratio)
    for metric, other in (peer["all"]["values"] if peer else {}).items():
        for what in ("values", "of rows"):
            value = ours[what][metric]
            name = f"{metric}, {'from the profile' if what == 'values' else 'from rows'}"
            table.add_row(name, f"{value:.5f}", f"{other:.5f}", f"{abs(other - value):.1e} apart")
            if abs(other - value) > ALLOWED:
                raise SystemExit(f"{name}: we say {value:.5f}, NannyML says {other:.5f}")
    for what, of in (("the profile", "values"), ("rows", "of rows")):
        worst = max(abs(ours[of][metric] - value) for metric, value in ours["each row"].items())
        table.add_row(f"largest error from {what}, beside each row by itself", f"{worst:.1e}")
    Console().print(table)


if __name__ == "__main__":
    main()
