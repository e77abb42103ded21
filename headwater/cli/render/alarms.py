"""Alarms, groups and routes for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.cli.output import indented, note, table
from headwater.cli.times import this_year

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from headwater.client.alarms.routes import RouteView
    from headwater.client.alarms.views import AlarmView, GroupView

STYLES = {"ALARM": "bold red", "OK": "green"}


def show_alarms(console: Console, found: Sequence[AlarmView]) -> None:
    """The alarms, and why those go off that do."""
    from rich.text import Text

    rows = [
        (
            _name(alarm),
            Text(alarm.state, style=STYLES.get(alarm.state, "dim")),
            this_year(alarm.since) if alarm.since else None,
            _group_is(alarm),
            alarm.group,
        )
        for alarm in found
    ]
    console.print(table(("alarm", "state", "since (UTC)", "group is", "group"), rows))
    going_off = [alarm for alarm in found if alarm.state == "ALARM"]
    for alarm in going_off:
        if alarm.reason:
            console.print(f"{_name(alarm)}: {alarm.reason}")
    note(f"{len(going_off)} of {len(found)} alarms are going off")


def _name(alarm: AlarmView) -> str:
    """As matchers and `alarms ack` know it, without the stack that CloudWatch's name begins with."""
    return alarm.labels.get("alarmname") or alarm.name


def _group_is(alarm: AlarmView) -> str | None:
    """The state of its group, and until when: ``ACKED by ann until 12-01 04:08``."""
    words = f"muted by {alarm.muted_by}" if alarm.muted_by else alarm.status
    if words is None:
        return None
    by = f" by {alarm.by}" if alarm.by and not alarm.muted_by else ""
    return f"{words}{by}" + (f" until {this_year(alarm.until)}" if alarm.until else "")


def show_group(console: Console, found: GroupView) -> None:
    """A group's state, its alarms, and what people were told."""
    from headwater.declare.on_call import RETRAIN

    group = found.group
    until = f" until {group.until:%Y-%m-%d %H:%M} UTC" if group.until else ""
    by = f" by {group.by}" if group.by else ""
    console.print(f"group {group.id}: {group.status.value}{by}{until}, generation {group.generation}")
    if group.note:
        console.print(group.note)
    rows = [
        (one.name, "fires" if one.is_firing else "over", one.since, one.fingerprint in group.told, one.reason[:120])
        for one in found.instances
    ]
    console.print(table(("alarm", "state", "since (UTC)", "people know", "reason"), rows))
    told = [
        (one.notice.at, one.notice.kind.value, one.receiver, one.status.value, one.attempts, one.problem)
        for one in found.notifications
    ]
    if told:
        console.print(table(("told at (UTC)", "kind", "receiver", "state", "failed", "problem"), told))
    for one in found.notifications:
        if one.receiver.startswith(RETRAIN) and one.reference:
            console.print(f"{one.receiver} answered at {one.notice.at:%Y-%m-%d %H:%M}:")
            console.print(indented(one.reference))


def show_routes(console: Console, found: Sequence[RouteView], *, explain: bool) -> None:
    """The routes that take an alarm; with ``explain`` every route that was looked at."""
    for route in found:
        if not (explain or route.taken):
            continue
        mark = "->" if route.taken else "  " if route.matched else " x"
        receivers = f"  {', '.join(route.receivers) or 'nobody'}" if route.taken else ""
        grouped = f"  (grouped by {', '.join(route.group_by) or 'nothing'})" if route.taken else ""
        console.print(f"{mark} {'  ' * route.depth}{{{route.matchers}}}{receivers}{grouped}")
