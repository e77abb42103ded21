"""The states of the stack's alarms, and the last notifications."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from headwater.alarms.store import AlarmStore
from headwater.client.stack import StackDescription
from headwater.storage.clients import client


class AlarmView(BaseModel):
    """One alarm: its state in CloudWatch, and the alarm manager's record of notifications."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: str
    since: datetime | None
    reason: str
    description: str
    told: str | None
    """The last state that was sent to people; None if the alarm was never sent."""
    suppressed: int
    """State changes since then that were counted instead of sent."""


def alarms(stack: StackDescription) -> list[AlarmView]:
    """Every alarm of the stack, those that are going off first."""
    store = AlarmStore(stack.registry_table)
    pages = client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=stack.prefix)
    found = []
    for alarm in (alarm for page in pages for alarm in page["MetricAlarms"]):
        standing = store.standing(alarm["AlarmName"])
        found.append(
            AlarmView(
                name=alarm["AlarmName"],
                state=alarm["StateValue"],
                since=alarm.get("StateUpdatedTimestamp"),
                reason=alarm.get("StateReason") or "",
                description=alarm.get("AlarmDescription") or "",
                told=standing.told.value if standing and standing.told else None,
                suppressed=standing.suppressed if standing else 0,
            )
        )
    return sorted(found, key=lambda alarm: (alarm.state != "ALARM", alarm.name))
