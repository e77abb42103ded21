"""`headwater monitor replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, connect
from headwater.cli.monitor.options import AsOfOption, ModelArgument, VersionOption, moment_of, p_of
from headwater.cli.output import Answer, answered, note, table
from headwater.cli.times import day_of

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.monitoring.answers import Replay, ReplayedDay


def replay(
    model: ModelArgument,
    since: Annotated[str, typer.Option("--since", help="First day, UTC: YYYY-MM-DD.")],
    until: Annotated[str, typer.Option("--until", help="Last day, UTC.")],
    version: VersionOption = None,
    as_of: AsOfOption = None,
    stack: StackOption = None,
) -> Answer:
    """Judge days anew by today's rules, beside what was said of them then."""
    first, last = day_of(since, "--since"), day_of(until, "--until")
    found = connect(stack).monitor.replay(model, first, last, version=version, as_of=moment_of(as_of))
    return answered(found, _show)


def _show(console: Console, found: Replay) -> None:
    if not found.days:
        note(f"version {found.version} of {found.model} answered nothing on these days")
        return
    columns = ("day (UTC)", "rows", "said then", "p", "state", "said now", "p", "state")
    console.print(table(columns, [_row(one) for one in found.days]))
    console.print(f"alarms raised then {found.alarms_then}, by today's rules {found.alarms_now}")


def _row(one: ReplayedDay) -> tuple[object, ...]:
    said = one.said
    return (
        one.day.isoformat(),
        one.verdict.rows,
        "" if said is None else said.outcome.value.lower(),
        "" if said is None else p_of(said.p),
        "" if one.then is None else one.then.value,
        one.verdict.outcome.value.lower(),
        p_of(one.verdict.p),
        one.now.value,
    )
