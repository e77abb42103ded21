"""Alarms that were taken away while they fired: CloudWatch tells of no end, so people would be reminded for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime

from headwater.alarms.events import AlarmEvent, AlarmState
from headwater.alarms.store import AlarmStore
from headwater.alarms.types import Group, Instance

REASON = "The alarm was taken away: a deployment or a person removed it from CloudWatch while it fired."


def removed(
    store: AlarmStore,
    open_groups: Iterable[tuple[Group, Collection[Instance]]],
    existing: Callable[[Collection[str]], Collection[str]],
    *,
    prefix: str,
    now: datetime,
) -> Iterator[AlarmEvent]:
    """The ends of the stack's own alarms that fire in a group and are no more; an end has one id, whenever it is made.

    Parameters
    ----------
    store : AlarmStore
        Knows each alarm's last event.
    open_groups : iterable of (Group, collection of Instance)
    existing : callable
        Gives those of the names that CloudWatch has an alarm of.
    prefix : str
        Beginning of the names of the stack's alarms, which their events leave out.
    now : datetime
        When they are over.
    """
    firing = {one.fingerprint: one for _, members in open_groups for one in members if one.fires(now)}
    told = [known.event for one in firing.values() if (known := store.newest(one)) and _is_own(known.event)]
    there = existing(sorted({prefix + event.name for event in told}))
    for event in told:
        if prefix + event.name not in there:
            id_ = hashlib.sha256(f"removed {event.id}".encode()).hexdigest()[:24]
            yield event.model_copy(
                update={"state": AlarmState.OK, "previous": event.state, "at": now, "reason": REASON, "id": id_}
            )


def _is_own(event: AlarmEvent) -> bool:
    """True for an event of an alarm that the stack deployed: CloudWatch's, and marked by us."""
    return bool(event.region and event.labels.get("capability"))
