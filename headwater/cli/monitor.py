"""`headwater monitor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli import monitor_dashboards
from headwater.cli.command import StackOption, commands, connect, group
from headwater.cli.output import Answer, note, show, table
from headwater.cli.times import day_of

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.monitoring.drift.judging import Finding
    from headwater.monitoring.watching import Watched, WatchedDay


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    monitor = group("monitor", "Watching models: do a day's predictions look as the training's days did?", app)
    commands(monitor, drift)
    monitor_dashboards.add_to(monitor)


def drift(
    model: Annotated[str, typer.Argument(help="Model that serves.", show_default=False)],
    version: Annotated[
        int | None, typer.Option("--version", "-v", help="By default the one that serves.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="First day, UTC: YYYY-MM-DD. [default: six days ago]", show_default=False),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Last day, UTC. [default: today]", show_default=False)
    ] = None,
    stack: StackOption = None,
) -> Answer:
    """Judge each day beside the days of the training: one p-value, and the features that explain it."""
    first = None if since is None else day_of(since, "--since")
    last = None if until is None else day_of(until, "--until")
    found = connect(stack).monitor.drift(model, version=version, since=first, until=last)
    if not found.days:
        note(f"version {found.version} of {model} answered nothing on these days")
    return Answer(found, lambda console: _show(console, found))


def _show(console: Console, watched: Watched) -> None:
    if not watched.days:
        return
    console.print(f"[bold]{watched.model}@{watched.version}[/bold] {watched.state.value}", highlight=False)
    columns = ("day (UTC)", "predictions", "p", "state", "verdict")
    console.print(table(columns, [_row(day) for day in watched.days]))
    for day in watched.days:
        for finding in day.verdict.findings:
            console.print(f"{day.day} {_words(finding)}", markup=False, soft_wrap=True)


def _row(day: WatchedDay) -> tuple[object, ...]:
    verdict = day.verdict
    p = "" if verdict.p is None else f"{verdict.p:.3f}"
    return day.day.isoformat(), verdict.rows, p, day.state.value, f"{verdict.outcome.value.lower()}: {verdict.reason}"


def _words(finding: Finding) -> str:
    usual = f"usual {show(finding.usual[0])} to {show(finding.usual[1])}"
    detail = f" ({finding.detail})" if finding.detail else ""
    return f"{finding.feature} {finding.channel.value} {show(finding.value)}{detail}, {usual}"
