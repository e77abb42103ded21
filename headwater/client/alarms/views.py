"""Alarms, groups and heartbeats as the client shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from headwater.alarms.events import read_mark
from headwater.alarms.muting import Mute, hitting
from headwater.alarms.types import Group, Instance, Notification
from headwater.values import Value


class AlarmView(Value):
    """One alarm: its state, and the group that people hear of it in."""

    name: str
    state: str
    """OK, ALARM or INSUFFICIENT_DATA."""
    since: datetime | None
    reason: str
    description: str
    labels: Mapping[str, str]
    """Empty before its first change."""
    group: str | None
    """Id of the group; None before the alarm's first change."""
    status: str | None
    """PENDING, OPEN, ACKED, SNOOZED or CLOSED."""
    by: str
    """The person who acknowledged or snoozed it."""
    until: datetime | None
    """Until when it is quiet: acknowledged, snoozed or muted."""
    muted_by: str
    """The person who muted it; empty: nobody."""
    told: bool
    """Whether people were told that it fires."""


class GroupView(Value):
    """A group with its alarms and what was told of it."""

    group: Group
    instances: tuple[Instance, ...]
    notifications: tuple[Notification, ...]


class HeartbeatView(Value):
    """A heartbeat that is expected."""

    name: str
    every: timedelta
    at: datetime | None
    """The newest beat; None: there was none yet."""
    missed_since: datetime | None
    """Since when it is missed; None: it isn't."""
    next_by: datetime | None
    """By when the next beat must come; None: it is missed, or nobody waits for the first one yet."""


def view_of(
    alarm: Mapping[str, Any], known: tuple[Group, Instance] | None, mutes: tuple[Mute, ...], now: datetime
) -> AlarmView:
    """An alarm of the stack, as CloudWatch describes it, with what people know of it."""
    said, _ = read_mark(alarm.get("AlarmDescription") or "")
    return AlarmView(
        name=alarm["AlarmName"],
        state=alarm["StateValue"],
        since=alarm.get("StateUpdatedTimestamp"),
        reason=alarm.get("StateReason") or "",
        description=said,
        **_people(known, mutes, now),
    )


def view_of_foreign(group: Group, instance: Instance, mutes: tuple[Mute, ...], now: datetime) -> AlarmView:
    """An alarm that somebody else sent, or that the stack has no more."""
    return AlarmView(
        name=instance.name,
        state="ALARM" if instance.fires(now) and not instance.is_message else "OK",
        since=instance.since,
        reason=instance.reason,
        description=instance.description,
        **_people((group, instance), mutes, now),
    )


def _people(known: tuple[Group, Instance] | None, mutes: tuple[Mute, ...], now: datetime) -> dict[str, Any]:
    if known is None:
        nothing = {"group": None, "status": None, "by": "", "until": None, "muted_by": "", "told": False}
        return {"labels": {}, **nothing}
    group, instance = known
    hit = hitting(mutes, instance, now)
    return {
        "labels": dict(instance.labels),
        "group": group.id,
        "status": group.status.value,
        "by": group.by if group.status.is_quiet else "",
        "until": hit[1] if hit else group.until,
        "muted_by": hit[0].author if hit else "",
        "told": instance.fingerprint in group.told,
    }
