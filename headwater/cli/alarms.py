"""`headwater alarms`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.command import StackOption, YesOption, command, commands, connect, group
from headwater.cli.keys import RevokeOption, rotated
from headwater.cli.output import Answer, answered, confirm, listed, note, table
from headwater.cli.render.alarms import show_alarms, show_group, show_routes
from headwater.cli.times import time_in_utc
from headwater.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from headwater.alarms.replay import Told
    from headwater.alarms.types import Group, Instance
    from headwater.declare.alarms import Alarms

GroupArgument = Annotated[
    str, typer.Argument(metavar="GROUP", help="Id of a group, or the name of an alarm that is in one group.")
]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Until when; UTC unless it says.")]
ForOption = Annotated[str | None, typer.Option("--for", metavar="DURATION", help="For how long, such as 4h or 2d.")]
NoteOption = Annotated[str, typer.Option("--note", metavar="TEXT", help="Kept with the group.")]
GenerationOption = Annotated[
    int | None,
    typer.Option("--generation", min=0, help="Only if the group is still in this generation (alarms show)."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    made = group("alarms", "The stack's alarms, and who hears of them.", app)
    commands(
        made, list_alarms, show_alarm, ack_group, unack_group, snooze_group, close_group, mute_alarms, unmute_alarms,
        mutes_list, beat_heart, heartbeats_list, route_alarm, test_receiver, send_alarms, replay_events,
    )  # fmt: skip
    command(made, "rotate-key")(rotate_key)


def list_alarms(stack: StackOption = None) -> Answer:
    """List the stack's alarms, those that are going off first."""
    return answered(connect(stack).alarms.list(), show_alarms)


def show_alarm(group: GroupArgument, stack: StackOption = None) -> Answer:
    """Show a group: its alarms, its state and what people were told of it."""
    return answered(connect(stack).alarms.show(group), show_group)


def ack_group(
    group: GroupArgument,
    until: UntilOption = None,
    for_: ForOption = None,
    text: NoteOption = "",
    generation: GenerationOption = None,
    stack: StackOption = None,
) -> Answer:
    """Say that you are at it: the group is quiet until a new alarm comes, or for a day."""
    end = _end(until, for_)
    changed = connect(stack).alarms.ack(group, until=end, note=text, generation=generation)
    return _changed(changed, f"acknowledged until {changed.until:%Y-%m-%d %H:%M} UTC, or until a new alarm comes")


def unack_group(group: GroupArgument, generation: GenerationOption = None, stack: StackOption = None) -> Answer:
    """Take back an acknowledgement or a snooze."""
    return _changed(connect(stack).alarms.unack(group, generation=generation), "open again")


def snooze_group(
    group: GroupArgument,
    until: UntilOption = None,
    for_: ForOption = None,
    text: NoteOption = "",
    generation: GenerationOption = None,
    stack: StackOption = None,
) -> Answer:
    """Be quiet about a group for a while, or until a new alarm comes."""
    end = _end(until, for_)
    if end is None:
        raise InvalidRequest("say for how long (--for 4h) or until when (--until TIME)")
    changed = connect(stack).alarms.snooze(group, until=end, note=text, generation=generation)
    return _changed(changed, f"snoozed until {changed.until:%Y-%m-%d %H:%M} UTC, or until a new alarm comes")


def close_group(group: GroupArgument, generation: GenerationOption = None, stack: StackOption = None) -> Answer:
    """Close a group of which nothing fires any more."""
    return _changed(connect(stack).alarms.close(group, generation=generation), "closed")


def mute_alarms(
    match: Annotated[
        list[str],
        typer.Argument(metavar="MATCHER", help="Such as 'model=flights' or 'kind=~\"drift.*\"'; all must hold."),
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; people read it afterwards.")],
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From when on; by default now.")] = None,
    until: UntilOption = None,
    for_: ForOption = None,
    until_resolved: Annotated[
        bool, typer.Option("--until-resolved", help="Only alarms that fire now, until each has resolved.")
    ] = False,
    cron: Annotated[
        str | None, typer.Option("--cron", metavar="CRON", help="Windows that begin then, such as '0 22 ? * * *'.")
    ] = None,
    lasts: Annotated[
        str | None, typer.Option("--lasts", metavar="DURATION", help="How long each window lasts, such as 8h.")
    ] = None,
    zone: Annotated[str, typer.Option("--zone", metavar="ZONE", help="Time zone of the windows.")] = "UTC",
    calendar: Annotated[
        str | None,
        typer.Option("--calendar", metavar="DAYS", help="Days of the windows: business-days:DE, free-days:DE, ..."),
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Say what it would hit, and do nothing.")] = False,
    yes: YesOption = False,
    stack: StackOption = None,
) -> Answer:
    """Tell nobody of alarms for a while, at most 30 days, or in windows that come again."""
    from headwater.alarms.muting import calendar_of

    alarms = connect(stack).alarms
    begin = time_in_utc(start, "--from") if start else None
    asked: dict[str, Any] = {
        "reason": reason,
        "starts_at": begin,
        "ends_at": _end(until, for_, begin),
        "until_resolved": until_resolved,
        "cron": cron,
        "zone": zone,
        "calendar": calendar_of(calendar) if calendar else None,
        "lasts": _duration(lasts, "--lasts") if lasts else None,
    }
    mute, hits = alarms.mute(match, preview=True, **asked)
    if not preview:
        confirm(f"This hits {_count(hits)} now. Mute {mute.times}?", yes)
        mute, hits = alarms.mute(match, **asked)
    rows = [(hit.name, _labels(hit), hit.since) for hit in hits]

    def show(console: Console) -> None:
        if rows:
            console.print(table(("alarm", "labels", "since (UTC)"), rows))
        done = "would hit" if preview else f"mute {mute.id} {mute.times} hits"
        note(f"{done} {_count(hits)} that fire{'s' if len(hits) == 1 else ''} now")
        if mute.schedule is not None and (window := mute.next_window(mute.created_at)) is not None:
            note(f"its next window is from {window[0]:%Y-%m-%d %H:%M} to {window[1]:%Y-%m-%d %H:%M} UTC")

    return Answer({"mute": mute, "hits": hits, "preview": preview}, show)


def unmute_alarms(
    mute: Annotated[str, typer.Argument(metavar="MUTE", help="Id of the mute.")],
    generation: Annotated[
        int | None, typer.Option("--generation", min=0, help="Only if the mute is still in this generation.")
    ] = None,
    stack: StackOption = None,
) -> Answer:
    """End a mute now; what it hit and still fires is told."""
    ended = connect(stack).alarms.unmute(mute, generation=generation)
    return answered(ended, lambda _, found: note(f"mute {found.id} is over"))


def mutes_list(
    over: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False, stack: StackOption = None
) -> Answer:
    """List the mutes."""
    found = connect(stack).alarms.mutes(over=over)
    rows = [
        (
            one.id,
            ", ".join(map(str, one.match)),
            one.author,
            one.starts_at,
            one.times,
            one.reason,
        )
        for one in found
    ]
    if not found:
        note("no mute was made" if over else "no mute holds or is to come; --all shows those that are over")
    return listed(("mute", "matchers", "by", "from (UTC)", "holds", "reason"), rows, found)


def beat_heart(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a heartbeat that alarms.py declares.")],
    stack: StackOption = None,
) -> Answer:
    """Say that something is alive: an alarm goes off when that isn't said in time."""
    taken = connect(stack).alarms.beat(name)
    until = f"{taken.due:%Y-%m-%d %H:%M:%S} UTC" if taken.due else "?"
    return answered(taken, lambda _, found: note(f"{found.name} beat; somebody looks at {until}"))


def heartbeats_list(stack: StackOption = None) -> Answer:
    """List the heartbeats that are expected, those that are missed first."""
    from headwater.declare.schedules import said_of

    found = connect(stack).alarms.heartbeats()
    rows = [(one.name, said_of(one.every), one.at, "missed" if one.missed_since else "", one.next_by) for one in found]
    if not found:
        note("no heartbeat is expected: alarms.py declares Alarms(heartbeats=[Heartbeat(...)])")
    return listed(("heartbeat", "every", "last beat (UTC)", "", "next by (UTC)"), rows, found)


def route_alarm(
    labels: Annotated[
        list[str] | None, typer.Argument(metavar="LABEL=VALUE", help="Labels of an alarm; none: the whole tree.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Also routes that don't take it, and why.")] = False,
    deployed: Annotated[
        bool, typer.Option("--deployed", help="The routes of the stack, not those of this project's alarms.py.")
    ] = False,
    stack: StackOption = None,
) -> Answer:
    """Say which receivers an alarm goes to, by this project's alarms.py or by the stack."""
    from headwater.client.alarms.routes import explain_routes, labels_of

    given = labels_of(labels or [])
    declared = None if deployed else _project_alarms()
    found = explain_routes(declared, given) if declared is not None else connect(stack).alarms.route(given)
    return answered(found, lambda console, routes: show_routes(console, routes, explain=explain))


def test_receiver(
    receiver: Annotated[str, typer.Argument(metavar="RECEIVER", help="Name of a receiver.")],
    stack: StackOption = None,  # noqa: PT028 - a command, called `test`
) -> Answer:
    """Send a test to a receiver, and say what became of it."""
    outcome = connect(stack).alarms.test(receiver)
    sent = outcome.status.value == "SENT"
    words = f"{receiver} was told" if sent else f"{receiver} wasn't told: {outcome.problem}"
    return Answer(outcome, lambda _: note(words), exit_code=0 if sent else 1)


def send_alarms(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Alertmanager's webhook (version 4) as JSON; - is stdin.")
    ],
    stack: StackOption = None,
) -> Answer:
    """Hand alarms of Alertmanager, Grafana or Keep to the stack."""
    import sys
    from pathlib import Path

    from headwater.json_values import loads

    try:
        # A file of Windows begins with a byte order mark.
        body = loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig"))
    except RecursionError as error:
        raise InvalidRequest(f"{file} can't be read as JSON: nested too deep") from error
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{file} can't be read as JSON: {error}") from error
    count = connect(stack).alarms.send(body)
    return Answer({"sent": count}, lambda _: note(f"{count} alarm{'s' if count != 1 else ''} sent"))


def replay_events(
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="From when on; UTC unless it says.")],
    until: UntilOption = None,
    deployed: Annotated[
        bool, typer.Option("--deployed", help="By the routes of the stack, not by this project's alarms.py.")
    ] = False,
    stack: StackOption = None,
) -> Answer:
    """Say what people would have been told of the recorded events; nothing is sent."""
    declared = None if deployed else _project_alarms()
    first, last = time_in_utc(since, "--since"), time_in_utc(until, "--until") if until else None
    if last is not None and first >= last:
        raise InvalidRequest(f"--since {since!r} isn't before --until {until!r}")
    found = connect(stack).alarms.replay(since=first, until=last, declared=declared)
    return answered(found, _show_told)


def rotate_key(revoke: RevokeOption = False, yes: YesOption = False, stack: StackOption = None) -> Answer:
    """Make a new key for the links in notifications; those of earlier keys stay valid until they expire."""
    return rotated(connect(stack).alarms.rotate_key, "links", revoke=revoke, yes=yes)


def _show_told(console: Console, found: Sequence[Told]) -> None:
    if found:
        rows = [(one.at, one.title, ", ".join(one.receivers), one.group) for one in found]
        console.print(table(("at (UTC)", "told", "receivers", "group"), rows))
    note(f"{len(found)} notifications; acknowledgements and mutes are left out")


def _project_alarms() -> Alarms | None:
    from headwater.declare.alarms import load_alarms
    from headwater.project import NoProject, project

    try:
        return load_alarms(project())
    except NoProject:
        return None


def _end(until: str | None, for_: str | None, start: datetime | None = None) -> datetime | None:
    if until and for_:
        raise InvalidRequest("--until and --for exclude each other")
    if until:
        return time_in_utc(until, "--until")
    try:
        return (start or datetime.now(UTC)) + _duration(for_) if for_ else None
    except OverflowError as error:
        raise InvalidRequest(f"--for {for_!r} is longer than time is counted: write such as 4h or 2d") from error


def _duration(text: str, option: str = "--for") -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from headwater.declare.times import Duration

    try:
        read: timedelta = TypeAdapter[Any](Duration).validate_python(text)
    except ValidationError as error:
        raise InvalidRequest(f"{option} {text!r} is no duration: write such as 90s, 4h or 2d") from error
    return read


def _changed(changed: Group, words: str) -> Answer:
    return Answer(changed, lambda _: note(f"group {changed.id}: {words} (generation {changed.generation})"))


def _labels(instance: Instance) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(instance.labels.items()) if name != "alarmname")


def _count(hits: Sequence[Instance]) -> str:
    return f"{len(hits)} alarm" + ("s" if len(hits) != 1 else "")
