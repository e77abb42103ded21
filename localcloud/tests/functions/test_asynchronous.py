"""Event invocations: retried, given up, and told to whoever asked to know."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from localcloud.cloud import Cloud

from .conftest import Deploy

FAILS = "def handler(event, context):\n    print('attempt')\n    raise ValueError('on purpose')"
WORKS = "def handler(event, context): return {'got': event}"


class Queue:
    """An SQS queue to look into."""

    def __init__(self, cloud: Cloud) -> None:
        self._sqs = cloud.client("sqs")
        self.url = self._sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:12]}")["QueueUrl"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn: str = answer["Attributes"]["QueueArn"]

    def next(self) -> dict[str, Any]:
        for _ in range(20):
            answer = self._sqs.receive_message(QueueUrl=self.url, WaitTimeSeconds=1, MessageAttributeNames=["All"])
            for message in answer.get("Messages", ()):
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                result: dict[str, Any] = message
                return result
        raise AssertionError("nothing came")

    def delete(self) -> None:
        self._sqs.delete_queue(QueueUrl=self.url)


@pytest.fixture
def queue(cloud: Cloud) -> Iterator[Queue]:
    made = Queue(cloud)
    yield made
    made.delete()


def configure(cloud: Cloud, name: str, queue: Queue, **more: Any) -> None:
    target = {"Destination": queue.arn}
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": target, "OnFailure": target}, **more
    )


def test_success_is_told_in_the_record_that_aws_documents(cloud: Cloud, deploy: Deploy, queue: Queue) -> None:
    function = deploy(WORKS)
    configure(cloud, function.name, queue)
    answer = function({"a": 1}, InvocationType="Event")
    assert (answer.status, answer.payload) == (202, None)
    record = json.loads(queue.next()["Body"])
    assert record.pop("timestamp").endswith("Z")
    request_id = record["requestContext"].pop("requestId")
    assert uuid.UUID(request_id)
    assert record == {
        "version": "1.0",
        "requestContext": {
            "functionArn": f"{function.arn}:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"a": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"got": {"a": 1}},
    }


def test_failure_is_told_after_two_retries(cloud: Cloud, deploy: Deploy, queue: Queue) -> None:
    function = deploy(FAILS)
    configure(cloud, function.name, queue)
    function({}, InvocationType="Event")
    record = json.loads(queue.next()["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorMessage"] == "on purpose"
    assert function.lines().count("attempt") == 3
    assert (function.counted("Invocations"), function.counted("Errors")) == (3, 3)
    assert function.counted("AsyncEventsDropped") == 1


def test_retries_can_be_switched_off(cloud: Cloud, deploy: Deploy, queue: Queue) -> None:
    function = deploy(FAILS)
    configure(cloud, function.name, queue, MaximumRetryAttempts=0)
    function({}, InvocationType="Event")
    assert json.loads(queue.next()["Body"])["requestContext"]["approximateInvokeCount"] == 1


def test_an_event_too_old_for_the_next_attempt_is_given_up(cloud: Cloud, deploy: Deploy, queue: Queue) -> None:
    # AWS waits a minute before the second attempt: with a maximum age of a minute there is none.
    function = deploy(FAILS)
    configure(cloud, function.name, queue, MaximumEventAgeInSeconds=60)
    function({}, InvocationType="Event")
    context = json.loads(queue.next()["Body"])["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 1)


def test_a_function_without_concurrency_gets_no_event(cloud: Cloud, deploy: Deploy, queue: Queue) -> None:
    function = deploy(WORKS)
    configure(cloud, function.name, queue)
    cloud.client("lambda").put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    function({}, InvocationType="Event")
    record = json.loads(queue.next()["Body"])
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert "responseContext" not in record


def test_a_dead_letter_queue_gets_the_event_itself(cloud: Cloud, deploy: Deploy, queue: Queue) -> None:
    function = deploy(FAILS, DeadLetterConfig={"TargetArn": queue.arn})
    described = cloud.client("lambda").get_function_configuration(FunctionName=function.name)
    assert described["DeadLetterConfig"] == {"TargetArn": queue.arn}
    function({"raise_error": 1}, InvocationType="Event")
    message = queue.next()
    assert json.loads(message["Body"]) == {"raise_error": 1}
    attributes = message["MessageAttributes"]
    assert attributes["ErrorCode"] == {"StringValue": "200", "DataType": "Number"}
    assert attributes["ErrorMessage"] == {"StringValue": "on purpose", "DataType": "String"}
    assert uuid.UUID(attributes["RequestID"]["StringValue"])


def test_a_function_can_be_the_destination_of_another(cloud: Cloud, deploy: Deploy, queue: Queue) -> None:
    second = deploy("def handler(event, context): return event['responsePayload']")
    configure(cloud, second.name, queue)
    first = deploy(WORKS)
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=first.name, DestinationConfig={"OnSuccess": {"Destination": second.arn}}
    )
    first("hello", InvocationType="Event")
    assert json.loads(queue.next()["Body"])["responsePayload"] == {"got": "hello"}


def test_a_later_configuration_replaces_the_earlier(cloud: Cloud, deploy: Deploy, queue: Queue) -> None:
    function = deploy(WORKS)
    client = cloud.client("lambda")
    configure(cloud, function.name, queue, MaximumRetryAttempts=0)
    client.update_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=1)
    described = client.get_function_event_invoke_config(FunctionName=function.name)
    assert described["MaximumRetryAttempts"] == 1
    assert described["DestinationConfig"]["OnFailure"] == {"Destination": queue.arn}
