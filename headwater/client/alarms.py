"""How the stack's alarms stand, and what people were told."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from headwater.alarms.store import AlarmStore
from headwater.aws import client
from headwater.client.stack import StackDescription


class AlarmView(BaseModel):
    """One alarm: CloudWatch's word on its state, and the alarm manager's on who knows."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: str
    since: datetime | None
    reason: str
    description: str
    told: str | None
    """The last state that people were told; None if they never heard of it."""
    suppressed: int
    """Changes that were counted instead of sent since then."""


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
