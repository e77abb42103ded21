"""Bodies of the API's answers about alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

# Pydantic reads no other TypedDict before Python 3.12.
from typing_extensions import TypedDict

from headwater.alarms.alive.types import HeartbeatState
from headwater.alarms.muting import Mute, hitting
from headwater.alarms.types import Group, Instance
from headwater.declare.schedules import said_of

MOST_GROUPS, MOST_ALARMS = 200, 50
"""Groups and alarms of a group in an answer: a function answers 6 MB at most."""
LONGEST_REASON = 300


class AlarmAnswer(TypedDict):
    """An alarm of a group."""

    name: str
    """Name of the alarm."""
    labels: Mapping[str, str]
    """Its labels."""
    firing: bool
    """True while the alarm fires."""
    since: str
    """Since when, UTC."""
    reason: str
    """Why, shortened."""
    told: bool
    """Whether people were told that it fires."""
    muted_by: str | None
    """The author of the mute that hits it; null: none does."""
    muted_until: str | None
    """Until when, UTC."""


class GroupAnswer(TypedDict):
    """Alarms that people hear of together. Its generation is the ETag, and what If-Match must name."""

    id: str
    """Id of the group."""
    generation: int
    """Raised by each change."""
    status: str
    """PENDING, OPEN, ACKED, SNOOZED or CLOSED."""
    labels: Mapping[str, str]
    """Labels that its alarms share."""
    by: str
    """The person who acknowledged, snoozed or closed it last."""
    until: str | None
    """Until when it is quiet, UTC."""
    note: str
    """The person's words."""
    opened_at: str | None
    """When people were first told since it was closed, UTC."""
    escalates_at: str | None
    """When the next step of its escalation is due, UTC."""
    firing: int
    """How many alarms fire."""
    alarms: list[AlarmAnswer]
    """The first 50 of them, those that fire first."""


class GroupsAnswer(TypedDict):
    """Groups of alarms."""

    groups: list[GroupAnswer]
    """Groups that aren't closed, the newest first; 200 at most."""
    left_out: int
    """How many there are beyond these."""


class MuteAnswer(TypedDict):
    """A mute. Its generation is the ETag, and what If-Match must name."""

    id: str
    """Id of the mute."""
    generation: int
    """Raised by each change."""
    match: list[str]
    """Matchers that must all hold."""
    starts_at: str
    """From when on, UTC."""
    ends_at: str
    """Until when, UTC."""
    until_resolved: bool
    """True if the mute holds only for alarms that fired when it was made, until each has resolved."""
    cron: str | None
    """Beginnings of windows; null: it holds all the time."""
    zone: str | None
    """Time zone of the windows."""
    lasts: str | None
    """Length of each window."""
    window: list[str] | None
    """Beginning and end of the window that holds now or comes next, UTC; null: there are no more."""
    author: str
    """The person who made it."""
    reason: str
    """Why."""
    removed_by: str
    """The person who ended it before its time."""


class MutesAnswer(TypedDict):
    """Mutes that hold or will hold."""

    mutes: list[MuteAnswer]
    """By their ends, the earliest first."""


class NewMuteAnswer(TypedDict):
    """A mute that was made or tried, and what it is about."""

    mute: MuteAnswer
    """The mute."""
    kept: bool
    """False for a preview."""
    hits: int
    """How many alarms fire now that it is about."""
    alarms: list[AlarmAnswer]
    """The first 50 of them."""


class BeatAnswer(TypedDict):
    """A beat that was taken."""

    name: str
    """Name of the heartbeat."""
    at: str | None
    """When it came, UTC."""
    next_by: str | None
    """When somebody looks whether the next one came, UTC."""


def of_group(group: Group, instances: Sequence[Instance], mutes: tuple[Mute, ...], now: datetime) -> GroupAnswer:
    """A group's answer."""
    firing = sum(instance.fires(now) for instance in instances)
    shown = sorted(instances, key=lambda one: (not one.fires(now), -one.since.timestamp(), one.fingerprint))
    return {
        "id": group.id,
        "generation": group.generation,
        "status": group.status.value,
        "labels": dict(group.labels),
        "by": group.by,
        "until": _iso(group.until),
        "note": group.note,
        "opened_at": _iso(group.opened_at),
        "escalates_at": _iso(group.chain_at),
        "firing": firing,
        "alarms": [of_alarm(one, group, mutes, now) for one in shown[:MOST_ALARMS]],
    }


def of_alarm(instance: Instance, group: Group | None, mutes: tuple[Mute, ...], now: datetime) -> AlarmAnswer:
    """An alarm's answer."""
    hit = hitting(mutes, instance, now)
    return {
        "name": instance.name,
        "labels": dict(instance.labels),
        "firing": instance.fires(now),
        "since": instance.since.isoformat(),
        "reason": instance.reason[:LONGEST_REASON],
        "told": group is not None and instance.fingerprint in group.told,
        "muted_by": hit[0].author if hit else None,
        "muted_until": _iso(hit[1]) if hit else None,
    }


def of_mute(mute: Mute, now: datetime) -> MuteAnswer:
    """A mute's answer."""
    window = mute.next_window(now)
    return {
        "id": mute.id,
        "generation": mute.generation,
        "match": list(map(str, mute.match)),
        "starts_at": mute.starts_at.isoformat(),
        "ends_at": mute.ends_at.isoformat(),
        "until_resolved": mute.until_resolved,
        "cron": mute.schedule.cron_text if mute.schedule else None,
        "zone": mute.schedule.zone if mute.schedule else None,
        "lasts": said_of(mute.lasts) if mute.lasts else None,
        "window": [at.isoformat() for at in window] if window else None,
        "author": mute.author,
        "reason": mute.reason,
        "removed_by": mute.removed_by,
    }


def of_beat(state: HeartbeatState) -> BeatAnswer:
    """A beat's answer."""
    return {"name": state.name, "at": _iso(state.at), "next_by": _iso(state.due)}


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
