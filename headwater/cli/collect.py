"""`headwater collect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.command import StackOption, YesOption, commands, connect, group
from headwater.cli.output import Answer, answered, confirm, note, table, visible
from headwater.cli.times import schedule_words
from headwater.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from headwater.client.collectors import Collected, CollectorSummary
    from headwater.collecting.types import CollectionRun, CollectorSettings

NameArgument = Annotated[str, typer.Argument(help="Collector, such as orders.", metavar="NAME")]
NumberOption = Annotated[int, typer.Option("--number", "-n", min=1, max=1000, help="Show that many at most.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    summary = "Collectors: rows that are fetched from databases, addresses and buckets by a schedule."
    commands(group("collect", summary, app), list_collectors, show_collector, run, history, set_setting, reset)


def list_collectors(stack: StackOption = None) -> Answer:
    """List the collectors: when and where each runs, how far it is, and what its last run did."""
    found = connect(stack).collectors.list()
    return answered(found, _show_list, nothing="the stack has no collector: a product declares Collector(...)")


def show_collector(name: NameArgument, number: NumberOption = 20, stack: StackOption = None) -> Answer:
    """Show a collector's cursor, and its last batches with the files that they became."""
    return answered(connect(stack).collectors.show(name, number=number), _show_batches)


def run(
    name: NameArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended; fail if it fails.")] = False,
    stack: StackOption = None,
) -> Answer:
    """Start a run now, besides the schedule's ticks."""
    collectors = connect(stack).collectors
    tick = collectors.run(name)
    if not wait:
        place = f"in a {collectors.runs_in(name)}"
        note(
            f"started {tick.run} {place}; next: headwater collect history {name}"
            if tick.run
            else f"it waits to be started {place}"
        )
        return Answer(tick)
    return answered((collectors.wait(name, tick),), _show_runs)


def history(name: NameArgument, number: NumberOption = 20, stack: StackOption = None) -> Answer:
    """Show the last runs, newest first: where each ran, what it fetched, or why it failed."""
    found = connect(stack).collectors.history(name, number=number)
    return answered(found, _show_runs, nothing=f"{name} hasn't run yet; next: headwater schedule next collect-{name}")


def set_setting(
    name: NameArgument,
    given: Annotated[
        list[str] | None, typer.Argument(help="SETTING=VALUE, as often as needed.", metavar="SETTING=VALUE")
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", help="Give a setting its declared value back.", metavar="SETTING")
    ] = None,
    stack: StackOption = None,
) -> Answer:
    """Give settings of a collector of the project's own values that only this stack has. No place for secrets."""
    changes: dict[str, str | None] = dict.fromkeys(unset or ())
    for entry in given or ():
        setting, is_there, value = entry.partition("=")
        if not is_there or setting in changes:
            raise InvalidRequest(f"{entry!r}: expected SETTING=VALUE, each setting once")
        changes[setting] = value
    if not changes:
        raise InvalidRequest("nothing to set: give SETTING=VALUE, or --unset SETTING")
    settings = connect(stack).collectors.configure(name, changes)
    note(f"next: headwater collect run {name}")
    return answered(settings, _show_settings)


def reset(
    name: NameArgument,
    to: Annotated[
        str | None,
        typer.Option("--to", help="Cursor: the last value that counts as read. [default: none, all is read again]"),
    ] = None,
    yes: YesOption = False,
    stack: StackOption = None,
) -> Answer:
    """Set the cursor, or forget it. What is read again lands again, beside what has landed."""
    if to is not None and not to.strip():
        raise InvalidRequest("--to is empty: leave it out to read everything again")
    collectors = connect(stack).collectors
    before = collectors.show(name, number=1).state
    there = before.cursor if before and before.cursor else "none"
    confirm(f"Set the cursor of {name} from {there} to {to or 'none'}, so that what follows is read again?", yes)
    state = collectors.reset(name, cursor=_cursor(to))
    note(f"next: headwater collect run {name}")
    return Answer(state)


def _cursor(text: str | None) -> Any:
    """JSON if it is, else text."""
    from headwater.json_values import loads

    if text is None:
        return None
    try:
        return loads(text)
    except ValueError:
        return text


def _show_list(console: Console, found: Sequence[CollectorSummary]) -> None:
    rows = [
        (
            one.name,
            schedule_words(one.when) + ("" if one.runs_in == "function" else f", in a {one.runs_in}"),
            f"{one.next:%Y-%m-%d %H:%M}" if one.next else None,
            f"{one.last.status.value} {one.last.at:%Y-%m-%d %H:%M}, {one.last.rows:,} rows" if one.last else None,
            _said(one.cursor),
            one.paused or (f"{one.pending} batches pending" if one.pending else None),
        )
        for one in found
    ]
    console.print(table(("collector", "when", "next (UTC)", "last run", "cursor", "now"), rows))


def _show_runs(console: Console, found: Sequence[CollectionRun]) -> None:
    rows = [
        (f"{one.at:%Y-%m-%d %H:%M}", one.status.value, one.runs_in, one.batches, one.rows, one.run) for one in found
    ]
    console.print(table(("tick (UTC)", "status", "in", "batches", "rows", "run"), rows, whole=["run"]))
    for one in found:
        if one.reason:
            console.print(f"{one.at:%Y-%m-%d %H:%M}: {visible(one.reason)}")


def _show_settings(console: Console, found: CollectorSettings) -> None:
    if not found.settings:
        console.print("every setting has its declared value")
    for name, value in found.settings.items():
        console.print(f"{name} = {visible(value)}")


def _show_batches(console: Console, found: Collected) -> None:
    state = found.state
    from headwater.json_values import loads

    cursor = _said(loads(state.cursor)) if state and state.cursor else None
    console.print(f"cursor {cursor or 'none'}")
    for name, value in found.settings.items():
        console.print(f"{name} = {visible(value)} on this stack")
    rows = [
        (
            one.sequence,
            f"{one.at:%Y-%m-%d %H:%M}",
            None if one.rows is None else f"{one.rows:,}",
            one.file or None,
            "landed" if one.landed else "replaced" if one.replaced else "pending" if one.file else None,
        )
        for one in found.batches
    ]
    if rows:
        console.print(table(("batch", "at (UTC)", "rows", "file", "now"), rows))


def _said(cursor: Any) -> str | None:
    if isinstance(cursor, dict) and "value" in cursor:
        cursor = cursor["value"]
    elif isinstance(cursor, dict) and isinstance(cursor.get("shards"), dict):
        shards = [one for one in cursor["shards"].values() if not one.get("ended")]
        oldest = min((one["read_to"] for one in shards if one.get("read_to")), default=cursor.get("start"))
        cursor = f"{len(shards):,} shards, read to {oldest}"
    elif isinstance(cursor, dict) and "messages" in cursor:
        cursor = f"{cursor['messages']:,} messages"
    return None if cursor is None else visible(str(cursor))[:60]
