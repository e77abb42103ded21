"""`headwater monitor drift`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, connect
from headwater.cli.monitor.options import (
    AsOfOption,
    ModelArgument,
    SegmentOption,
    SinceOption,
    UntilOption,
    VersionOption,
    days_of,
    moment_of,
    p_of,
)
from headwater.cli.output import Answer, answered, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.monitoring.answers import Watched, WatchedDay


def drift(
    model: ModelArgument,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    segment: SegmentOption = "",
    horizon: Annotated[
        int, typer.Option("--horizon", min=1, max=31, help="Days that are judged together, such as 7.")
    ] = 1,
    as_of: AsOfOption = None,
    stack: StackOption = None,
) -> Answer:
    """Judge each day beside the days of the training: one p-value, and the features that explain it."""
    first, last = days_of(since, until)
    found = connect(stack).monitor.drift(
        model, version=version, since=first, until=last, segment=segment, horizon=horizon, as_of=moment_of(as_of)
    )
    if not found.days:
        note(f"version {found.version} of {model} answered nothing on these days")
    return answered(found, _show)


def _show(console: Console, watched: Watched) -> None:
    from headwater.monitoring.watch.words import of_finding

    if not watched.days:
        return
    what = f"{watched.model}@{watched.version}" + (f" {watched.segment}" if watched.segment else "")
    console.print(f"{what} {watched.state.value}")
    if watched.horizon > 1:
        note(f"each day with the {watched.horizon - 1} before it; the alarm goes by single days")
    if watched.segment:
        note("beside the segment's own earlier days; segments raise no alarm")
    columns = ("day (UTC)", "predictions", "p", "state", "verdict")
    console.print(table(columns, [_row(day) for day in watched.days]))
    for day in watched.days:
        for finding in day.verdict.findings:
            console.print(f"{day.day} {of_finding(finding)}", soft_wrap=True)


def _row(day: WatchedDay) -> tuple[object, ...]:
    from headwater.monitoring.watch.words import LASTING

    verdict = day.verdict
    state = "(running)" if day.running else day.state.value
    return (
        day.day.isoformat(),
        verdict.rows,
        p_of(verdict.p),
        state,
        f"{verdict.outcome.value.lower()}: {verdict.reason}" + (f"; {LASTING}" if day.lasts else ""),
    )
