"""Alarm events and standings in the registry's table, and the topic that e-mail goes out by; calls AWS."""

from __future__ import annotations

from typing import Any

from headwater.alarms.types import AlarmEvent, AlarmRecord, AlarmStanding
from headwater.storage.clients import client
from headwater.storage.table import ABSENT, Table, WriteRefused


class AlarmStore:
    """Items under ``ALARM#<name>``: ``STATE``, ``EVENT#<time>#<id>``, ``SENT#<event id>#<recipient>``."""

    def __init__(self, table: str) -> None:
        self._table = Table(table)

    def standing(self, name: str) -> AlarmStanding | None:
        """The alarm's standing; None before its first event."""
        item = self._table.get(_alarm(name), "STATE")
        return AlarmStanding.model_validate_json(item["document"]) if item else None

    def record(self, event: AlarmEvent) -> AlarmRecord | None:
        """The recorded decision about ``event``; None if the event is new."""
        item = self._table.get(_alarm(event.name), _event_key(event))
        return AlarmRecord.model_validate_json(item["document"]) if item else None

    def records(self, name: str) -> list[AlarmRecord]:
        """Every event of the alarm, in the order in which they happened."""
        found = self._table.query(_alarm(name), "EVENT#")
        return [AlarmRecord.model_validate_json(item["document"]) for item in found]

    def decide(self, record: AlarmRecord, standing: AlarmStanding | None, before: AlarmStanding | None) -> bool:
        """Keep ``record`` and, if given, the new ``standing``, both or none.

        Returns
        -------
        bool
            False if the event is kept already, the standing isn't ``before`` any more, or the answer was lost: read
            again.
        """
        pk = _alarm(record.event.name)
        writes = [self._put(pk, _event_key(record.event), record.model_dump_json(), record.event.id, None)]
        if standing is not None:
            replaced = before.event_id if before else None
            writes.append(self._put(pk, "STATE", standing.model_dump_json(), standing.event_id, replaced))
        try:
            self._table.transact(writes)
        except WriteRefused:
            return False
        return True

    def was_told(self, event: AlarmEvent, recipient: str) -> bool:
        """Whether ``recipient`` was told of ``event``."""
        return self._table.get(_alarm(event.name), _sent_key(event, recipient)) is not None

    def mark_told(self, event: AlarmEvent, recipient: str) -> None:
        """Remember that ``recipient`` was told of ``event``."""
        self._table.write(self._table.put({"pk": _alarm(event.name), "sk": _sent_key(event, recipient)}))

    def _put(self, pk: str, sk: str, document: str, event_id: str, before: str | None) -> dict[str, Any]:
        item = {"pk": pk, "sk": sk, "event_id": event_id, "document": document}
        if before is None:
            return self._table.put(item, only_if=ABSENT)
        return self._table.put(item, only_if="event_id = :before", before=before)


class NotificationTopic:
    """The SNS topic that people subscribe to by e-mail; what reaches it is already free of repeats."""

    def __init__(self, arn: str) -> None:
        self.id = "topic"
        self.name = arn.rpartition(":")[2]
        self._arn = arn
        self._sns = client("sns")

    def tell(self, record: AlarmRecord) -> None:
        """Publish ``record`` to the topic."""
        self._sns.publish(TopicArn=self._arn, Subject=record.subject, Message=record.text)


def _alarm(name: str) -> str:
    return f"ALARM#{name}"


def _sent_key(event: AlarmEvent, recipient: str) -> str:
    return f"SENT#{event.id}#{recipient}"


def _event_key(event: AlarmEvent) -> str:
    return f"EVENT#{event.at.isoformat(timespec='microseconds')}#{event.id}"
