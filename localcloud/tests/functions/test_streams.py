"""Event source mappings of a table's stream: filters, batches, partial answers, destinations, as on AWS."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud
from localcloud.identity import Identity

from .conftest import Deploy, Deployed, eventually

ORACLES = Path(__file__).parents[4] / "shared" / "oracles" / "esm-aws"
COLLECT = """
import json, os, time
def handler(event, context):
    print("GOT", time.time_ns(), json.dumps(event["Records"]))
    numbers = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
    return eval(os.environ["ANSWER"], {"numbers": numbers})
"""


def rows(name: str) -> list[dict[str, Any]]:
    path = ORACLES / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Stream:
    """A table with a stream, a function that its records go to, and the events that the function was given."""

    def __init__(self, cloud: Cloud, deploy: Deploy) -> None:
        self.cloud, self.name = cloud, f"stream-{uuid.uuid4().hex[:10]}"
        self._deploy = deploy
        self.table = cloud.client("dynamodb")
        described = self.table.create_table(
            TableName=self.name, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )  # fmt: skip
        self.arn = described["TableDescription"]["LatestStreamArn"]
        self.sqs = cloud.client("sqs")
        self.failed = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.mapping = ""
        self.function: Deployed | None = None

    def connect(self, *, answer: str = "None", allowed: bool = True, **more: Any) -> None:
        self.function = self._deploy(COLLECT, Environment={"Variables": {"ANSWER": answer}})
        statement = {
            "Effect": "Allow",
            "Action": "dynamodb:GetRecords",
            "Resource": self.arn if allowed else f"{self.arn}-of-another",
        }
        self.cloud.client("iam").put_role_policy(
            RoleName=self.function.name, PolicyName="stream",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )  # fmt: skip
        self.mapping = self.cloud.client("lambda").create_event_source_mapping(
            FunctionName=self.function.name, EventSourceArn=self.arn, StartingPosition="TRIM_HORIZON", **more
        )["UUID"]

    def put(self, *items: dict[str, Any]) -> None:
        for item in items:
            self.table.put_item(TableName=self.name, Item=item)

    def received(self) -> list[list[dict[str, Any]]]:
        """The records of each event so far, by the function's log."""
        assert self.function is not None
        try:
            lines = self.function.lines()
        except ClientError:
            return []  # it hasn't run yet, so it has no log
        got = sorted(line.split(" ", 2)[1:] for line in lines if line.startswith("GOT "))
        return [json.loads(records) for _, records in got]

    def ids(self) -> list[list[str]]:
        """The keys of each event so far."""
        return [[record["dynamodb"]["Keys"]["id"]["S"] for record in event] for event in self.received()]

    def given_up(self) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(QueueUrl=self.failed, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in answer.get("Messages", ())]

    @property
    def on_failure(self) -> dict[str, Any]:
        arn = f"arn:aws:sqs:{self.cloud.region}:{self.cloud.account_id}:{self.name}"
        return {"OnFailure": {"Destination": arn}}


@pytest.fixture
def stream(cloud: Cloud, deploy: Deploy) -> Iterator[Stream]:
    made = Stream(cloud, deploy)
    yield made
    if made.mapping:
        cloud.client("lambda").delete_event_source_mapping(UUID=made.mapping)
    if made.function is not None:
        cloud.client("iam").delete_role_policy(RoleName=made.function.name, PolicyName="stream")
    made.table.delete_table(TableName=made.name)


def items(count: int) -> list[dict[str, Any]]:
    return [{"id": {"S": f"i{number}"}} for number in range(count)]


def test_a_batch_holds_what_is_there_in_order(stream: Stream) -> None:
    stream.put(*items(5))
    stream.connect(BatchSize=3)
    eventually(lambda: sum(map(len, stream.ids())) == 5)
    assert stream.ids() == [["i0", "i1", "i2"], ["i3", "i4"]]
    (first, *_), *_ = stream.received()
    assert (first["eventSourceARN"], first["eventName"]) == (stream.arn, "INSERT")
    assert isinstance(first["dynamodb"]["ApproximateCreationDateTime"], float)


@pytest.mark.parametrize("row", rows("dynamodb_filters.jsonl"), ids=lambda row: row["name"])
def test_filters_let_through_what_was_recorded_on_aws(stream: Stream, row: dict[str, Any]) -> None:
    # The stream keeps its order: when the last record has come, every other that was wanted has.
    last = {"dynamodb": {"Keys": {"id": {"S": ["last"]}}}}
    filters = [{"Pattern": json.dumps(pattern)} for pattern in (row["filter_pattern"], last)]
    stream.connect(BatchSize=1, FilterCriteria={"Filters": filters})
    stream.put(row["put1"], row["put2"], {"id": {"S": "last"}})
    eventually(lambda: ["last"] in stream.ids())
    assert len([event for event in stream.ids() if event != ["last"]]) == row["lambda_calls"]


INVALID = [row for row in rows("partial_batch_and_invalid.jsonl") if "filter" in row["param"]]


@pytest.mark.parametrize("pattern", [row["value"][0] for row in INVALID] or ["simple string", "{}"], ids=str)
def test_a_malformed_filter_is_refused(stream: Stream, pattern: Any) -> None:
    text = pattern if isinstance(pattern, str) else json.dumps(pattern)
    with pytest.raises(ClientError) as refusal:
        stream.connect(FilterCriteria={"Filters": [{"Pattern": text}]})
    error = refusal.value.response["Error"]
    assert (error["Code"], error["Message"]) == (
        "InvalidParameterValueException",
        "Invalid filter pattern definition.",
    )


def test_a_partial_answer_comes_again_from_the_record_that_failed(stream: Stream) -> None:
    stream.put(*items(4))
    answer = "{'batchItemFailures': [{'itemIdentifier': numbers[1]}] if len(numbers) > 1 else []}"
    stream.connect(answer=answer, FunctionResponseTypes=["ReportBatchItemFailures"])
    eventually(lambda: ["i3"] in stream.ids())
    assert stream.ids() == [["i0", "i1", "i2", "i3"], ["i1", "i2", "i3"], ["i2", "i3"], ["i3"]]


PARTIAL = [row for row in rows("partial_batch_and_invalid.jsonl") if row["param"] == "set_lambda_response"]


@pytest.mark.parametrize("row", PARTIAL, ids=lambda row: str(row["value"][0]))
def test_answers_count_as_they_did_on_aws(stream: Stream, row: dict[str, Any]) -> None:
    given = row["value"][0]
    answer = "(lambda: 1 / 0)()" if isinstance(given, str) else repr(given)
    stream.put(*items(1))
    stream.connect(
        answer=answer, FunctionResponseTypes=["ReportBatchItemFailures"], MaximumRetryAttempts=1,
        DestinationConfig=stream.on_failure,
    )  # fmt: skip
    if "success" in row["test"]:
        eventually(lambda: stream.ids() == [["i0"]])
        stream.put({"id": {"S": "next"}})
        eventually(lambda: ["next"] in stream.ids())
        assert stream.ids() == [["i0"], ["next"]]
        assert not stream.given_up()
    else:
        eventually(lambda: bool(stream.given_up()))
        (record,) = stream.given_up()
        assert stream.ids() == [["i0"], ["i0"]]
        assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
        assert record["requestContext"]["approximateInvokeCount"] == 2
        assert record["DDBStreamBatchInfo"]["batchSize"] == 1


def test_a_batch_that_fails_is_halved_until_its_parts_succeed(stream: Stream) -> None:
    stream.put(*items(4))
    stream.connect(answer="1 / 0 if len(numbers) > 1 else None", BisectBatchOnFunctionError=True)
    eventually(lambda: ["i3"] in stream.ids())
    halves = [["i0", "i1"], ["i0"], ["i1"], ["i2", "i3"], ["i2"], ["i3"]]
    assert stream.ids() == [["i0", "i1", "i2", "i3"], *halves]


def test_a_role_that_may_not_read_the_stream_gets_nothing(stream: Stream) -> None:
    stream.put(*items(1))
    stream.connect(allowed=False)
    assert stream.function is not None
    role = stream.cloud.client("iam").get_role(RoleName=stream.function.name)["Role"]["Arn"]

    def was_refused() -> bool:
        calls = stream.cloud.emulator(Identity).calls(role)
        return any(call.action == "dynamodb:GetRecords" and not call.allowed for call in calls)

    eventually(was_refused)
    assert not stream.ids()
