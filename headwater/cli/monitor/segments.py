"""`headwater monitor segments`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.cli.command import StackOption, connect
from headwater.cli.monitor.options import (
    ModelArgument,
    SinceOption,
    UntilOption,
    VersionOption,
    bar,
    days_of,
    p_of,
    per_cent,
)
from headwater.cli.output import Answer, answered, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.monitoring.answers import Segments, SegmentShare


def segments(
    model: ModelArgument,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    stack: StackOption = None,
) -> Answer:
    """Show each declared segment's share of the predictions, now and before, and how unusual its last day is."""
    first, last = days_of(since, until)
    found = connect(stack).monitor.segments(model, version=version, since=first, until=last)
    if not found.segments:
        note(f"version {found.version} of {model} counts by no segment: Monitoring(segments=...) declares some")
    return answered(found, _show)


def _show(console: Console, found: Segments) -> None:
    if not found.segments:
        return
    console.print(f"{found.model}@{found.version} {found.since} to {found.until}")
    columns = ("segment", "rows", "share", "before", "", "p", "its last day")
    console.print(table(columns, [_row(one) for one in found.segments]))
    note("segments raise no alarm: so many verdicts a day would raise some by chance")


def _row(one: SegmentShare) -> tuple[object, ...]:
    verdict = one.verdict
    return (
        one.segment,
        one.rows,
        per_cent(one.share),
        "" if one.before is None else per_cent(one.before),
        bar(one.share, 10),
        p_of(verdict.p),
        f"{verdict.outcome.value.lower()}: {verdict.reason}",
    )
