"""Materialising and online reads beside Feast, at one endpoint that answers after 0 and 5 ms.

``python -m benchmarks.features.online [--rows 100000] [--feast PYTHON]`` prints our figure, Feast's and the ratio, and
sees that both read the same values back.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.endpoints import endpoint
from benchmarks.features.online_data import FEATURES
from benchmarks.peers import FEAST, feast, run

HERE = Path(__file__).resolve().parent
STUB = "benchmarks.features.online_stub"


def write(path: Path, rows: int) -> None:
    """A row an entity."""
    values = ", ".join(
        f"CAST(hash(i * {FEATURES} + {place}) % 1000000 / 1000.0 AS FLOAT) AS f{place}" for place in range(FEATURES)
    )
    duckdb.sql(
        f"COPY (SELECT printf('e%07d', i) AS entity, TIMESTAMPTZ '2026-10-30 00:00:00+00' + to_seconds(i % 80000) "  # noqa: S608
        f"AS event_time, {values} FROM range({rows}) AS t(i)) TO '{path}'"
    )


def measure(path: Path, rows: int, milliseconds: float, views: int, python: Path | None) -> list[tuple[str, Any, Any]]:
    """What was measured, ours and Feast's (None without Feast)."""
    with endpoint(STUB, milliseconds) as environment:
        common = ["--path", str(path), "--views", str(views)]
        ours = [sys.executable, "-m", "benchmarks.features.online_ours"]
        peer: list[str | Path] = [python, HERE / "online_peer.py"] if python else []
        found: dict[str, dict[str, Any]] = {}
        for what in ("materialise", "read"):
            found[f"ours {what}"] = run([*ours, what, *common], **environment)
            if peer:
                more = ["--rows", str(rows)] if what == "materialise" else []
                found[f"peer {what}"] = run([*peer, what, *common, *more], **environment)
    if peer and found["ours read"]["values"] != found["peer read"]["values"]:
        raise SystemExit("the two sides read different values back")
    place = f"{views} view{'s' if views > 1 else ''}, {milliseconds:g} ms"
    return [
        (f"{title}, {place}", found[f"ours {what}"][field], found[f"peer {what}"][field] if peer else None)
        for what, field, title in (
            ("materialise", "rows_per_second", "materialise, rows/s"),
            ("materialise", "peak_mib", "materialise, largest MiB"),
            ("read", "milliseconds", "read 100 entities, ms"),
        )
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--feast", type=Path, help="a Python that has Feast, instead of an environment of our own")
    given = parser.parse_args()
    python = given.feast or feast()
    table = Table("what", "Headwater", f"Feast {FEAST}", "ratio", title=f"{given.rows:,} entities, {FEATURES} features")
    with tempfile.TemporaryDirectory() as folder:
        for milliseconds, views, rows in ((0, 1, given.rows), (5, 1, given.rows), (5, 5, given.rows // 5)):
            path = Path(folder) / f"{milliseconds}-{views}.parquet"
            write(path, rows)
            for what, ours, theirs in measure(path, rows, milliseconds, views, python):
                ratio = "" if theirs is None else f"{ours / theirs if 'rows/s' in what else theirs / ours:.1f}x"
                table.add_row(what, f"{ours:,.1f}", "" if theirs is None else f"{theirs:,.1f}", ratio)
    Console(width=int(os.environ.get("COLUMNS", "110"))).print(table)


if __name__ == "__main__":
    main()
