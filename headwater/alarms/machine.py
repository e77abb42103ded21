"""The state machine of alarms and groups as functions: state and event in, state, notice and next look out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headwater.alarms import escalation
from headwater.alarms.errors import GroupRefused
from headwater.alarms.events import AlarmEvent, AlarmState
from headwater.alarms.muting import Mute, hitting
from headwater.alarms.routing import Leg
from headwater.alarms.types import AlarmLine, Group, GroupStatus, Instance, Kind, Notice
from headwater.clock import in_utc
from headwater.declare.alarms import Inhibit
from headwater.declare.matchers import Labels, all_match

MOST_LINES = 50
ACK_LASTS = timedelta(hours=24)
LONGEST_REASON = 1_000


def observe(event: AlarmEvent, before: Instance | None) -> Instance | None:
    """The alarm after ``event``; None if a later event came first.

    Times are those of the state changes, not of their messages: events may come twice and in any order.
    """
    if before is not None and (event.at, event.id) < (before.at, before.event_id):
        return None
    was = before is not None and before.is_firing
    if event.state is AlarmState.INSUFFICIENT_DATA:
        fires = was  # Silence neither raises an alarm nor ends one.
    else:
        fires = event.state in {AlarmState.ALARM, AlarmState.UNKNOWN}
    return Instance(
        fingerprint=event.fingerprint,
        labels=event.all_labels,
        state=event.state,
        is_firing=fires,
        since=before.since if before is not None and was == fires else event.at,
        at=event.at,
        event_id=event.id,
        reason=event.reason[:LONGEST_REASON],
        description=event.description,
        runbook=event.runbook,
        ends_at=event.ends_at,
        is_message=event.is_message,
    )


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Everything that decides about a group at one time."""

    now: datetime
    leg: Leg
    instances: Sequence[Instance]
    mutes: tuple[Mute, ...] = ()
    inhibit: tuple[Inhibit, ...] = ()
    sources: Sequence[Instance] = ()
    """Alarms anywhere in the stack that a rule of inhibition names as a source."""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """The outcome of looking at a group."""

    group: Group
    notice: Notice | None = None
    """People are told this."""
    look_at: datetime | None = None
    """When the group must be looked at again, if no event comes before."""
    receivers: tuple[str, ...] = ()
    """Receivers of the notice."""


@dataclass
class _Sorted:
    """Alarms of a group by what people may hear of them."""

    audible: list[Instance] = field(default_factory=list)
    silenced: list[Instance] = field(default_factory=list)
    over: list[Instance] = field(default_factory=list)
    """Alarms that people believe to fire, and that don't."""
    looks: list[datetime] = field(default_factory=list)
    """When one of them changes by itself."""
    unmuted: list[str] = field(default_factory=list)
    """Words on mutes whose window ended since the last look, of alarms that fire."""


def settle(group: Group, seen: Situation) -> Settled:
    """Decide whether people are told of a group now.

    The rules are those of Alertmanager's documentation and of its `needsUpdate`: told are new alarms, the end of all,
    the end of some, and what still fires after `repeat_interval`. A group that somebody acknowledged or snoozed is
    quiet until a new alarm comes or the time is up. An alarm that nobody was told of has no end to be told.
    """
    found = _sort(group, seen)
    told = set(group.told)
    new = [instance for instance in found.audible if instance.fingerprint not in told]
    ran_out = group.status.is_quiet and group.until is not None and group.until <= seen.now
    quiet = group.status.is_quiet and not ran_out and not new
    fires = found.audible or found.silenced
    kind, note, wait = _decide(group, seen, found, new=bool(new), quiet=quiet, ran_out=ran_out)
    remind_at = _ack_reminder(group, seen.leg) if quiet and found.audible else None
    if kind is None and remind_at is not None and remind_at <= seen.now:
        until = f" until {group.until:%Y-%m-%d %H:%M} UTC" if group.until else ""
        kind, note = Kind.REMINDER, f"still firing; acknowledged by {group.by}{until}"
    status = _status(group, fires=bool(fires), quiet=quiet, told=kind is not None, waits=wait is not None)
    looks = [*found.looks, *([wait] if wait else [])]
    changes: dict[str, object] = {
        "generation": group.generation + 1,
        "status": status,
        "flushed_at": seen.now,
        "until": group.until if status.is_quiet else None,
        "reminded_at": seen.now if quiet and kind is Kind.REMINDER else group.reminded_at if quiet else None,
    }
    opened = False
    if kind is not None:
        changes |= {"notified_at": seen.now, "notified_generation": group.generation + 1}
        changes["told"] = _told(found, told)
        opened = kind is not Kind.RECOVERED and (not group.told or group.status is GroupStatus.CLOSED)
        if not group.told or group.status is GroupStatus.CLOSED:
            changes["opened_at"] = seen.now
    if kind is Kind.RECOVERED:
        changes |= {"recovered_at": seen.now, "told": ()}
    elif status is GroupStatus.CLOSED:
        messages = {instance.fingerprint for instance in seen.instances if instance.is_message}
        changes["told"] = tuple(sorted(told & messages))
    after, also, why = escalation.advance(
        group.model_copy(update=changes), seen.leg, seen.now, audible=bool(found.audible), opened=opened
    )
    if also:
        after = after.model_copy(update={"notified_generation": after.generation})
        kind, note = kind or Kind.ESCALATED, f"{note}; {why}" if note else why
    looks += [after.chain_at] if after.chain_at is not None else []
    if quiet and found.audible and (remind_at := _ack_reminder(after, seen.leg)) is not None:
        looks.append(remind_at)
    if status.is_quiet and after.until is not None:
        looks.append(after.until)
    elif found.audible and after.notified_at is not None:
        looks.append(after.notified_at + seen.leg.repeat_interval)
    if any(hitting(seen.mutes, instance, seen.now) is None for instance in found.silenced):
        looks.append(seen.now + seen.leg.group_interval)  # Nothing says when the alarm that inhibits is over.
    notice = _notice(after, seen, found, kind, note) if kind is not None else None
    if kind is not None and all(instance.is_message for instance in found.audible) and not found.silenced:
        after = after.model_copy(update={"status": GroupStatus.CLOSED})
    look_at = min((look for look in looks if look > seen.now), default=None)
    look_at = None if after.status is GroupStatus.CLOSED else look_at
    return Settled(group=after, notice=notice, look_at=look_at, receivers=_receivers(kind, seen.leg, group, also))


def _status(group: Group, *, fires: bool, quiet: bool, told: bool, waits: bool) -> GroupStatus:
    """The group's status after a look: ``told`` if people hear of it now, ``waits`` if its end is told later."""
    if not fires:
        return GroupStatus.OPEN if waits else GroupStatus.CLOSED
    if quiet:
        return group.status
    if group.status is GroupStatus.PENDING and not told and not group.told:
        return GroupStatus.PENDING
    return GroupStatus.OPEN


def _receivers(kind: Kind | None, leg: Leg, before: Group, also: tuple[str, ...]) -> tuple[str, ...]:
    """The route's receivers, those of a step, and at the end also those of earlier steps."""
    named = () if kind in {None, Kind.ESCALATED} else leg.receivers
    earlier = before.escalated_to if kind in {Kind.UPDATED, Kind.RECOVERED} else ()
    return tuple(dict.fromkeys((*named, *also, *earlier)))


def _ack_reminder(group: Group, leg: Leg) -> datetime | None:
    last = group.reminded_at or group.acked_at
    if group.status is not GroupStatus.ACKED or leg.ack_reminder is None or last is None:
        return None
    return last + leg.ack_reminder


def _decide(
    group: Group, seen: Situation, found: _Sorted, *, new: bool, quiet: bool, ran_out: bool
) -> tuple[Kind | None, str, datetime | None]:
    """Why people are told now, in words, and until when a recovery is held back."""
    note = "; ".join(dict.fromkeys(found.unmuted))
    if new:
        if group.status.is_quiet:
            return Kind.FIRING, f"{note or 'a new alarm'}: {group.status.value.lower()} by {group.by} before", None
        return Kind.FIRING, note, None
    if not found.audible and not found.silenced:
        if not found.over:
            return None, "", None
        held = group.recovered_at + seen.leg.recovery_interval if group.recovered_at else None
        if held is not None and held > seen.now:
            return None, "", held
        return Kind.RECOVERED, "", None
    if quiet or (not found.audible and not found.over):
        return None, "", None
    if found.over:
        return Kind.UPDATED, note, None
    if ran_out:
        word = "acknowledged" if group.status is GroupStatus.ACKED else "snoozed"
        return Kind.REMINDER, f"still firing; {word} by {group.by} until {group.until:%Y-%m-%d %H:%M} UTC", None
    if note:
        return Kind.REMINDER, note, None
    if group.notified_at is not None and group.notified_at + seen.leg.repeat_interval <= seen.now:
        return Kind.REMINDER, "still firing", None
    return None, "", None


def _sort(group: Group, seen: Situation) -> _Sorted:
    found, told = _Sorted(), set(group.told)
    since = group.flushed_at or seen.now
    for instance in seen.instances:
        known = instance.fingerprint in told
        if not instance.fires(seen.now) or (instance.is_message and known):
            if known and not instance.is_message:
                found.over.append(instance)
            continue
        if instance.ends_at is not None:
            found.looks.append(instance.ends_at)
        about = [mute for mute in seen.mutes if mute.concerns(instance)]
        # Also windows that begin later: who was muted meanwhile is told at the end of each.
        found.looks += [window[1] for mute in about if (window := mute.next_window(seen.now)) is not None]
        if any(mute.window(seen.now) for mute in about) or inhibits(
            seen.inhibit, seen.sources, instance.labels, seen.now
        ):
            found.silenced.append(instance)
            continue
        found.audible.append(instance)
        ended = [(mute, mute.ended_between(since, seen.now)) for mute in about]
        found.unmuted += [mute.words(end) for mute, end in ended if end is not None and instance.since < end]
    return found


def inhibits(rules: Sequence[Inhibit], sources: Sequence[Instance], labels: Labels, now: datetime) -> bool:
    """Whether an alarm that fires silences one with ``labels``, by Alertmanager's rules."""
    for rule in rules:
        if not all_match(rule.target, labels):
            continue
        both = all_match(rule.source, labels)
        for source in sources:
            if not source.fires(now) or not all_match(rule.source, source.labels):
                continue
            if both and all_match(rule.target, source.labels):
                continue
            if all(source.labels.get(name, "") == labels.get(name, "") for name in rule.equal):
                return True
    return False


def _told(found: _Sorted, told: set[str]) -> tuple[str, ...]:
    kept = [instance.fingerprint for instance in found.silenced if instance.fingerprint in told]
    return tuple(sorted({*(instance.fingerprint for instance in found.audible), *kept}))


def _notice(group: Group, seen: Situation, found: _Sorted, kind: Kind, note: str) -> Notice:
    newest = sorted(found.audible, key=lambda instance: (instance.since, instance.fingerprint), reverse=True)
    shown = [*newest, *sorted(found.over, key=lambda instance: (instance.name, instance.fingerprint))][:MOST_LINES]
    return Notice(
        group=group.id,
        generation=group.generation,
        kind=kind,
        labels=dict(group.labels),
        firing=len(found.audible),
        resolved=len(found.over),
        lines=tuple(line_of(instance, seen.now) for instance in shown),
        note=note,
        at=seen.now,
        opened_at=group.opened_at,
    )


def line_of(instance: Instance, now: datetime) -> AlarmLine:
    """An alarm as a notification shows it."""
    over = not instance.fires(now)
    return AlarmLine(
        labels=dict(instance.labels),
        state=AlarmState.OK if over and instance.state is not AlarmState.UNKNOWN else instance.state,
        since=instance.ends_at if over and instance.is_firing and instance.ends_at else instance.since,
        reason=instance.reason,
        description=instance.description,
        runbook=instance.runbook,
        fingerprint=instance.fingerprint,
    )


def acknowledge(group: Group, by: str, until: datetime, note: str, now: datetime, status: GroupStatus) -> Group:
    """The group after somebody acknowledged or snoozed it until ``until``.

    Raises
    ------
    GroupRefused
        The group is closed, or the time is over already.
    """
    if group.status is GroupStatus.CLOSED:
        raise GroupRefused(f"group {group.id} is CLOSED: nothing fires, so there is nothing to acknowledge or snooze")
    until = in_utc(until, "until")
    if until <= now:
        raise GroupRefused(f"until {until:%Y-%m-%d %H:%M} UTC is over; say a time after {now:%Y-%m-%d %H:%M} UTC")
    changes = {
        "generation": group.generation + 1, "status": status, "by": by, "until": until, "note": note, "acked_at": now,
        "reminded_at": None,
    }  # fmt: skip
    return escalation.stopped(group.model_copy(update=changes))


def reopen(group: Group, by: str) -> Group:
    """The group after somebody took back an acknowledgement.

    Raises
    ------
    GroupRefused
        Nobody acknowledged or snoozed it.
    """
    if not group.status.is_quiet:
        raise GroupRefused(f"group {group.id} is {group.status.value}: nobody acknowledged or snoozed it")
    changes = {"generation": group.generation + 1, "status": GroupStatus.OPEN, "by": by, "until": None, "note": ""}
    return group.model_copy(update=changes)


def close(group: Group, by: str, instances: Sequence[Instance], now: datetime) -> Group:
    """The group after somebody closed it.

    Raises
    ------
    GroupRefused
        An alarm of it still fires, or it is closed.
    """
    if firing := sorted(instance.name for instance in instances if instance.fires(now) and not instance.is_message):
        raise GroupRefused(
            f"group {group.id} can't be closed: {', '.join(firing[:5])} still fires",
            next_steps=[f"headwater alarms ack {group.id}", f"headwater alarms snooze {group.id} --for 4h"],
        )
    if group.status is GroupStatus.CLOSED:
        raise GroupRefused(f"group {group.id} is CLOSED already")
    changes = {
        "generation": group.generation + 1, "status": GroupStatus.CLOSED, "by": by, "until": None, "told": (),
        "chain": (), "chain_next": 0, "chain_at": None, "escalated_to": (),
    }  # fmt: skip
    return group.model_copy(update=changes)


def look_after(group: Group | None, leg: Leg, now: datetime) -> datetime:
    """When a group must be looked at because of an event that came ``now``."""
    waited = now + leg.group_wait
    if group is None or group.flushed_at is None or group.status is GroupStatus.CLOSED:
        return waited
    return max(waited, group.flushed_at + leg.group_interval)
