"""Event source mappings: queues emptied by functions, as roles that may, with failures coming back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localcloud.cloud import Cloud
from localcloud.functions.event_source_mappings import _passes, processed
from localcloud.identity import Identity

from .conftest import Deploy, Deployed, eventually

ORACLE = Path(__file__).parents[4] / "shared" / "oracles" / "esm-aws" / "sqs_filters.jsonl"
FILTERS = [json.loads(line) for line in ORACLE.read_text().splitlines()] if ORACLE.exists() else []


class Queue:
    """A queue, and what is left in it."""

    def __init__(self, cloud: Cloud) -> None:
        self.sqs = cloud.client("sqs")
        self.url = self.sqs.create_queue(QueueName=f"s-{uuid.uuid4().hex[:12]}", Attributes={"VisibilityTimeout": "1"})[
            "QueueUrl"
        ]
        self.arn = self._attributes()["QueueArn"]

    def _attributes(self) -> dict[str, str]:
        answer: dict[str, dict[str, str]] = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])
        return answer["Attributes"]

    def send(self, *bodies: Any) -> None:
        entries = [{"Id": str(n), "MessageBody": json.dumps(body)} for n, body in enumerate(bodies)]
        self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)

    def hide(self, seconds: int) -> None:
        """Let a message that was received come back so late: a cold start may take a busy machine seconds."""
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"VisibilityTimeout": str(seconds)})

    def left(self) -> int:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        attributes = self._attributes()  # both at once: a message may change sides between two calls
        return sum(int(attributes[name]) for name in names)


@pytest.fixture
def queue(cloud: Cloud) -> Iterator[Queue]:
    made = Queue(cloud)
    yield made
    made.sqs.delete_queue(QueueUrl=made.url)


def allow(function: Deployed, queue: Queue) -> None:
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": queue.arn}
    function.cloud.client("iam").put_role_policy(
        RoleName=function.name,
        PolicyName="queue",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


@pytest.fixture
def connect(cloud: Cloud, queue: Queue) -> Iterator[Any]:
    made: list[tuple[Deployed, str]] = []

    def make(function: Deployed, *, allowed: bool = True, **more: Any) -> None:
        if allowed:
            allow(function, queue)
        answer = cloud.client("lambda").create_event_source_mapping(
            FunctionName=function.name, EventSourceArn=queue.arn, **more
        )
        made.append((function, answer["UUID"]))

    yield make
    for function, identifier in made:
        cloud.client("lambda").delete_event_source_mapping(UUID=identifier)
        cloud.client("iam").delete_role_policy(RoleName=function.name, PolicyName="queue")


COUNTS = """
import json
def handler(event, context):
    print("batch", json.dumps([record["body"] for record in event["Records"]]))
"""


def batches(function: Deployed) -> list[list[Any]]:
    return [
        [json.loads(body) for body in json.loads(line.removeprefix("batch "))]
        for line in function.lines()
        if line.startswith("batch ")
    ]


def test_messages_are_delivered_in_batches_and_deleted(deploy: Deploy, queue: Queue, connect: Any) -> None:
    function = deploy(COUNTS)
    queue.hide(600)
    queue.send(*range(5))
    connect(function, BatchSize=3)
    eventually(lambda: queue.left() == 0)
    delivered = batches(function)
    assert sorted(body for batch in delivered for body in batch) == [0, 1, 2, 3, 4]
    assert max(len(batch) for batch in delivered) <= 3


def test_the_record_is_what_aws_documents(deploy: Deploy, queue: Queue, connect: Any) -> None:
    function = deploy("import json\ndef handler(event, context): print('event', json.dumps(event))")
    connect(function)
    queue.sqs.send_message(
        QueueUrl=queue.url, MessageBody="hi", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}}
    )
    eventually(lambda: queue.left() == 0)
    [line] = [line for line in function.lines() if line.startswith("event ")]
    [record] = json.loads(line.removeprefix("event "))["Records"]
    assert record["body"] == "hi"
    assert record["messageAttributes"]["a"]["stringValue"] == "b"
    assert (record["eventSource"], record["eventSourceARN"]) == ("aws:sqs", queue.arn)
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(record["attributes"])


def test_a_batch_that_fails_comes_back(deploy: Deploy, queue: Queue, connect: Any) -> None:
    function = deploy(
        """
def handler(event, context):
    if event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1":
        raise ValueError("first time")
"""
    )
    connect(function)
    queue.send("once more")
    eventually(lambda: queue.left() == 0)
    assert (function.counted("Invocations"), function.counted("Errors")) == (2, 1)


def test_only_the_messages_that_failed_come_back(deploy: Deploy, queue: Queue, connect: Any) -> None:
    function = deploy(
        """
import json
def handler(event, context):
    print("batch", json.dumps([record["body"] for record in event["Records"]]))
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]
            if record["body"] == '"bad"' and record["attributes"]["ApproximateReceiveCount"] == "1"]}
"""
    )
    queue.send("good", "bad", "fine")
    connect(function, FunctionResponseTypes=["ReportBatchItemFailures"])
    eventually(lambda: queue.left() == 0)
    assert sorted(body for batch in batches(function) for body in batch) == ["bad", "bad", "fine", "good"]


def test_a_role_that_may_not_read_the_queue_gets_nothing(
    cloud: Cloud, deploy: Deploy, queue: Queue, connect: Any
) -> None:
    function = deploy(COUNTS)
    queue.send("waiting")
    connect(function, allowed=False)
    eventually(lambda: any(not call.allowed for call in cloud.emulator(Identity).calls(function.role)))
    assert queue.left() == 1
    allow(function, queue)
    eventually(lambda: queue.left() == 0)
    assert batches(function) == [["waiting"]]


def test_sending_does_not_wait_for_the_function(deploy: Deploy, queue: Queue, connect: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    function = deploy(
        f"""
import pathlib, time
def handler(event, context):
    while not pathlib.Path({str(gate)!r}).exists():
        time.sleep(0.01)
""",
        Timeout=60,
    )
    connect(function)
    queue.send("a")
    gate.touch()
    eventually(lambda: queue.left() == 0)


@pytest.mark.skipif(not FILTERS, reason="the oracle isn't on this machine")
@pytest.mark.parametrize("case", FILTERS, ids=lambda case: case["name"])
def test_filters_pass_and_drop_what_aws_passes_and_drops(case: dict[str, Any]) -> None:
    criteria = {"Filters": [{"Pattern": json.dumps(case["filter_pattern"])}]}

    def record(body: Any) -> dict[str, Any]:
        return {"messageId": "1", "body": body if isinstance(body, str) else json.dumps(body)}

    assert _passes(criteria, record(case["body_matching"]))
    assert not _passes(criteria, record(case["body_not_matching"]))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", ["1", "2"]),
        (b"null", ["1", "2"]),
        (b"{}", ["1", "2"]),
        (b'{"batchItemFailures": []}', ["1", "2"]),
        (b'{"batchItemFailures": null}', ["1", "2"]),
        (b'{"batchItemFailures": [{"itemIdentifier": "2"}]}', ["1"]),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', []),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', []),
        (b'{"batchItemFailures": [{"foo": "2"}]}', []),
        (b'{"batchItemFailures": [{"itemIdentifier": "other"}]}', []),
        (b"{nope", []),
    ],
)
def test_an_answer_says_which_messages_are_done(answer: bytes, expected: list[str]) -> None:
    assert processed(["1", "2"], answer) == expected
