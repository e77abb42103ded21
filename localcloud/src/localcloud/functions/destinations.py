"""Where the outcome of an asynchronous invocation goes.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html and, for the record's form,
answers recorded on AWS.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.context import CloudContext
from localcloud.functions.types import Function, Invocation, Outcome

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How an asynchronous invocation ended."""

    condition: str
    """``Success``, ``RetriesExhausted``, ``EventAgeExceeded`` or ``ZeroReservedConcurrency``."""
    invocation: Invocation
    attempts: int
    outcome: Outcome | None = None


class Destinations:
    """Sends records to queues, topics, functions and event buses, and failed events to dead-letter queues."""

    def __init__(self, cloud: CloudContext, count: Callable[[str, str], None]) -> None:
        self._cloud = cloud
        self._count = count

    def send(self, function: Function, targets: Mapping[str, str], ending: Ending) -> None:
        """Tell the destination for this ending, if there is one, and the dead-letter queue of a failure."""
        succeeded = ending.condition == "Success"
        if target := targets.get("OnSuccess" if succeeded else "OnFailure"):
            try:
                self._deliver(target, destination_record(function, ending))
            except Exception:
                self._count(function.name, "DestinationDeliveryFailures")
                _logger.exception("the destination %s of %s took no record", target, function.name)
        if function.dead_letter_arn and not succeeded:
            try:
                self._bury(function.dead_letter_arn, ending)
            except Exception:
                self._count(function.name, "DeadLetterErrors")
                _logger.exception(
                    "the dead-letter queue %s of %s took no event", function.dead_letter_arn, function.name
                )

    def _deliver(self, target: str, record: dict[str, Any]) -> None:
        body = json.dumps(record)
        client = self._cloud.client
        match target.split(":")[2]:
            case "sqs":
                client("sqs").send_message(QueueUrl=self._queue_url(target), MessageBody=body)
            case "sns":
                client("sns").publish(TopicArn=target, Message=body)
            case "lambda":
                client("lambda").invoke(FunctionName=target, InvocationType="Event", Payload=body.encode())
            case "events":
                kind = "Success" if record["requestContext"]["condition"] == "Success" else "Failure"
                entry = {
                    "Source": "lambda",
                    "DetailType": f"Lambda Function Invocation Result - {kind}",
                    "Detail": body,
                    "Resources": [target, record["requestContext"]["functionArn"]],
                    "EventBusName": target,
                }
                client("events").put_events(Entries=[entry])
            case service:
                raise ValueError(f"no destination in {service}: {target}")

    def _bury(self, target: str, ending: Ending) -> None:
        """The event itself, with the reason in attributes, cut to 1 KB as Lambda does."""
        outcome = ending.outcome
        message = str((outcome.json() or {}).get("errorMessage", "")) if outcome else ending.condition
        attributes = {
            "RequestID": {"DataType": "String", "StringValue": ending.invocation.request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200" if outcome else "429"},
            "ErrorMessage": {"DataType": "String", "StringValue": message[:1024] or "Unknown"},
        }
        body = ending.invocation.payload.decode()
        if target.split(":")[2] == "sqs":
            self._cloud.client("sqs").send_message(
                QueueUrl=self._queue_url(target), MessageBody=body, MessageAttributes=attributes
            )
        else:
            self._cloud.client("sns").publish(TopicArn=target, Message=body, MessageAttributes=attributes)

    def _queue_url(self, arn: str) -> str:
        url: str = self._cloud.client("sqs").get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        return url


def destination_record(function: Function, ending: Ending) -> dict[str, Any]:
    """The record that a destination gets."""
    invocation, outcome = ending.invocation, ending.outcome
    qualified = invocation.invoked_arn
    if qualified == function.arn:
        qualified += ":$LATEST"
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": invocation.request_id,
            "functionArn": qualified,
            "condition": ending.condition,
            "approximateInvokeCount": ending.attempts,
        },
        "requestPayload": json.loads(invocation.payload or b"{}"),
    }
    if outcome is not None:
        record["responseContext"] = {"statusCode": 200, "executedVersion": outcome.executed_version}
        if outcome.function_error:
            record["responseContext"]["functionError"] = outcome.function_error
        record["responsePayload"] = outcome.json()
    return record
