"""`headwater monitor quality`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, connect
from headwater.cli.monitor.options import (
    ModelArgument,
    SinceOption,
    UntilOption,
    VersionOption,
    days_of,
    per_cent,
)
from headwater.cli.output import Answer, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.monitoring.answers import ColumnQuality, Quality
    from headwater.monitoring.drift.explaining import Share

SHOWN = 40
"""Rows that people are shown; --json has all."""


def quality(
    model: ModelArgument,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also columns whose shares are all within their usual ranges.")
    ] = False,
    stack: StackOption = None,
) -> Answer:
    """Show what is missing, unseen, infinite, frozen or outside of training's range, by day and column."""
    first, last = days_of(since, until)
    found = connect(stack).monitor.quality(model, version=version, since=first, until=last)
    return Answer(found, lambda console: _show(console, found, every=every))


def _show(console: Console, found: Quality, *, every: bool) -> None:
    days = {one.day for one in found.columns}
    rows = [one for one in found.columns if every or one.is_unusual]
    if not days:
        note(f"version {found.version} of {found.model} answered nothing on these days")
    elif not rows:
        note(f"all columns are within their usual ranges on {len(days)} days; --all shows them")
    if not rows:
        return
    columns = ("column", "day (UTC)", "missing", "unseen", "infinite", "frozen", "outside")
    console.print(table(columns, [_row(one) for one in rows[:SHOWN]], whole=("day (UTC)",)))
    note("an asterisk: above what 95% of the reference windows have, in brackets")
    if len(rows) > SHOWN:
        note(f"and {len(rows) - SHOWN} more rows; --json has all")


def _row(one: ColumnQuality) -> tuple[object, ...]:
    from headwater.monitoring.drift.explaining import SHARES
    from headwater.monitoring.profiles.types import SCORES

    name = "predictions" if one.feature == SCORES else one.feature
    return (name, one.day.isoformat(), *(_cell(one.shares.get(channel)) for channel in SHARES))


def _cell(share: Share | None) -> str:
    if share is None:
        return ""
    if share.usual is None or share.value <= share.usual[1]:
        return per_cent(share.value)
    return f"{per_cent(share.value)}* ({per_cent(share.usual[1])})"
