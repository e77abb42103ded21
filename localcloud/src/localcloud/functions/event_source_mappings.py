"""Event source mappings of SQS queues: poll, filter, invoke, delete what was processed.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html and services-sqs-errorhandling.html.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.context import CloudContext
from localcloud.events import pattern
from localcloud.functions.configuration import backend_of, look_up
from localcloud.functions.polling import Invoker, Poller
from localcloud.functions.types import LambdaError
from localcloud.long_poll import queue_of

_CONCURRENT_BATCHES = 5  # what Lambda begins with for a standard queue
_RECEIVED_AT_ONCE = 10

_logger = logging.getLogger(__name__)


class EventSourceMappings(Poller):
    """Polls for each enabled mapping, as its function's role: a role that may not read the queue gets nothing."""

    def __init__(self, cloud: CloudContext, functions: Invoker) -> None:
        super().__init__(cloud, functions, thread="lambda-sources")
        self._lock = threading.Lock()
        self._busy: Counter[str] = Counter()
        self._clients: dict[str, Any] = {}

    def close(self) -> None:
        """Stop; what was received and not processed becomes visible again."""
        super().close()
        for client in self._clients.values():
            client.close()

    def look(self) -> None:
        """Begin the batches of queues that are due."""
        mappings: dict[str, Any] = backend_of(self._cloud)._event_source_mappings
        for mapping in tuple(mappings.values()):
            if mapping.enabled in (True, "true") and ":sqs:" in mapping.event_source_arn:
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
        self._since.pop(mapping.uuid, None)
        url = f"{self._cloud.endpoint}/{self._cloud.account_id}/{queue.name}"
        threading.Thread(target=self._work, args=(mapping, url), name="lambda-batch", daemon=True).start()

    def _work(self, mapping: Any, queue_url: str) -> None:
        try:
            self._batch(mapping, queue_url)
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

    def _batch(self, mapping: Any, queue_url: str) -> None:
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
