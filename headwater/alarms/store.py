"""Alarms, groups, mutes and notifications in the registry's table, and the queue of timers; calls AWS.

Items under ``ALARM#EVENTS#<name>`` (earlier versions: ``ALARM#<name>``): ``EVENT#<time>#<id>``.
Items under ``ALARM#GROUP#<id>``: ``STATE``, ``TIMER``, ``MEMBER#<fingerprint>``, ``NOTIFY#<generation>#<receiver>``.
Lists: ``ALARM#GROUPS``, ``ALARM#MUTES``, ``ALARM#SOURCES`` (alarms that inhibit others), ``ALARM#OPENED`` (when groups
were opened).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from headwater.alarms.events import AlarmEvent
from headwater.alarms.muting import Mute
from headwater.alarms.types import AlarmRecord, Group, Instance, Notification
from headwater.declare.alarms import Alarms
from headwater.storage.clients import Clients, error_code
from headwater.storage.table import ABSENT, Table

QUEUE_NAME = "alarms"
"""Name of the queue of timers, behind the stack's prefix."""
DECLARED_KEY = "alarms/declared.json"
"""Object of the artifacts bucket with the deployed routes and receivers: an environment has no room for them."""
GROUPS, MUTES, SOURCES, OPENED = "ALARM#GROUPS", "ALARM#MUTES", "ALARM#SOURCES", "ALARM#OPENED"
LONGEST_DELAY = timedelta(seconds=900)
"""The longest that SQS holds a message back."""
_MOST_NAMES = 100


@dataclass(frozen=True)
class Timer:
    """When a group is looked at next."""

    turn: int
    due: datetime | None


class AlarmStore:
    """Everything that the alarm manager remembers."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # Events and alarms.

    def record(self, event: AlarmEvent) -> AlarmRecord | None:
        """The recorded decision about ``event``; None if the event is new."""
        return self._record(event.name, event.at, event.id)

    def newest(self, instance: Instance) -> AlarmRecord | None:
        """The record of an alarm's newest event; None if an earlier version kept it elsewhere."""
        return self._record(instance.name, instance.at, instance.event_id)

    def _record(self, name: str, at: datetime, event_id: str) -> AlarmRecord | None:
        return self._table.document(_alarm(name), _event_key(at, event_id), AlarmRecord)

    def records(self, name: str) -> list[AlarmRecord]:
        """Every event of the alarms with this name, in the order in which they happened."""
        places = (f"ALARM#{name}", _alarm(name))
        return [record for pk in places for record in self._table.documents(pk, "EVENT#", AlarmRecord)]

    def keep(
        self, record: AlarmRecord, members: Sequence[tuple[str, Instance, Instance | None]], *, is_source: bool
    ) -> bool:
        """Keep a new event together with what it makes of the alarm in its groups: all or nothing.

        Parameters
        ----------
        record : AlarmRecord
            The event.
        members : sequence of (group, instance, instance before)
            The alarm after the event, in each group.
        is_source : bool
            Whether alarms are inhibited by it.

        Returns
        -------
        bool
            False if the event is kept already, another one came first, or the answer was lost: read again.
        """
        pk = _alarm(record.event.name)
        writes = [self._put(pk, _event_key(record.event.at, record.event.id), record.model_dump_json(), version=1)]
        for group, instance, before in members:
            writes.append(self._member(_group(group), f"MEMBER#{instance.fingerprint}", instance, before))
        if is_source and members:
            _, instance, before = members[0]
            document = {"pk": SOURCES, "sk": f"ID#{instance.fingerprint}", "document": instance.model_dump_json()}
            writes.append(self._table.put(document))
        return self._table.applied(writes)

    def adopt(self, group: str, instance: Instance) -> None:
        """Put an alarm into another group, unless the group has a newer state of it."""
        key = f"MEMBER#{instance.fingerprint}"
        while True:
            before = self._table.document(_group(group), key, Instance)
            if before is not None and (before.at, before.event_id) >= (instance.at, instance.event_id):
                return
            if self._table.write(self._member(_group(group), key, instance, before)):
                return

    def member(self, group: str, fingerprint: str) -> Instance | None:
        """An alarm as a group knows it."""
        return self._table.document(_group(group), f"MEMBER#{fingerprint}", Instance)

    def members(self, group: str) -> list[Instance]:
        """All alarms that were ever in a group."""
        return list(self._table.documents(_group(group), "MEMBER#", Instance))

    def sources(self) -> list[Instance]:
        """Alarms that inhibit others while they fire."""
        return list(self._table.documents(SOURCES, "ID#", Instance))

    # Groups.

    def group(self, id_: str) -> Group | None:
        """A group; None if there never was one."""
        return self._table.document(_group(id_), "STATE", Group)

    def groups(self) -> Iterator[Group]:
        """Every group that ever was."""
        for item in self._table.query(GROUPS, "ID#"):
            if (found := self.group(item["sk"].removeprefix("ID#"))) is not None:
                yield found

    def create(self, group: Group) -> bool:
        """Keep a new group; False if there is one."""
        writes = [
            self._put(_group(group.id), "STATE", group.model_dump_json(), version=group.generation),
            self._table.put({"pk": GROUPS, "sk": f"ID#{group.id}"}),
        ]
        return self._table.applied(writes)

    def change(
        self, group: Group, before: Group, notifications: Sequence[Notification] = (), *, opened: datetime | None = None
    ) -> bool:
        """Keep a group's next generation and its notifications, all or nothing.

        Returns
        -------
        bool
            False if the group isn't ``before`` any more, or the answer was lost: read again.
        """
        state: dict[str, Any] = {
            "pk": _group(group.id),
            "sk": "STATE",
            "version": group.generation,
            "document": group.model_dump_json(),
        }
        writes = [self._table.put_over(state, "version", before.generation)]
        writes += [self._put(*_notify_key(one), one.model_dump_json(), version=0) for one in notifications]
        if opened is not None:
            writes.append(self._table.put({"pk": OPENED, "sk": f"AT#{_stamp(opened)}#{group.id}"}))
        return self._table.applied(writes)

    def opened_since(self, since: datetime, *, most: int) -> int:
        """How many groups were opened since then; counts no further than ``most``."""
        found = set()
        for item in self._table.query(OPENED, "AT#", after=f"AT#{_stamp(since)}"):
            found.add(item["sk"].rpartition("#")[2])
            if len(found) >= most:
                break
        return len(found)

    # Timers.

    def timer(self, group: str) -> Timer:
        """When a group is looked at next."""
        item = self._table.get(_group(group), "TIMER")
        if item is None:
            return Timer(0, None)
        return Timer(item["turn"], datetime.fromisoformat(item["due"]) if item["due"] else None)

    def set_timer(self, group: str, timer: Timer, before: Timer) -> bool:
        """Set a group's timer if it still is ``before``; False if it isn't."""
        due = timer.due.isoformat() if timer.due else None
        item: dict[str, Any] = {"pk": _group(group), "sk": "TIMER", "turn": timer.turn, "due": due}
        # Whoever sets it later in the same turn takes it over: a look too many harms nobody.
        return self._table.write(self._table.put_over(item, "turn", before.turn or None))

    # Notifications.

    def notification(self, group: str, generation: int, receiver: str) -> Notification | None:
        """A notification to one receiver."""
        return self._table.document(_group(group), _notify(generation, receiver), Notification)

    def notifications(self, group: str, generation: int | None = None) -> list[Notification]:
        """All notifications of a group, or of one generation, in their order."""
        prefix = "NOTIFY#" if generation is None else _notify(generation, "")
        return list(self._table.documents(_group(group), prefix, Notification))

    def keep_notification(self, notification: Notification) -> None:
        """Keep a notification that belongs to no group."""
        self._table.applied([self._put(*_notify_key(notification), notification.model_dump_json(), version=0)])

    def change_notification(
        self, after: Notification, before: Notification, instead: Notification | None = None
    ) -> bool:
        """Keep a notification's next version, and the one that is sent to the fallback receiver instead.

        Returns
        -------
        bool
            False if somebody else changed it meanwhile, or the answer was lost: read again.
        """
        pk, sk = _notify_key(after)
        item: dict[str, Any] = {"pk": pk, "sk": sk, "version": after.version, "document": after.model_dump_json()}
        writes = [self._table.put_over(item, "version", before.version)]
        if instead is not None and self.notification(*_parts(instead)) is None:
            writes.append(self._put(*_notify_key(instead), instead.model_dump_json(), version=0))
        return self._table.applied(writes)

    # Mutes.

    def mutes(self) -> tuple[Mute, ...]:
        """Every mute, also those that are over."""
        return tuple(self._table.documents(MUTES, "ID#", Mute))

    def mute(self, id_: str) -> Mute | None:
        """A mute; None if there is none."""
        return self._table.document(MUTES, f"ID#{id_}", Mute)

    def keep_mute(self, mute: Mute, before: Mute | None = None) -> bool:
        """Keep a new mute, or the next generation of ``before``.

        Returns
        -------
        bool
            False if somebody else changed it meanwhile, or the answer was lost: read again.
        """
        item: dict[str, Any] = {
            "pk": MUTES,
            "sk": f"ID#{mute.id}",
            "version": mute.generation,
            "document": mute.model_dump_json(),
        }
        if before is None:
            return self._table.write(self._table.put(item, only_if=ABSENT))
        # Mutes of earlier versions have none.
        only_if = "#version = :before OR attribute_not_exists(#version)"
        return self._table.write(self._table.put(item, only_if=only_if, before=before.generation))

    def _member(self, pk: str, sk: str, instance: Instance, before: Instance | None) -> dict[str, Any]:
        item = {"pk": pk, "sk": sk, "event_id": instance.event_id, "document": instance.model_dump_json()}
        return self._table.put_over(item, "event_id", before.event_id if before else None)

    def _put(self, pk: str, sk: str, document: str, *, version: int) -> dict[str, Any]:
        return self._table.put({"pk": pk, "sk": sk, "version": version, "document": document}, only_if=ABSENT)


@dataclass(frozen=True)
class Queue:
    """The queue of timers and notifications; what is due in more than a quarter of an hour waits with the Scheduler."""

    url: str
    """The SQS queue."""
    clients: Clients
    _: KW_ONLY
    arn: str = ""
    """The queue's."""
    schedule_group: str = ""
    """The group of one-time schedules."""
    role: str = ""
    """Lets the Scheduler send to the queue."""

    def send(self, message: dict[str, Any], *, delay: timedelta = timedelta(0), name: str = "") -> None:
        """Deliver ``message`` after ``delay``, at least once; ``name`` is the schedule's, if it takes one."""
        if delay <= LONGEST_DELAY or not (name and self.schedule_group):
            # A message that comes too early is sent on by its handler.
            message = {**message, "is_early": True} if delay > LONGEST_DELAY else message
            seconds = min(max(0, -(-int(delay.total_seconds() * 1000) // 1000)), 900)
            self.clients("sqs").send_message(QueueUrl=self.url, MessageBody=json.dumps(message), DelaySeconds=seconds)
            return
        at, scheduler = datetime.now(UTC) + delay, self.clients("scheduler")
        try:
            scheduler.create_schedule(
                Name=name,
                GroupName=self.schedule_group,
                ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={"Arn": self.arn, "RoleArn": self.role, "Input": json.dumps(message)},
            )
        except scheduler.exceptions.ClientError as error:
            if error_code(error) != "ConflictException":  # It was made before, and its answer was lost.
                raise


def declared_alarms(bucket: str, clients: Clients) -> Alarms | None:
    """The routes and receivers that were deployed; None if none were."""
    s3 = clients("s3")
    try:
        body = s3.get_object(Bucket=bucket, Key=DECLARED_KEY)["Body"].read()
    except s3.exceptions.ClientError as error:
        if error_code(error) in {"NoSuchKey", "NoSuchBucket"}:
            return None
        raise
    return Alarms.model_validate_json(body)


def alarms_queue(prefix: str, clients: Clients) -> str | None:
    """The URL of a stack's queue of timers, by the beginning of its resources' names; None if there is none."""
    sqs = clients("sqs")
    try:
        return str(sqs.get_queue_url(QueueName=f"{prefix}{QUEUE_NAME}")["QueueUrl"])
    except sqs.exceptions.ClientError as error:
        if error_code(error) in {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}:
            return None
        raise


def deployed_alarms(names: Collection[str], clients: Clients) -> set[str]:
    """The names, out of those given, that CloudWatch has a metric's alarm of.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html: a hundred names a call.
    """
    cloudwatch, wanted, found = clients("cloudwatch"), list(names), set()
    for start in range(0, len(wanted), _MOST_NAMES):
        some = wanted[start : start + _MOST_NAMES]
        told = cloudwatch.describe_alarms(AlarmNames=some, MaxRecords=_MOST_NAMES)
        found |= {alarm["AlarmName"] for alarm in told["MetricAlarms"]}
    return found


@dataclass(frozen=True)
class DeadLetterQueue:
    """The stack's queue of what was given up."""

    url: str
    clients: Clients

    def send(self, message: dict[str, Any]) -> None:
        """Leave ``message`` for people to look at."""
        if self.url:
            self.clients("sqs").send_message(QueueUrl=self.url, MessageBody=json.dumps(message))


def _alarm(name: str) -> str:
    return f"ALARM#EVENTS#{name}"


def _group(id_: str) -> str:
    return f"ALARM#GROUP#{id_}"


def _notify(generation: int, receiver: str) -> str:
    return f"NOTIFY#{generation:08d}#{receiver}"


def _notify_key(notification: Notification) -> tuple[str, str]:
    group, generation, receiver = _parts(notification)
    return _group(group), _notify(generation, receiver)


def _parts(notification: Notification) -> tuple[str, int, str]:
    return notification.notice.group, notification.notice.generation, notification.receiver


def _event_key(at: datetime, event_id: str) -> str:
    return f"EVENT#{_stamp(at)}#{event_id}"


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
