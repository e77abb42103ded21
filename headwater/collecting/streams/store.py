"""The calls of a stream and of a queue; what AWS refuses is a `CollectFailed` of one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from headwater.clock import Clock
from headwater.collecting.errors import CollectFailed
from headwater.collecting.streams.shards import Position, Shard
from headwater.declare import Kinesis, Sqs
from headwater.storage.clients import Clients, error_code
from headwater.storage.retries import tries
from headwater.storage.roles import client_as

SLACK = timedelta(minutes=5)
"""How far arrival times and clocks may be apart."""
AT_ONCE = 10
"""Messages of one call, which SQS allows."""
HIDDEN_SECONDS = 900
"""How long a message that was received is hidden: longer than a batch takes from its first message to its deletion."""
_TRIES, _TRIES_EACH = 8, 5
_BUSY = frozenset(
    {"ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException",
     "InternalFailureException", "ServiceUnavailable"}
)  # fmt: skip
_EXPIRED = "ExpiredIteratorException"
_FULL = frozenset({"OverLimit", "AWS.SimpleQueueService.OverLimit"})


class Page(NamedTuple):
    """An answer of GetRecords."""

    records: list[dict[str, Any]]
    following: str | None
    """The iterator behind it; None if the shard is closed and this its end."""
    read_to: datetime
    """All that arrived before is in this page, or was before it."""


class Stream:
    """A stream's calls; raises `CollectFailed` for what AWS refuses."""

    def __init__(
        self, reads: Kinesis, clients: Clients, collector: str, now: Clock, pause: Callable[[float], None]
    ) -> None:
        self._client = client_as("kinesis", reads.role_arn, clients, **_as_whom(reads, collector))
        self._name, self._now, self._pause = reads.stream, now, pause
        named = {"StreamARN" if reads.stream.startswith("arn:") else "StreamName": reads.stream}
        summary = self._call("describe_stream_summary", **named)["StreamDescriptionSummary"]
        self._arn: str = summary["StreamARN"]
        self.created: datetime = summary["StreamCreationTimestamp"]
        """When it was made."""
        self.keeps = timedelta(hours=summary["RetentionPeriodHours"])
        """How long it keeps records."""

    def shards(self) -> dict[str, Shard]:
        """All shards that may have records, closed ones too, in the order of their ids."""
        found: dict[str, Shard] = {}
        asked: dict[str, Any] = {"StreamARN": self._arn}
        while True:
            answer = self._call("list_shards", **asked)
            found |= {shard.id: shard for shard in map(Shard.of, answer["Shards"])}
            if not (token := answer.get("NextToken")):
                return dict(sorted(found.items()))
            asked = {"NextToken": token}

    def iterator(self, shard: str, position: Position, start: datetime | None) -> str:
        """The iterator behind a position; some records before it may come again."""
        horizon = self._now() - self.keeps + SLACK
        is_there = position.after is not None and position.arrived is not None and position.arrived >= horizon
        asked: dict[str, Any]
        if position.after is not None and (is_there or position.arrived is None):
            asked = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": position.after}
        elif position.read_to is not None:
            # Behind a record that is gone, AWS reads through all that time, answer by answer without a record.
            asked = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": position.read_to - SLACK}
        elif position.after is None and start is not None:
            # A time to come is refused, and clocks differ.
            asked = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": min(start, self._now() - SLACK)}
        else:
            asked = {"ShardIteratorType": "TRIM_HORIZON"}
        return str(self._call("get_shard_iterator", StreamARN=self._arn, ShardId=shard, **asked)["ShardIterator"])

    def page(self, iterator: str) -> Page | None:
        """The records behind an iterator; None if it has expired."""
        asked_at = self._now()
        answer = self._call("get_records", StreamARN=self._arn, ShardIterator=iterator)
        if answer is None:
            return None
        behind = timedelta(milliseconds=answer.get("MillisBehindLatest", 0))
        return Page(answer["Records"], answer.get("NextShardIterator"), asked_at - behind)

    def _call(self, operation: str, **asked: Any) -> Any:
        for _ in tries(_TRIES, self._pause, base=1, longest=10):
            try:
                return getattr(self._client, operation)(**asked)
            except ClientError as error:
                last = error
                if error_code(error) == _EXPIRED:
                    return None
                if error_code(error) not in _BUSY:
                    break
        raise CollectFailed(f"stream {self._name} can't be read: {_said(last)}")


class Queue:
    """A queue's calls; raises `CollectFailed` for what AWS refuses."""

    def __init__(self, reads: Sqs, clients: Clients, collector: str, pause: Callable[[float], None]) -> None:
        self._client = client_as("sqs", reads.role_arn, clients, **_as_whom(reads, collector))
        self._name, self._pause = reads.queue, pause
        named = {"QueueName": reads.queue.rpartition(":")[2]}
        if reads.queue.startswith("arn:"):
            named["QueueOwnerAWSAccountId"] = reads.queue.split(":")[4]
        self._url: str = self._call("get_queue_url", **named)["QueueUrl"]
        wanted = ["MessageRetentionPeriod", "RedrivePolicy"]
        found = self._call("get_queue_attributes", QueueUrl=self._url, AttributeNames=wanted).get("Attributes", {})
        self.keeps = timedelta(seconds=int(found["MessageRetentionPeriod"]))
        """How long it keeps a message."""
        self.has_dead_letters = bool(found.get("RedrivePolicy"))
        """Whether messages that nobody deletes go to another queue."""

    def receive(self, wait: int) -> Sequence[Mapping[str, Any]] | None:
        """Some messages, hidden from now on; None if too many are hidden already."""
        try:
            answer = self._call(
                "receive_message",
                QueueUrl=self._url,
                MaxNumberOfMessages=AT_ONCE,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=wait,
                MessageSystemAttributeNames=["SentTimestamp", "MessageGroupId"],
            )
        except CollectFailed as error:
            if isinstance(error.__cause__, ClientError) and error_code(error.__cause__) in _FULL:
                return None
            raise
        found: Sequence[Mapping[str, Any]] = answer.get("Messages", ())
        return found

    def delete(self, handles: Sequence[str]) -> None:
        """Delete messages that have landed; one that somebody else has received by now comes again, and is known."""
        self._by_tens("delete_message_batch", [{"ReceiptHandle": handle} for handle in handles])

    def show(self, handles: Sequence[str]) -> None:
        """Let messages be received again at once."""
        entries = [{"ReceiptHandle": handle, "VisibilityTimeout": 0} for handle in handles]
        self._by_tens("change_message_visibility_batch", entries)

    def _by_tens(self, operation: str, entries: Sequence[Mapping[str, Any]]) -> None:
        left = iter(entries)
        while some := list(islice(left, AT_ONCE)):
            for _ in tries(_TRIES_EACH, self._pause, base=0.2):
                # Numbered: SQS refuses all of a call in which an id comes twice.
                numbered = [{"Id": str(number), **entry} for number, entry in enumerate(some)]
                failed = self._call(operation, QueueUrl=self._url, Entries=numbered).get("Failed", ())
                some = [some[int(one["Id"])] for one in failed if not one.get("SenderFault")]
                if not some:
                    break

    def _call(self, operation: str, **asked: Any) -> Any:
        try:
            return getattr(self._client, operation)(**asked)
        except ClientError as error:
            raise CollectFailed(f"queue {self._name} can't be read: {_said(error)}") from error


def _as_whom(reads: Kinesis | Sqs, collector: str) -> dict[str, Any]:
    return {"caller": f"headwater-{collector}", "external_id": reads.external_id, "region": reads.region}


def _said(error: ClientError) -> str:
    return f"{error_code(error)}: {str(error.response.get('Error', {}).get('Message', ''))[:200]}"
