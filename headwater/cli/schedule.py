"""`headwater schedule`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, YesOption, commands, connect, group
from headwater.cli.output import Answer, answered, confirm, note, show, table
from headwater.cli.times import PausedUntilOption, schedule_words, this_year, time_in_utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from headwater.client.schedules import NextTick, ScheduleSummary
    from headwater.schedules.types import TickRecord

NameArgument = Annotated[str, typer.Argument(help="Schedule, such as retrain-flight_delay.", metavar="NAME")]
_NO_STYLE = {"DONE": "green", "STARTED": "cyan", "FAILED": "bold red", "MISSED": "yellow"}


class Missed(StrEnum):
    """Fate of the ticks that a pause skipped."""

    NONE = "none"
    LAST = "last"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    summary = "Schedules: when each runs next, what became of its ticks, pauses and backfills."
    commands(group("schedule", summary, app), list_schedules, next_ticks, history, pause, resume, run, backfill)


def list_schedules(stack: StackOption = None) -> Answer:
    """List the schedules: what each starts, when it runs next, and whether it is paused."""
    found = connect(stack).schedules.list()
    return answered(found, _show_list, nothing="the stack has no schedule: a model declares retrain=Schedule(...)")


def next_ticks(
    name: Annotated[str | None, typer.Argument(help="Schedule; by default all.")] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=1000, help="Ticks to show.")] = 10,
    stack: StackOption = None,
) -> Answer:
    """Show the next ticks, in the schedule's zone and in UTC, and what moves them."""
    found = connect(stack).schedules.next(name, number=number)
    return answered(found, _show_next, nothing="nothing is to come")


def history(
    name: NameArgument,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=1000, help="Ticks to show.")] = 20,
    stack: StackOption = None,
) -> Answer:
    """Show the last ticks, newest first: run, skipped or missed, and why."""
    found = connect(stack).schedules.history(name, number=number)
    nothing = f"no tick of {name} has come yet; next: headwater schedule next {name}"
    return answered(found, _show_history, nothing=nothing)


def pause(
    name: NameArgument,
    until: PausedUntilOption = None,
    why: Annotated[str, typer.Option("--why", help="Shown in the history of the ticks that it skips.")] = "",
    stack: StackOption = None,
) -> Answer:
    """Start nothing of a schedule for a while; what runs goes on."""
    end = None if until is None else time_in_utc(until, "--until")
    found = connect(stack).schedules.pause(name, until=end, why=why)
    note(f"{name} is {found}; next: headwater schedule resume {name}")
    return Answer(found)


def resume(
    name: NameArgument,
    missed: Annotated[
        Missed, typer.Option("--missed", help="Whether the last tick that the pause skipped is started after all.")
    ] = Missed.NONE,
    stack: StackOption = None,
) -> Answer:
    """End a pause."""
    schedules = connect(stack).schedules
    started = schedules.resume(name, missed="last" if missed is Missed.LAST else "none")
    if started is not None:
        note(f"the tick of {started.at:%Y-%m-%d %H:%M} UTC: {started.run or started.status.value}")
    note(f"{name} goes on; next: headwater schedule next {name}")
    return Answer({"schedule": name, "started": started})


def run(name: NameArgument, stack: StackOption = None) -> Answer:
    """Start a run now, besides the schedule's ticks."""
    from headwater.schedules.types import TickStatus

    found = connect(stack).schedules.run(name)
    follow = f"runs watch {found.run}" if found.schedule.startswith("retrain-") else f"schedule history {name}"
    if found.status is TickStatus.SKIPPED:
        note(f"skipped: {found.reason}")
    else:
        note(f"started {found.run}; next: headwater {follow}" if found.run else "it waits to be started")
    return Answer(found)


def backfill(
    name: NameArgument,
    since: Annotated[str, typer.Option("--from", help="First moment: ISO 8601, UTC unless it has an offset.")],
    until: Annotated[str, typer.Option("--until", help="End, itself not part of the range: likewise.")],
    parallel: Annotated[int, typer.Option("--parallel", "-p", min=1, max=50, help="Runs at once.")] = 1,
    again: Annotated[bool, typer.Option("--again", help="Also ticks whose run succeeded.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the ticks and start nothing.")] = False,
    yes: YesOption = False,
    stack: StackOption = None,
) -> Answer:
    """Run a past range's ticks that were not run. Started again after an interruption, it goes on."""
    first, last = time_in_utc(since, "--from"), time_in_utc(until, "--until")
    schedules = connect(stack).schedules
    planned = schedules.backfill(name, first, last, parallel=parallel, again=again, dry_run=True)
    if not planned:
        note(f"every tick of {name} in that range was run, or is about to be; --again runs those that succeeded too")
        return Answer(planned)
    if dry_run:
        note(f"{len(planned)} ticks would be run, {parallel} at once")
        return answered(planned, _show_history)
    confirm(f"Run {len(planned)} ticks of {name}, {parallel} at once?", yes)
    found = schedules.backfill(name, first, last, parallel=parallel, again=again)
    note(f"{len(found)} ticks; next: headwater schedule history {name}")
    return answered(found, _show_history)


def _show_list(console: Console, found: Sequence[ScheduleSummary]) -> None:
    rows = [
        (
            one.name,
            schedule_words(f"{one.when} {one.zone}"),
            this_year(one.next) if one.next else None,
            f"{one.last.status.value} {this_year(one.last.at)}" if one.last else None,
            one.paused or ", ".join(one.running) or None,
        )
        for one in found
    ]
    console.print(table(("schedule", "when", "next (UTC)", "last", "now"), rows))


def _show_next(console: Console, found: Sequence[NextTick]) -> None:
    rows = [
        (one.schedule, f"{one.local:%a %Y-%m-%d %H:%M %Z}", f"{one.at:%Y-%m-%d %H:%M}", "; ".join(one.notes))
        for one in found
    ]
    zones = {one.zone for one in found}
    console.print(table(("schedule", zones.pop() if len(zones) == 1 else "in its zone", "UTC", "notes"), rows))


def _show_history(console: Console, found: Sequence[TickRecord]) -> None:
    from rich.text import Text

    rows = [
        (
            f"{one.at:%Y-%m-%d %H:%M}" + (f" to {one.through:%Y-%m-%d %H:%M}" if one.through else ""),
            Text(one.status.value, style=_NO_STYLE.get(one.status.value, "dim")),
            one.count if one.count > 1 else one.run or None,
            _origin(one),
            show(one.since),
            "; ".join(filter(None, (one.reason, *one.notes))),
        )
        for one in found
    ]
    if rows:
        console.print(table(("tick (UTC)", "status", "run", "from", "interval since", "why"), rows))


def _origin(record: TickRecord) -> str:
    return f"{record.origin}{f' by {record.by}' if record.by else ''}"
