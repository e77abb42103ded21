"""`headwater monitor errors`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, connect
from headwater.cli.monitor.options import (
    AsOfOption,
    ModelArgument,
    SinceOption,
    UntilOption,
    VersionOption,
    days_of,
    moment_of,
    per_cent,
)
from headwater.cli.output import Answer, answered, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.monitoring.performance.answers import ErrorsAnswer
    from headwater.monitoring.slices.types import Slice


def errors(
    model: ModelArgument,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    beside: Annotated[
        int | None, typer.Option("--beside", help="Another version that answered on the same days.")
    ] = None,
    as_of: AsOfOption = None,
    stack: StackOption = None,
) -> Answer:
    """Show the slices of labelled predictions that lose most, such as one carrier in the evening."""
    first, last = days_of(since, until)
    found = connect(stack).monitor.errors(
        model, version=version, since=first, until=last, beside=beside, as_of=moment_of(as_of)
    )
    return answered(found, _show)


def _show(console: Console, found: ErrorsAnswer) -> None:
    analysis = found.analysis
    known = "" if found.known is None else f", as known on {found.known:%Y-%m-%d %H:%M} UTC"
    console.print(f"{found.model}@{found.version} {found.since} to {found.until}{known}", soft_wrap=True)
    mean = "" if analysis.loss is None else f", mean {found.loss} {analysis.loss:.4g}"
    console.print(
        f"{analysis.rows:,} labelled predictions{mean}; {analysis.searched:,} slices looked at", soft_wrap=True
    )
    if analysis.reason:
        note(f"nothing was searched: {analysis.reason}")
        return
    if not analysis.slices:
        note("no slice loses more than the others by more than chance")
        return
    columns = ["slice", "rows", "loss", "excess", "95% interval", "of rows", "of loss"]
    if found.beside is not None:
        columns += [f"in v{found.beside}", "new"]
    console.print(table(columns, [_row(one, beside=found.beside is not None) for one in analysis.slices]))
    note("excess: how much more than all other rows; a tenth of what is listed may be chance")
    if found.beside is not None and all(one.before is None for one in analysis.slices):
        note(f"version {found.beside} has fewer than 50 labelled predictions of each slice on these days")


def _row(one: Slice, *, beside: bool) -> tuple[object, ...]:
    row: tuple[object, ...] = (
        " and ".join(one.conditions),
        one.rows,
        one.loss,
        one.excess,
        f"{one.low:.3g}..{one.high:.3g}",
        per_cent(one.share_of_rows),
        per_cent(one.share_of_loss),
    )
    if not beside:
        return row
    return (*row, "" if one.before is None else one.before, {True: "yes", False: "no", None: ""}[one.is_new])
