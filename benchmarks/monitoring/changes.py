"""Annotated change points: our rule on seven series of the Turing Institute, beside never and always alarming.

``python -m benchmarks.monitoring.changes <folder>`` reads the series that river's wheel ships (``pip download river
--no-deps``, unpacked: the folder ``river/drift/datasets``) and their annotations, and prints F1 as G. van den Burg and
C. Williams define it ("An Evaluation of Change Point Detection Algorithms", 2020): a change counts if it is told within
a margin of 5 observations; recall is the mean over the annotators; the first observation is a change to everybody.

Three readings of our rule: days as it wants them (windows of 50 rows that don't overlap, 30 of them before anything is
judged), windows that slide by one observation and overlap, which the rule was not made for, and the same with a new
bank after each alarm, as a new version would have one. A change is told where an alarm begins, at the last observation
of the window that was bad first.
"""

from __future__ import annotations

import argparse
import ast
import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from headwater.monitoring.drift.bank import Bank, BankWindow
from headwater.monitoring.drift.judging import Judge
from headwater.monitoring.drift.reference import LEAST_KNOWN, LEAST_ROWS, LEAST_WINDOWS
from headwater.monitoring.drift.standing import Standing, State
from headwater.monitoring.drift.verdicts import Outcome
from headwater.monitoring.profiles.counting import profile_of
from headwater.monitoring.profiles.types import Scheme
from headwater.registry.types import NumberProfile, Profile

MARGIN = 5
FOUNDING = 0.3
"""Share of a series that the first bank is made of, where windows slide."""
START = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Series:
    """A series with what annotators say of it."""

    name: str
    columns: tuple[str, ...]
    values: Any
    """Shape (rows as shipped, columns)."""
    step: int
    """The annotators saw every step-th row."""
    annotations: Mapping[str, Sequence[int]]

    @property
    def seen(self) -> Any:
        """What the annotators saw."""
        return self.values[:: self.step]


SHIPPED: Mapping[str, tuple[tuple[str, ...], int, Callable[[dict[str, str]], bool]]] = {
    "airline_passengers": (("Total Passengers",), 1, lambda _: True),
    "apple": (("Close", "Volume"), 3, lambda _: True),
    "bitcoin": (("price",), 1, lambda _: True),
    "brent_crude_oil": (("DPB",), 10, lambda row: int(row["day"][-4:]) >= 2000),
    "occupancy": (("V1", "V2", "V3", "V4"), 1, lambda _: True),
    "run_log": (("Pace", "Distance"), 1, lambda _: True),
    "uk_coal_employment": (("Employment",), 1, lambda _: True),
}
"""For each series: its columns, which of its rows the annotators saw (said in river's docstrings), and what is kept."""


def read(folder: Path, name: str) -> Series:
    """Read a series and its annotations."""
    columns, step, wanted = SHIPPED[name]
    with (folder / f"{name}.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if wanted(row)]
    values = np.asarray([[float(row[column]) for column in columns] for row in rows])
    return Series(name, columns, values, step, _annotations(folder / f"{name}.py"))


def _annotations(source: Path) -> dict[str, list[int]]:
    """The argument that river gives its base class; importing river isn't needed."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "annotations":
            found: dict[str, list[int]] = ast.literal_eval(node.value)
            return found
    raise SystemExit(f"{source} has no annotations")


def f1(told: Iterable[int], annotations: Mapping[str, Sequence[int]], margin: int = MARGIN) -> float:
    """F1 with several annotators."""
    mine = {0, *told}
    theirs = [{0, *points} for points in annotations.values()]
    precision = _met(set().union(*theirs), mine, margin) / len(mine)
    recall = float(np.mean([_met(points, mine, margin) / len(points) for points in theirs]))
    return 2 * precision * recall / (precision + recall)


def _met(true: set[int], told: set[int], margin: int) -> int:
    """How many true points are told, each told point once."""
    left = set(told)
    met = 0
    for point in sorted(true):
        near = [one for one in left if abs(one - point) <= margin]
        if near:
            left.discard(min(near, key=lambda one: (abs(one - point), one)))
            met += 1
    return met


def judge_of(series: Series, windows: Sequence[Any]) -> tuple[Scheme, Judge]:
    """The judge that windows (arrays of rows) make."""
    together = np.concatenate(windows)
    numbers = {
        name: NumberProfile(
            missing=0.0,
            quantiles=tuple(np.quantile(together[:, place], np.linspace(0, 1, 257)).tolist()),
            mean=float(together[:, place].mean()),
        )
        for place, name in enumerate(series.columns)
    }
    nothing = NumberProfile(missing=1, quantiles=(), mean=None)
    described = Profile(model=series.name, run_id="changes", rows=len(together), numbers=numbers, categories={},
                        label=nothing, predictions=nothing)  # fmt: skip
    scheme = Scheme.of(described)
    bank = Bank(
        scheme=scheme,
        windows=tuple(
            BankWindow(start=START + timedelta(days=place), profile=counted(series, scheme, rows))
            for place, rows in enumerate(windows)
        ),
    )
    return scheme, Judge(bank)


def counted(series: Series, scheme: Scheme, rows: Any) -> Any:
    """Count a window; a short one's observations as often as fifty rows need, in the bank as in what is judged."""
    rows = np.repeat(rows, -(-LEAST_ROWS // len(rows)), axis=0)
    return profile_of(scheme, {name: rows[:, place] for place, name in enumerate(series.columns)}, part="window")


def told_by_days(series: Series) -> tuple[list[int], int]:
    """Alarms of windows of fifty rows as shipped, the first thirty as the bank; and how many windows were judged."""
    windows = [series.values[at : at + LEAST_ROWS] for at in range(0, len(series.values) - LEAST_ROWS + 1, LEAST_ROWS)]
    if len(windows) <= LEAST_WINDOWS:
        return [], 0
    scheme, judge = judge_of(series, windows[:LEAST_WINDOWS])
    ends = [((place + 1) * LEAST_ROWS - 1) // series.step for place in range(LEAST_WINDOWS, len(windows))]
    return _alarms(series, scheme, judge, windows[LEAST_WINDOWS:], ends)[0], len(ends)


def told_by_sliding(series: Series, *, again: bool) -> tuple[list[int], int]:
    """Alarms of windows of twenty observations that slide by one; and how many windows were judged."""
    rows, length, judged, begin = series.seen, LEAST_KNOWN, 0, 0
    told: list[int] = []
    founding = max(int(FOUNDING * len(rows)), LEAST_WINDOWS + length - 1)
    while begin + founding + length <= len(rows):
        bank = [rows[at : at + length] for at in range(begin, begin + founding - length + 1)]
        scheme, judge = judge_of(series, bank)
        ends = list(range(begin + founding + length - 1, len(rows)))
        windows = [rows[end - length + 1 : end + 1] for end in ends]
        found, seen = _alarms(series, scheme, judge, windows, ends, once=again)
        told, judged = [*told, *found], judged + seen
        if not again or not found:
            break
        begin = found[-1]
    return told, judged


def _alarms(
    series: Series, scheme: Scheme, judge: Judge, windows: Sequence[Any], ends: Sequence[int], *, once: bool = False
) -> tuple[list[int], int]:
    """Where alarms begin, and how many windows were looked at until the last one."""
    standing, told, bad_since = Standing(), list[int](), None
    for place, (rows, end) in enumerate(zip(windows, ends, strict=True)):
        before = standing.state
        verdict = judge.judge(counted(series, scheme, rows))
        standing = standing.after(verdict)
        bad = verdict.outcome in (Outcome.SUSPICIOUS, Outcome.EXTREME)
        if bad and bad_since is None:
            bad_since = end
        if standing.state is State.ALARM and before is not State.ALARM:
            told.append(end if bad_since is None else bad_since)
            if once:
                return told, place + 1
        if standing.state is State.NORMAL:
            bad_since = None
    return told, len(windows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="river/drift/datasets of river's unpacked wheel")
    parser.add_argument("--margin", type=int, default=MARGIN)
    given = parser.parse_args()
    table = Table("series", "seen", "never", "always", "days", "judged", "sliding", "told", "new banks", "told")
    sums = np.zeros(5)
    for name in SHIPPED:
        series = read(given.folder, name)
        length = len(series.seen)
        by_days, judged = told_by_days(series)
        sliding, _ = told_by_sliding(series, again=False)
        again, _ = told_by_sliding(series, again=True)
        scores = [f1(told, series.annotations, given.margin) for told in ([], range(length), by_days, sliding, again)]
        sums += scores
        shown = [f"{score:.3f}" for score in scores]
        table.add_row(name, f"{length:,}", shown[0], shown[1], shown[2], str(judged),
                      shown[3], _words(sliding), shown[4], _words(again))  # fmt: skip
    means = [f"{value / len(SHIPPED):.3f}" for value in sums]
    table.add_row("mean", "", means[0], means[1], means[2], "", means[3], "", means[4], "")
    Console(width=160).print(table)


def _words(told: Sequence[int]) -> str:
    return " ".join(map(str, told)) or "nothing"


if __name__ == "__main__":
    main()
