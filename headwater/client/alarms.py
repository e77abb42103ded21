"""The states of the stack's alarms, and the last notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from headwater.alarms.store import AlarmStore
from headwater.client.connection import Connection
from headwater.storage.clients import client
from headwater.values import Value


class AlarmView(Value):
    """One alarm: its state in CloudWatch, and the alarm manager's record of notifications."""

    name: str
    state: str
    """OK, ALARM or INSUFFICIENT_DATA."""
    since: datetime | None
    reason: str
    description: str
    told: str | None
    """The last state that was sent to people; None if the alarm was never sent."""
    suppressed: int
    """State changes since then that were counted instead of sent."""


class Alarms:
    """The verbs on alarms; ``headwater.connect().alarms``."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._description = connection, connection.description

    def list(self) -> tuple[AlarmView, ...]:
        """Every alarm of the stack, those that are going off first."""
        with self._connection.using():
            store = AlarmStore(self._description.registry_table)
            pages = (
                client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=self._description.prefix)
            )
            found = [_view(alarm, store) for page in pages for alarm in page["MetricAlarms"]]
        return tuple(sorted(found, key=lambda alarm: (alarm.state != "ALARM", alarm.name)))


def _view(alarm: dict[str, Any], store: AlarmStore) -> AlarmView:
    standing = store.standing(alarm["AlarmName"])
    return AlarmView(
        name=alarm["AlarmName"],
        state=alarm["StateValue"],
        since=alarm.get("StateUpdatedTimestamp"),
        reason=alarm.get("StateReason") or "",
        description=alarm.get("AlarmDescription") or "",
        told=standing.told.value if standing and standing.told else None,
        suppressed=standing.suppressed if standing else 0,
    )
