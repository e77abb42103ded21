"""Alarm events and standings in the registry's table, and the topic that e-mail goes out by; calls AWS."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from headwater.alarms.types import AlarmEvent, AlarmRecord, AlarmStanding
from headwater.aws import client, error_code

_REFUSALS = {"TransactionCanceledException", "TransactionConflictException", "TransactionInProgressException"}


class AlarmStore:
    """Items under ``ALARM#<name>``: ``STATE``, ``EVENT#<time>#<id>``, ``SENT#<event id>#<recipient>``."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._dynamodb = client("dynamodb")

    def standing(self, name: str) -> AlarmStanding | None:
        """The alarm's standing; None before its first event."""
        document = self._document(name, "STATE")
        return AlarmStanding.model_validate_json(document) if document else None

    def record(self, event: AlarmEvent) -> AlarmRecord | None:
        """The recorded decision about ``event``; None if the event is new."""
        document = self._document(event.name, _event_key(event))
        return AlarmRecord.model_validate_json(document) if document else None

    def records(self, name: str) -> list[AlarmRecord]:
        """Every event of the alarm, in the order in which they happened."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": {"S": f"ALARM#{name}"}, ":prefix": {"S": "EVENT#"}},
            ConsistentRead=True,
        )
        return [
            AlarmRecord.model_validate_json(item["document"]["S"]) for page in pages for item in page["Items"]
        ]  # fmt: skip

    def decide(self, record: AlarmRecord, standing: AlarmStanding | None, before: AlarmStanding | None) -> bool:
        """Keep ``record`` and, if given, the new ``standing``, both or none.

        Returns
        -------
        bool
            False if the event is kept already or the standing isn't ``before`` any more: read again.
        """
        pk = f"ALARM#{record.event.name}"
        writes = [self._put(pk, _event_key(record.event), record.model_dump_json(), record.event.id, None)]
        if standing is not None:
            writes.append(
                self._put(
                    pk, "STATE", standing.model_dump_json(), standing.event_id, before.event_id if before else None
                )
            )
        try:
            self._dynamodb.transact_write_items(TransactItems=writes)
        except ClientError as error:
            if error_code(error) in _REFUSALS:
                return False
            raise
        return True

    def was_told(self, event: AlarmEvent, recipient: str) -> bool:
        """Whether ``recipient`` was told of ``event``."""
        key = {"pk": {"S": f"ALARM#{event.name}"}, "sk": {"S": f"SENT#{event.id}#{recipient}"}}
        return "Item" in self._dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True)

    def mark_told(self, event: AlarmEvent, recipient: str) -> None:
        """Remember that ``recipient`` was told of ``event``."""
        item = {"pk": {"S": f"ALARM#{event.name}"}, "sk": {"S": f"SENT#{event.id}#{recipient}"}}
        self._dynamodb.put_item(TableName=self.table, Item=item)

    def _document(self, name: str, sk: str) -> str:
        key = {"pk": {"S": f"ALARM#{name}"}, "sk": {"S": sk}}
        item = self._dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item", {})
        document: str = item.get("document", {}).get("S", "")
        return document

    def _put(self, pk: str, sk: str, document: str, event_id: str, before: str | None) -> dict[str, Any]:
        put = {
            "TableName": self.table,
            "Item": {"pk": {"S": pk}, "sk": {"S": sk}, "event_id": {"S": event_id}, "document": {"S": document}},
        }
        if before is None:
            return {"Put": put | {"ConditionExpression": "attribute_not_exists(pk)"}}
        values = {":before": {"S": before}}
        return {"Put": put | {"ConditionExpression": "event_id = :before", "ExpressionAttributeValues": values}}


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


def _event_key(event: AlarmEvent) -> str:
    return f"EVENT#{event.at.isoformat(timespec='microseconds')}#{event.id}"
