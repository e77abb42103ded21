"""Event source mappings of SQS queues: poll, filter, invoke, delete what was processed.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html and services-sqs-errorhandling.html.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.context import CloudContext
from localcloud.events import pattern
from localcloud.functions.configuration import backend_of, look_up, parse_name
from localcloud.functions.polling import Invoker, Poller
from localcloud.functions.types import LambdaError
from localcloud.long_poll import queue_of
from localcloud.rest import Going

_CONCURRENT_BATCHES = 5  # what Lambda begins with for a standard queue
_RECEIVED_AT_ONCE = 10

_logger = logging.getLogger(__name__)


@dataclass
class _Batch:
    """What a thread works on for a mapping."""

    what: str
    mapping: str
    messages: set[str] = field(default_factory=set)
    """Their ids, once they were received."""


class EventSourceMappings(Poller):
    """Polls for each enabled mapping, as its function's role: a role that may not read the queue gets nothing."""

    def __init__(self, cloud: CloudContext, functions: Invoker) -> None:
        super().__init__(cloud, functions, thread="lambda-sources")
        self._lock = threading.Lock()
        self._busy: Counter[str] = Counter()
        self._in_hand: dict[str, _Batch] = {}
        self._clients: dict[str, Any] = {}

    def close(self) -> None:
        """Stop; what was received and not processed becomes visible again."""
        super().close()
        for client in self._clients.values():
            client.close()

    def look(self) -> None:
        """Begin the batches of queues that are due."""
        for mapping in _of_queues(self._cloud):
            self._look(mapping)

    def _look(self, mapping: Any) -> None:
        queue = queue_of(self._cloud, mapping.event_source_arn)
        visible = len(queue.messages) if queue is not None else 0
        if not visible:
            self._since.pop(mapping.uuid, None)
            return
        # A batching window fills a batch up; without one a message goes at once.
        window = float(mapping.max_batch_window or 0)
        since = self._since.setdefault(mapping.uuid, time.monotonic())
        if visible < mapping.batch_size and time.monotonic() - since < window:
            return
        limit = (mapping.scaling_config or {}).get("MaximumConcurrency", _CONCURRENT_BATCHES)
        if mapping.event_source_arn.endswith(".fifo"):
            limit = 1
        with self._lock:
            if self._busy[mapping.uuid] >= limit:
                return
            self._busy[mapping.uuid] += 1
            batch = self._in_hand[uuid.uuid4().hex] = _Batch(_what(mapping), mapping.uuid)
        self._since.pop(mapping.uuid, None)
        url = f"{self._cloud.endpoint}/{self._cloud.account_id}/{queue.name}"
        threading.Thread(target=self._work, args=(mapping, url, batch), name="lambda-batch", daemon=True).start()

    def going_on(self) -> list[Going]:
        """Batches, and messages that are still to come: those that failed or were delayed by the machine's clock."""
        with self._lock:
            batches = dict(self._in_hand)
        found = [Going(batch.what, key) for key, batch in batches.items()]
        taken = {message for batch in batches.values() for message in batch.messages}
        for mapping in _of_queues(self._cloud):
            what, messages = _what(mapping), _free_at(queue_of(self._cloud, mapping.event_source_arn))
            ready = self._ready(mapping)
            found += [Going(what, key, at or ready) for key, at in messages.items() if key not in taken]
        return found

    def _ready(self, mapping: Any) -> float | None:
        """When what can be received is received."""
        if mapping.uuid in self._refused:
            return math.inf
        window, since = float(mapping.max_batch_window or 0), self._since.get(mapping.uuid)
        return None if since is None or not window else since + window

    def _work(self, mapping: Any, queue_url: str, batch: _Batch) -> None:
        try:
            self._process(mapping, queue_url, batch)
        except (ClientError, LambdaError) as error:
            # Told once: it would be told twenty times a second.
            if mapping.uuid not in self._refused:
                self._refused.add(mapping.uuid)
                _logger.warning("the mapping of %s to %s: %s", mapping.event_source_arn, mapping.function_arn, error)
        except Exception:
            if not self._stopped.is_set():
                _logger.exception("a batch of %s failed", mapping.event_source_arn)
        finally:
            with self._lock:
                self._busy[mapping.uuid] -= 1
                self._in_hand = {key: it for key, it in self._in_hand.items() if it is not batch}

    def _process(self, mapping: Any, queue_url: str, batch: _Batch) -> None:
        function, _ = look_up(self._cloud, mapping.function_arn)
        sqs = self._client(function.role)
        received: list[dict[str, Any]] = []
        while len(received) < mapping.batch_size:
            answer = sqs.receive_message(
                QueueUrl=queue_url,
                MaxNumberOfMessages=min(_RECEIVED_AT_ONCE, mapping.batch_size - len(received)),
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
                WaitTimeSeconds=0,
            )
            if not (messages := answer.get("Messages", ())):
                break
            received += messages
            batch.messages |= {message["MessageId"] for message in messages}
        self._refused.discard(mapping.uuid)
        records = [_record(message, mapping.event_source_arn, self._cloud.region) for message in received]
        kept = [record for record in records if _passes(mapping.filter_criteria, record)]
        done = {record["messageId"] for record in records} - {record["messageId"] for record in kept}
        if kept:
            outcome = self._functions.invoke(mapping.function_arn, json.dumps({"Records": kept}).encode())
            if not outcome.function_error:
                partial = "ReportBatchItemFailures" in (mapping.function_response_types or ())
                names = [record["messageId"] for record in kept]
                done |= set(processed(names, outcome.payload) if partial else names)
        for record in records:
            if record["messageId"] in done:
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=record["receiptHandle"])

    def _client(self, role: str) -> Any:
        with self._lock:
            if role not in self._clients:
                variables = self._cloud.credentials_for(role)
                self._clients[role] = boto3.client(
                    "sqs",
                    region_name=self._cloud.region,
                    endpoint_url=self._cloud.endpoint,
                    aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
                    aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
                    config=Config(retries={"total_max_attempts": 1}),
                )
            return self._clients[role]


def _free_at(queue: Any) -> dict[str, float | None]:
    """When each message of a queue can be received again, by `time.monotonic`; None if it can be now."""
    messages = tuple(queue._messages) if queue is not None else ()
    groups: dict[str, float] = {}
    if messages and queue.fifo_queue:  # what is received of a group holds back those behind it
        for it in messages:
            groups[it.group_id] = max(groups.get(it.group_id, 0.0), it.visible_at)
    now, elapsed = time.time(), time.monotonic()
    frees = {it.id: max(it.visible_at, it.delayed_until, groups.get(it.group_id, 0.0)) / 1000 - now for it in messages}
    return {key: elapsed + free if free > 0 else None for key, free in frees.items()}


def _of_queues(cloud: CloudContext) -> list[Any]:
    """The mappings of queues that are switched on."""
    mappings: dict[str, Any] = backend_of(cloud)._event_source_mappings
    return [it for it in tuple(mappings.values()) if it.enabled in (True, "true") and ":sqs:" in it.event_source_arn]


def _what(mapping: Any) -> str:
    queue, function = mapping.event_source_arn.rpartition(":")[2], parse_name(mapping.function_arn, None)[0]
    return f"message of queue {queue} for {function}"


def processed(message_ids: Sequence[str], answer: bytes) -> list[str]:
    """Which messages a function with ReportBatchItemFailures has processed.

    None in an answer that isn't understood: a missing identifier, one that wasn't in the batch, or no JSON. All if the
    answer is empty or names no failure.
    """
    try:
        said = json.loads(answer or b"null")
    except ValueError:
        return []
    if not said:
        return list(message_ids)
    failures = said.get("batchItemFailures") if isinstance(said, dict) else []
    if not failures:
        return list(message_ids)
    try:
        failed = {failure["itemIdentifier"] for failure in failures}
    except (KeyError, TypeError):
        return []
    return [name for name in message_ids if name not in failed] if failed <= set(message_ids) else []


def _passes(criteria: Mapping[str, Any] | None, record: Mapping[str, Any]) -> bool:
    seen = {**record}
    try:
        body = json.loads(record["body"])
        seen["body"] = body if isinstance(body, dict) else record["body"]
    except ValueError:
        pass
    return passes(criteria, seen)


def passes(criteria: Mapping[str, Any] | None, record: Mapping[str, Any]) -> bool:
    """Whether one of a mapping's filters, if it has any, lets the record through."""
    filters = (criteria or {}).get("Filters") or ()
    return not filters or any(pattern.matches(each["Pattern"], record) for each in filters)


def _record(message: Mapping[str, Any], queue_arn: str, region: str) -> dict[str, Any]:
    record: dict[str, Any] = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: {
                "stringValue": value.get("StringValue"),
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": value["DataType"],
            }
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record
