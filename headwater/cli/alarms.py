"""`headwater alarms`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from headwater.cli.command import StackOption, commands, connect, group
from headwater.cli.output import Answer, answered, note, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from headwater.client.alarms import AlarmView


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    commands(group("alarms", "The stack's alarms.", app), list_alarms)


def list_alarms(stack: StackOption = None) -> Answer:
    """List the stack's alarms, those that are going off first."""
    return answered(connect(stack).alarms.list(), _show)


def _show(console: Console, found: Sequence[AlarmView]) -> None:
    from rich.text import Text

    styles = {"ALARM": "bold red", "OK": "green"}
    rows = [
        (entry.name, Text(entry.state, style=styles.get(entry.state, "dim")), entry.since, entry.told, entry.suppressed)
        for entry in found
    ]
    console.print(table(("alarm", "state", "since (UTC)", "people know", "counted"), rows))
    going_off = [alarm for alarm in found if alarm.state == "ALARM"]
    for alarm in going_off:
        console.print(f"{alarm.name}: {alarm.reason}", markup=False)
    note(f"{len(going_off)} of {len(found)} alarms are going off")
