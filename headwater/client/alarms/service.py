"""The states of the stack's alarms, who hears of them, and the verbs of people who do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from headwater.alarms.alive.heartbeats import Heartbeats
from headwater.alarms.alive.store import AliveStore
from headwater.alarms.alive.types import HeartbeatState
from headwater.alarms.errors import NoSuchGroup, NoSuchReceiver
from headwater.alarms.events import AlarmEvent, from_alertmanager
from headwater.alarms.links import parameter_name
from headwater.alarms.muting import Mute, hits, new_mute
from headwater.alarms.replay import Told, replay
from headwater.alarms.service import AlarmManager, to_send
from headwater.alarms.store import AlarmStore, Queue, alarms_queue, declared_alarms
from headwater.alarms.types import (
    DeliveryStatus,
    Group,
    GroupStatus,
    Instance,
    Kind,
    Notice,
    Notification,
)
from headwater.client.alarms.routes import RouteView, explain_routes
from headwater.client.alarms.views import AlarmView, GroupView, HeartbeatView, view_of, view_of_foreign
from headwater.client.connection import Verbs
from headwater.client.people import me
from headwater.client.waiting import wait_for
from headwater.declare.alarms import Alarms as Declared
from headwater.declare.calendars import Calendar
from headwater.errors import NotFound
from headwater.storage.signing import KeyStore
from headwater.values import Value

TEST_WITHIN = 60.0
"""Seconds that a test of a receiver waits for its outcome."""


class TestOutcome(Value):
    """The outcome of a test of a receiver."""

    __test__ = False

    receiver: str
    status: DeliveryStatus
    problem: str


class Alarms(Verbs):
    """The verbs on alarms; ``headwater.connect().alarms``."""

    def list(self) -> tuple[AlarmView, ...]:
        """Every alarm of the stack and those that others sent to it, those that are going off first."""
        store, now = AlarmStore(self._connection.table), _now()
        mutes = store.mutes()
        known = {instance.name: (group, instance) for group in store.groups() for instance in store.members(group.id)}
        cloudwatch = self._connection.clients("cloudwatch")
        pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=self._description.prefix)
        found = []
        for page in pages:
            for alarm in page["MetricAlarms"]:
                short = alarm["AlarmName"].removeprefix(self._description.prefix)
                found.append(view_of(alarm, known.pop(short, None), mutes, now))
        found += [view_of_foreign(group, instance, mutes, now) for group, instance in known.values()]
        return tuple(sorted(found, key=lambda alarm: (alarm.state != "ALARM", alarm.name)))

    def show(self, group: str) -> GroupView:
        """A group by its id (or an alarm's name, if it is in one group), its alarms and notifications.

        Raises
        ------
        NoSuchGroup
            There is no such group.
        """
        store = AlarmStore(self._connection.table)
        found = self._find(store, group)
        return GroupView(
            group=found,
            instances=tuple(store.members(found.id)),
            notifications=tuple(store.notifications(found.id)),
        )

    def ack(
        self, group: str, *, until: datetime | None = None, note: str = "", by: str | None = None,
        generation: int | None = None,
    ) -> Group:  # fmt: skip
        """Say that somebody is at it: the group is quiet until a new alarm comes or the time is up.

        Parameters
        ----------
        group : str
            Id of the group, or the name of an alarm that is in one group.
        until : datetime, optional
            With its time zone; by default a day from now.
        note : str
            Kept with the group.
        by : str, optional
            By default the person at this machine.
        generation : int, optional
            The group's generation as it was seen: if it has another one by now, nothing is changed.

        Raises
        ------
        NoSuchGroup
            There is no such group.
        GroupChanged
            The group is in another generation.
        GroupRefused
            The group is closed, or the time is over.
        """
        manager, store = self._managed()
        id_ = self._find(store, group).id
        return manager.acknowledge(id_, by=by or me(), until=until, note=note, generation=generation)

    def snooze(
        self, group: str, *, until: datetime, note: str = "", by: str | None = None, generation: int | None = None
    ) -> Group:
        """Be quiet about a group until a new alarm comes or the time is up; as `ack`."""
        manager, store = self._managed()
        id_ = self._find(store, group).id
        return manager.acknowledge(
            id_, by=by or me(), until=until, note=note, generation=generation, status=GroupStatus.SNOOZED
        )

    def unack(self, group: str, *, by: str | None = None, generation: int | None = None) -> Group:
        """Take back an acknowledgement or a snooze; raises as `ack` does."""
        manager, store = self._managed()
        return manager.reopen(self._find(store, group).id, by=by or me(), generation=generation)

    def close(self, group: str, *, by: str | None = None, generation: int | None = None) -> Group:
        """Close a group of which nothing fires any more; raises as `ack` does."""
        manager, store = self._managed()
        return manager.close(self._find(store, group).id, by=by or me(), generation=generation)

    def mute(
        self, match: Sequence[str], *, reason: str, starts_at: datetime | None = None, ends_at: datetime | None = None,
        until_resolved: bool = False, cron: str | None = None, zone: str = "UTC", calendar: Calendar | None = None,
        lasts: timedelta | None = None, by: str | None = None, preview: bool = False,
    ) -> tuple[Mute, tuple[Instance, ...]]:  # fmt: skip
        """Tell nobody of alarms for a while; they are recorded all the same.

        Parameters
        ----------
        match : sequence of str
            Matchers that must all hold, such as ``['model="flights"', 'kind=~"drift.*"']``.
        reason : str
            Why; people read it when the mute is over.
        starts_at, ends_at : datetime, optional
            With their time zones; by default from now on. At most 30 days, or 366 with `cron`, by default 90 then.
        until_resolved : bool
            Whether it holds only for alarms that fire now, until each has resolved.
        cron, zone, calendar : str, str, Calendar, optional
            When windows begin in which it holds, as a `Schedule` has it: ``"0 22 ? * MON-FRI *"``.
        lasts : datetime.timedelta, optional
            Length of each window, by the clocks of its zone.
        by : str, optional
            By default the person at this machine.
        preview : bool
            Whether nothing is kept.

        Returns
        -------
        (Mute, tuple of Instance)
            The mute, and alarms that fire now and that it hits.

        Raises
        ------
        InvalidMute
            It is in the past, too long, hits everything, or says nothing of why.
        InvalidMatcher
            A matcher can't be read.
        """
        now = _now()
        mute = new_mute(
            match, author=by or me(), reason=reason, now=now, starts_at=starts_at, ends_at=ends_at,
            until_resolved=until_resolved, cron=cron, zone=zone, calendar=calendar, lasts=lasts,
        )  # fmt: skip
        manager, _ = self._managed()
        hit = tuple(hits(mute, manager.open_groups(), now))
        if not preview:
            manager.mute(mute)
        return mute, hit

    def unmute(self, id_: str, *, by: str | None = None, generation: int | None = None) -> Mute:
        """End a mute now: what it hit and still fires is told.

        Raises
        ------
        NoSuchMute
            There is no such mute, or it is over.
        MuteChanged
            The mute is in another generation.
        """
        manager, _ = self._managed()
        return manager.unmute(id_, by=by or me(), generation=generation)

    def mutes(self, *, over: bool = False) -> tuple[Mute, ...]:
        """Mutes that hold or will hold; with ``over`` also those that are over."""
        found = AlarmStore(self._connection.table).mutes()
        now = _now()
        return tuple(sorted((m for m in found if over or now < m.ends_at), key=lambda mute: mute.ends_at))

    def beat(self, name: str) -> HeartbeatState:
        """Say that something is alive; an alarm goes off when that isn't said in time.

        Parameters
        ----------
        name : str
            A heartbeat that ``alarms.py`` declares.

        Raises
        ------
        NoSuchHeartbeat
            None of that name is expected.
        """
        heartbeats = self._alive()
        return heartbeats.beat(name)

    def heartbeats(self) -> tuple[HeartbeatView, ...]:
        """The heartbeats that are expected, those that are missed first."""
        declared = self._declared()
        known = {one.name: one for one in AliveStore(self._connection.table).heartbeats()}
        found = []
        for expected in declared.heartbeats:
            state = known.get(expected.name)
            found.append(
                HeartbeatView(
                    name=expected.name, every=expected.every, at=state.at if state else None,
                    missed_since=state.missed_at if state else None,
                    next_by=state.too_old(expected) if state and state.missed_at is None else None,
                )
            )  # fmt: skip
        return tuple(sorted(found, key=lambda one: (one.missed_since is None, one.name)))

    def route(self, labels: Mapping[str, str], declared: Declared | None = None) -> tuple[RouteView, ...]:
        """The routes that are looked at for an alarm with ``labels``, and those that take it.

        Parameters
        ----------
        labels : mapping of str to str
            Such as ``{"severity": "critical"}``.
        declared : headwater.declare.alarms.Alarms, optional
            Routes to look at; by default those that are deployed.
        """
        return explain_routes(declared or self._declared(), labels)

    def test(self, receiver: str) -> TestOutcome:
        """Send a test to a receiver and wait for what becomes of it.

        Raises
        ------
        NoSuchReceiver
            The stack has none of that name.
        TookTooLong
            Nothing is known within a minute.
        """
        declared = self._declared()
        if declared.receiver(receiver) is None:
            names = ", ".join(sorted(one.name for one in declared.receivers)) or "none"
            raise NoSuchReceiver(f"stack {self._description.name!r} has no receiver {receiver!r}: there are {names}")
        notice = Notice(
            group=f"test-{uuid.uuid4().hex[:12]}", generation=0, kind=Kind.TEST, labels={}, firing=0, resolved=0,
            note=f"{me()} tries the receiver {receiver} of stack {self._description.name}. Nothing is wrong.",
            at=_now(),
        )  # fmt: skip
        notification = Notification(notice=notice, receiver=receiver)
        store = AlarmStore(self._connection.table)
        store.keep_notification(notification)
        self._queue().send(to_send(notification))

        def over() -> Notification | None:
            found = store.notification(notice.group, 0, receiver)
            # A receiver that failed is tried again for hours: the first failure says enough.
            return found if found and (found.status.is_over or found.attempts) else None

        found = wait_for(over, what=f"the test of {receiver}", timeout=TEST_WITHIN)
        return TestOutcome(receiver=receiver, status=found.status, problem=found.problem)

    def send(self, body: Mapping[str, Any]) -> int:
        """Hand alarms to the manager that Alertmanager, Grafana or Keep sent as a webhook (version 4); how many.

        Raises
        ------
        InvalidAlarm
            The body isn't of that form.
        """
        events = from_alertmanager(body, stack=f"{self._description.project}/{self._description.name}")
        queue = self._queue()
        for event in events:
            queue.send({"event": event.model_dump(mode="json")})
        return len(events)

    def replay(
        self, *, since: datetime, until: datetime | None = None, declared: Declared | None = None
    ) -> tuple[Told, ...]:
        """Tell what people would have been told of the recorded events by other routes; nothing is sent.

        Parameters
        ----------
        since, until : datetime
            With their time zones; by default until now.
        declared : headwater.declare.alarms.Alarms, optional
            Routes to try; by default those that are deployed.
        """
        events = list(self._events(AlarmStore(self._connection.table)))
        end = until or _now()
        wanted = [event for event in events if since <= event.at < end]
        return tuple(replay(wanted, declared or self._declared(), until=end))

    def rotate_key(self, *, revoke: bool = False) -> int:
        """Make a new key for the links in notifications; the stack signs with it within five minutes.

        Parameters
        ----------
        revoke : bool
            Whether links that were sent before are refused (within five minutes): for a key that others may know. By
            default they stay valid until they expire.

        Returns
        -------
        int
            The new key's number.
        """
        name = parameter_name(self._description.project, self._description.name)
        return KeyStore(name, self._connection.clients).rotate(revoke=revoke).number

    def _events(self, store: AlarmStore) -> Iterator[AlarmEvent]:
        names = {instance.name for group in store.groups() for instance in store.members(group.id)}
        for name in sorted(names):
            for record in store.records(name):
                yield record.event

    def _find(self, store: AlarmStore, group: str) -> Group:
        if (found := store.group(group)) is not None:
            return found
        short = group.removeprefix(self._description.prefix)
        named = [one for one in store.groups() if any(instance.name == short for instance in store.members(one.id))]
        open_ = [one for one in named if one.status is not GroupStatus.CLOSED] or named
        if len(open_) != 1:
            why = f"alarm {short!r} is in {len(open_)} groups: {', '.join(one.id for one in open_[:5])}"
            raise NoSuchGroup(
                why if open_ else f"there is no group and no alarm {group!r} that ever changed its state",
                next_steps=["headwater alarms list"],
            )
        return open_[0]

    def _declared(self) -> Declared:
        found = declared_alarms(self._description.artifacts_bucket, self._connection.clients)
        if found is None:
            raise NotFound(f"stack {self._description.name!r} has no alarm manager of this version: deploy it again")
        return found

    def _queue(self) -> Queue:
        url = alarms_queue(self._description.prefix, self._connection.clients)
        if url is None:
            raise NotFound(f"stack {self._description.name!r} has no alarm manager of this version: deploy it again")
        return Queue(url, self._connection.clients)

    def _alive(self) -> Heartbeats:
        """The heartbeats in this process, by the caller's own permissions."""
        declared, stack = self._declared(), f"{self._description.project}/{self._description.name}"
        return Heartbeats(AliveStore(self._connection.table), self._queue(), declared, stack=stack)

    def _managed(self) -> tuple[AlarmManager, AlarmStore]:
        """The alarm manager in this process, by the caller's own permissions."""
        declared = self._declared()
        store = AlarmStore(self._connection.table)
        return AlarmManager(store, self._queue(), declared), store


def _now() -> datetime:
    return datetime.now(UTC)
