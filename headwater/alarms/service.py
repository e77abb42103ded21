"""The alarm manager: takes events, looks at groups when their time comes, and leaves what people are told in an outbox.

Every step may be repeated, by a second delivery or after a crash: a step that was done changes nothing and sends again
only what wakes the next one. The order within each is what makes that hold, and is said where it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from headwater.alarms import machine
from headwater.alarms.errors import AlarmBusy, GroupChanged, MuteChanged, NoSuchGroup, NoSuchMute
from headwater.alarms.events import AlarmEvent
from headwater.alarms.machine import Settled, Situation
from headwater.alarms.muting import Mute
from headwater.alarms.removed import removed
from headwater.alarms.routing import Leg, Router, digest
from headwater.alarms.store import AlarmStore, Timer
from headwater.alarms.storms import STORM, storm_leg
from headwater.alarms.timers import TRIES, Sender, Timers
from headwater.alarms.types import AlarmRecord, Decision, Group, GroupStatus, Instance, Kind, Notice, Notification
from headwater.clock import Clock, utc_now
from headwater.declare.alarms import Alarms
from headwater.declare.matchers import all_match

OVERDUE = timedelta(hours=1)
"""How late a timer is before the daily audit takes it for lost."""


class AlarmManager:
    """Decides who hears of alarms, and when.

    Parameters
    ----------
    store : AlarmStore
        Events, groups and the outbox.
    queue : Sender
        Wakes the manager: ``{"group", "turn"}`` at a group's time, ``{"notify": ...}`` to send a notification.
    declared : Alarms
        Routes, receivers and inhibition.
    """

    def __init__(self, store: AlarmStore, queue: Sender, declared: Alarms, *, now: Clock = utc_now) -> None:
        self._store, self._queue, self._declared, self._now = store, queue, declared, now
        self.router, self._timers = Router(declared), Timers(store, queue, now=now)

    # An event comes.

    def handle(self, event: AlarmEvent) -> AlarmRecord:
        """Keep ``event`` and see to it that its groups are looked at.

        Raises
        ------
        AlarmBusy
            Other events of the alarm kept coming first; nothing of this one was kept.
        """
        legs = [(leg, leg.group_id(event.all_labels)) for leg in self.router.route(event.all_labels)]
        record, is_new = self._keep(event, [group for _, group in legs])
        if record.decision is Decision.RECORDED:
            for leg, group in legs:
                # After the alarm is kept: whoever looks from now on sees it.
                self._look_for(event, leg, group, again=not is_new)
        return record

    def _keep(self, event: AlarmEvent, groups: Sequence[str]) -> tuple[AlarmRecord, bool]:
        """The record of the event, and whether it is kept only now."""
        is_source = any(all_match(rule.source, event.all_labels) for rule in self._declared.inhibit)
        for _ in range(TRIES):
            if known := self._store.record(event):
                return known, False
            members = []
            for group in groups:
                before = self._store.member(group, event.fingerprint)
                after = machine.observe(event, before)
                if after is not None:
                    members.append((group, after, before))
            decision = Decision.RECORDED if members else Decision.OUTDATED
            record = AlarmRecord(event=event, decision=decision)
            if self._store.keep(record, members, is_source=is_source):
                return record, True
        raise AlarmBusy(f"alarm {event.name!r}: {TRIES} times another event came first")

    def _look_for(self, event: AlarmEvent, leg: Leg, group_id: str, *, again: bool) -> None:
        group = self._store.group(group_id)
        if group is None:
            self._store.create(Group(id=group_id, route=leg.id, labels=leg.group_labels(event.all_labels)))
        self._timers.arm(group_id, machine.look_after(group, leg, self._now()), again=again)

    # A group's time has come.

    def look(self, group_id: str, turn: int, *, is_early: bool = False) -> Settled | None:
        """Look at a group whose timer of ``turn`` has run out; None if that timer counts no more.

        ``is_early`` says that the queue couldn't hold the message back long enough. Any other message says that it is
        time, whatever this machine's clock says: the queue's and the Scheduler's may be ahead of it.
        """
        # First of all, and also if the timer is stale: whoever looked before may have died before sending them, and a
        # later generation would hide them.
        self._resend(group_id)
        timer = self._store.timer(group_id)
        if timer.turn != turn:
            if timer.due is not None and turn < timer.turn:
                self._timers.wake(group_id, timer)  # Who set it may have died before waking us.
            return None
        now = self._now()
        if timer.due is not None:
            if timer.due > now and is_early:
                self._timers.wake(group_id, timer)
                return None
            now = max(now, timer.due)
            # Before its alarms are read: an event that comes from now on sets a timer of its own.
            if not self._store.set_timer(group_id, Timer(turn, None), timer):
                return self.look(group_id, turn, is_early=is_early)
        for _ in range(TRIES):
            if (group := self._store.group(group_id)) is None:
                return None
            settled = self._settle(group, now)
            if settled is not None:
                self._resend(group_id)
                if settled.look_at is not None:
                    self._timers.arm(group_id, settled.look_at, again=True)
                else:
                    # Done: a second message of this turn counts no more.
                    self._store.set_timer(group_id, Timer(turn + 1, None), Timer(turn, None))
                return settled
        raise AlarmBusy(f"group {group_id}: {TRIES} times somebody else changed it")

    def _settle(self, group: Group, now: datetime) -> Settled | None:
        leg = self._leg(group)
        instances = list(self._here(group, leg))
        here = {instance.fingerprint for instance in instances}
        group_seen = group.model_copy(update={"told": tuple(one for one in group.told if one in here)})
        leg = leg or self.router.route({})[-1]
        situation = Situation(
            now=now,
            leg=leg,
            instances=instances,
            mutes=self._store.mutes(),
            inhibit=self._declared.inhibit,
            sources=self._store.sources() if self._declared.inhibit else (),
        )
        settled = machine.settle(group_seen, situation)
        notifications: Sequence[Notification] = ()
        if (notice := settled.notice) is not None:
            is_new = notice.kind is Kind.FIRING and not group.told and group.route != STORM
            if is_new and not group.in_digest and self._storms():
                settled = _with(settled, in_digest=True)
            if settled.group.in_digest:
                # Before the group is kept: what the digest holds twice, it holds once.
                self._forward(leg, instances)
                settled = _with(
                    settled, in_digest=settled.group.status is not GroupStatus.CLOSED, chain=(), chain_at=None
                )
            else:
                notifications = self._notifications(settled, notice, group)
                heard = {one.receiver: notice.generation for one in notifications}
                settled = _with(settled, heard={**group.heard, **heard})
        opened = situation.now if settled.notice is not None and settled.group.opened_at == situation.now else None
        if group.route == STORM:
            opened = None
        return settled if self._store.change(settled.group, group, notifications, opened=opened) else None

    def _leg(self, group: Group) -> Leg | None:
        if group.route == STORM:
            root = self.router.route({})[-1]
            receivers = tuple(group.labels["receivers"].split(","))
            return storm_leg(self.router.legs.get(group.labels.get("route", ""), root), receivers)
        return self.router.legs.get(group.route)

    def _here(self, group: Group, leg: Leg | None) -> Iterator[Instance]:
        """Alarms of the group that still take its route; others, which a changed route took away, go to theirs."""
        now = self._now()
        for instance in self._store.members(group.id):
            legs = self.router.route(instance.labels)
            if group.route == STORM or (leg is not None and any(one.id == leg.id for one in legs)):
                yield instance
            elif instance.fires(now):
                for other in legs:
                    moved = other.group_id(instance.labels)
                    if self._store.group(moved) is None:
                        self._store.create(Group(id=moved, route=other.id, labels=other.group_labels(instance.labels)))
                    self._store.adopt(moved, instance)
                    self._timers.arm(moved, now + other.group_wait)

    def _notifications(self, settled: Settled, notice: Notice, before: Group) -> list[Notification]:
        made = []
        for name in settled.receivers:
            receiver = self._declared.receiver(name)
            if receiver is None or receiver.send_resolved or notice.kind is not Kind.RECOVERED:
                # Groups of earlier versions don't know who heard what.
                previous = before.heard.get(name, before.notified_generation)
                made.append(Notification(notice=notice, receiver=name, previous=previous))
        return made

    def _resend(self, group_id: str) -> None:
        """Send what wakes the sending of each notification that waits: of the newest generation that has any."""
        group = self._store.group(group_id)
        if group is None or group.notified_generation is None:
            return
        for notification in self._store.notifications(group_id, group.notified_generation):
            if not notification.status.is_over:
                self._queue.send(to_send(notification))

    # A storm.

    def _storms(self) -> bool:
        limit = self._declared.storm_groups
        since = self._now() - self._declared.storm_within
        return self._store.opened_since(since, most=limit) >= limit

    def _forward(self, leg: Leg, instances: Sequence[Instance]) -> None:
        if not leg.receivers:
            return
        labels = {"receivers": ",".join(leg.receivers)}
        if leg.escalation is not None:
            labels["route"] = leg.id  # Whose steps the digest takes.
        storm = digest(STORM, *labels.values())
        if (group := self._store.group(storm)) is None:
            self._store.create(Group(id=storm, route=STORM, labels=labels))
        for instance in instances:
            self._store.adopt(storm, instance)
        self._timers.arm(storm, machine.look_after(group, storm_leg(leg, leg.receivers), self._now()))

    # People.

    def acknowledge(
        self, group_id: str, *, by: str, until: datetime | None = None, note: str = "", generation: int | None = None,
        status: GroupStatus = GroupStatus.ACKED,
    ) -> Group:  # fmt: skip
        """Be quiet about a group until a new alarm comes or the time is up.

        Parameters
        ----------
        group_id : str
            The group.
        by : str
            Who wants it.
        until : datetime, optional
            By default a day from now.
        note : str
            Kept with the group.
        generation : int, optional
            The group's generation as the caller saw it.
        status : GroupStatus
            ACKED or SNOOZED.

        Raises
        ------
        NoSuchGroup
        GroupChanged
            It is in another generation.
        GroupRefused
            It is closed, or the time is over.
        """
        end = until or self._now() + machine.ACK_LASTS
        changed = self._change(
            group_id, generation, lambda group: machine.acknowledge(group, by, end, note, self._now(), status)
        )
        leg = self._leg(changed)
        reminder = leg.ack_reminder if leg and status is GroupStatus.ACKED else None
        self._timers.arm(group_id, min(end, self._now() + reminder) if reminder else end)
        return changed

    def reopen(self, group_id: str, *, by: str, generation: int | None = None) -> Group:
        """Take back an acknowledgement or a snooze; raises as `acknowledge` does."""
        changed = self._change(group_id, generation, lambda group: machine.reopen(group, by))
        self._timers.arm(group_id, self._now())
        return changed

    def close(self, group_id: str, *, by: str, generation: int | None = None) -> Group:
        """Close a group of which nothing fires; raises as `acknowledge` does."""
        instances = self._store.members(group_id)
        return self._change(group_id, generation, lambda group: machine.close(group, by, instances, self._now()))

    def _change(self, group_id: str, generation: int | None, change: Callable[[Group], Group]) -> Group:
        for _ in range(TRIES):
            group = self._store.group(group_id)
            if group is None:
                raise NoSuchGroup(f"there is no group {group_id!r}", next_steps=["headwater alarms list"])
            if generation is not None and group.generation != generation:
                raise GroupChanged(
                    f"group {group_id} is in generation {group.generation}, not {generation}: somebody or something "
                    f"changed it; it is {group.status.value}" + (f" by {group.by}" if group.by else ""),
                    generation=group.generation,
                    next_steps=[f"headwater alarms show {group_id}"],
                )
            after = change(group)
            if self._store.change(after, group):
                return after
            # An answer may have been lost: the change is then there already.
            if self._store.group(group_id) == after:
                return after
        raise AlarmBusy(f"group {group_id}: {TRIES} times somebody else changed it")

    def mute(self, mute: Mute) -> None:
        """Keep a new mute, and look at the groups that it concerns at the end of its next window."""
        if not self._store.keep_mute(mute) and self._store.mute(mute.id) != mute:
            raise MuteChanged(f"there is a mute {mute.id} already: ask again")
        self._look_after_mute(mute)

    def unmute(self, id_: str, *, by: str, generation: int | None = None) -> Mute:
        """End a mute now: what it hit and still fires is told.

        Raises
        ------
        NoSuchMute
            There is no such mute, or it is over.
        MuteChanged
            The mute is in another generation than the caller saw.
        """
        for _ in range(TRIES):
            found, now = self._store.mute(id_), self._now()
            if found is None or found.ends_at <= now:
                raise NoSuchMute(f"there is no mute {id_!r} that isn't over", next_steps=["headwater alarms mutes"])
            if generation is not None and found.generation != generation:
                raise MuteChanged(
                    f"mute {id_} is in generation {found.generation}, not {generation}: somebody changed it",
                    generation=found.generation,
                )
            changes = {"ends_at": now, "removed_by": by, "generation": found.generation + 1}
            ended = found.model_copy(update=changes)
            if self._store.keep_mute(ended, found) or self._store.mute(id_) == ended:
                self._look_after_mute(ended)
                return ended
        raise AlarmBusy(f"mute {id_}: {TRIES} times somebody else changed it")

    def _look_after_mute(self, mute: Mute) -> None:
        now = self._now()
        window = mute.next_window(now)
        for group, instances in self.open_groups():
            if any(mute.concerns(instance) for instance in instances if instance.fires(now)):
                self._timers.arm(group.id, window[1] if window else now)

    def audit(self) -> list[str]:
        """Look once more at groups whose time is long over, and send what still waits; ids of the groups.

        A timer or a notification comes late if its message became a dead letter, or was lost by AWS.
        """
        now, found = self._now(), []
        for group in self._store.groups():
            timer = self._store.timer(group.id)
            is_over = timer.due is not None and timer.due + OVERDUE < now
            if timer.due is None and group.status is not GroupStatus.CLOSED:
                is_over = group.flushed_at is None or group.flushed_at + OVERDUE < now
            if is_over:
                found.append(group.id)
                self._timers.arm(group.id, now, again=True)
            if group.notified_at is not None and group.notified_at + OVERDUE < now:
                self._resend(group.id)
        return found

    def end_removed(self, existing: Callable[[Collection[str]], Collection[str]], *, prefix: str) -> list[str]:
        """End the alarms that fire and that CloudWatch has no more; their names. See `headwater.alarms.removed`."""
        ends = list(removed(self._store, self.open_groups(), existing, prefix=prefix, now=self._now()))
        for event in ends:
            self.handle(event)
        return [event.name for event in ends]

    def open_groups(self) -> Iterator[tuple[Group, list[Instance]]]:
        """Groups that aren't closed, each with its alarms."""
        for group in self._store.groups():
            if group.status is not GroupStatus.CLOSED:
                yield group, self._store.members(group.id)


def to_send(notification: Notification) -> dict[str, Any]:
    """The queue's message that lets a notification be sent."""
    notice = notification.notice
    return {"notify": {"group": notice.group, "generation": notice.generation, "receiver": notification.receiver}}


def _with(settled: Settled, **changes: object) -> Settled:
    return replace(settled, group=settled.group.model_copy(update=changes))
