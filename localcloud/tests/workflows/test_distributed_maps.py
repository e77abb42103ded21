"""A distributed map reads its items from S3, fails with the first of them, counts them, and needs AWS's permissions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.containers.conftest import eventually
from tests.workflows.conftest import TRUST, Machines

BUCKET = "distributed-maps"


@pytest.fixture(scope="module")
def bucket(machines: Machines) -> str:
    """A bucket with three items, one of which is bad, and what is no list."""
    s3 = machines.cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for key, value in {
        "good.json": [1, 2, 3],
        "bad.json": [1, -2, 3],
        "none.json": [],
        "object.json": {"a": 1},
    }.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(value).encode())
    return BUCKET


def states(processor: dict[str, Any], **others: Any) -> dict[str, Any]:
    """A distributed map over the items of the object that the input names."""
    each: dict[str, Any] = {
        "Type": "Map",
        "Label": "items",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Arguments": {"Bucket": BUCKET, "Key": "{% $states.input.key %}"},
        },
        "ItemSelector": {
            "item": "{% $states.context.Map.Item.Value %}",
            "index": "{% $states.context.Map.Item.Index %}",
            "of": "{% $states.input.key %}",
            "by": "{% $states.context.Execution.Name %}",
        },
        "MaxConcurrency": "{% 2 %}",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": next(iter(processor)),
            "States": processor,
        },
        "End": True,
    }
    return {"Each": each | others}


ECHO = {"Echo": {"Type": "Pass", "Output": "{% $states.input %}", "End": True}}
NEGATIVES_FAIL = {
    "Judge": {
        "Type": "Choice",
        "Choices": [{"Condition": "{% $states.input.item < 0 %}", "Next": "Fail"}],
        "Default": "Done",
    },
    "Fail": {"Type": "Fail", "Error": "Negative", "Cause": "less than nothing"},
    "Done": {"Type": "Pass", "Output": "{% $states.input.item %}", "End": True},
}


def test_each_item_of_an_object_in_s3_is_selected_and_the_results_are_in_their_order(
    machines: Machines, bucket: str
) -> None:
    machine = machines.create(states(ECHO))
    ended = machines.ended(machines.start(machine, {"key": "good.json"}, name="over-good"))
    assert json.loads(ended["output"]) == [
        {"item": item, "index": item - 1, "of": "good.json", "by": "over-good"} for item in (1, 2, 3)
    ]
    assert json.loads(machines.run(states(ECHO), {"key": "none.json"})["output"]) == []


def test_a_child_sees_no_variable_of_the_machine_but_what_was_selected(machines: Machines, bucket: str) -> None:
    keep = {"Keep": {"Type": "Pass", "Assign": {"outer": "a"}, "Output": "{% $states.input %}", "Next": "Each"}}
    seen = {"See": {"Type": "Pass", "Output": "{% $exists($outer) ? 'seen' : $states.input %}", "End": True}}
    ended = machines.run(keep | states(seen, ItemSelector={"x": "{% $outer %}"}), {"key": "good.json"})
    assert json.loads(ended["output"]) == [{"x": "a"}] * 3


def test_an_item_that_fails_fails_the_map_which_can_catch_that(machines: Machines, bucket: str) -> None:
    ended = machines.run(states(NEGATIVES_FAIL), {"key": "bad.json"})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    caught = {"Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Caught"}]}
    after = states(NEGATIVES_FAIL, **caught) | {"Caught": {"Type": "Pass", "End": True}}
    caught_error = json.loads(machines.run(after, {"key": "bad.json"})["output"])["Error"]
    assert caught_error == "States.ExceedToleratedFailureThreshold"
    assert machines.run(states(NEGATIVES_FAIL, ToleratedFailureCount=1), {"key": "bad.json"})["status"] == "SUCCEEDED"


def test_items_that_can_not_be_read_fail_the_map(machines: Machines, bucket: str) -> None:
    for key in ("missing.json", "object.json"):
        ended = machines.run(states(ECHO), {"key": key})
        assert (ended["status"], ended["error"]) == ("FAILED", "States.ItemReaderFailed"), key


def test_a_map_run_counts_its_items_while_it_runs_and_afterwards(machines: Machines, bucket: str) -> None:
    waits = {
        "Judge": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input.item = 3 %}", "Next": "Wait"}],
            "Default": "Done",
        },
        "Wait": {"Type": "Wait", "Seconds": 600, "Next": "Done"},
        "Done": {"Type": "Pass", "End": True},
    }
    steps = machines.client
    execution = machines.start(machines.create(states(waits)), {"key": "good.json"})
    (run,) = eventually(lambda: steps.list_map_runs(executionArn=execution)["mapRuns"])
    assert run["executionArn"] == execution

    def counts() -> dict[str, int]:
        told: dict[str, int] = steps.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
        return {name: told[name] for name in ("total", "succeeded", "running", "pending", "failed")}

    assert eventually(lambda: counts()["succeeded"] == 2 and counts()["running"] == 1)
    assert counts() == {"total": 3, "succeeded": 2, "running": 1, "pending": 0, "failed": 0}
    steps.stop_execution(executionArn=execution)
    assert machines.ended(execution)["status"] == "ABORTED"
    assert eventually(lambda: steps.describe_map_run(mapRunArn=run["mapRunArn"])["status"] == "ABORTED")


def test_the_machines_role_must_be_allowed_to_start_executions_and_read_items(machines: Machines, bucket: str) -> None:
    iam = machines.cloud.client("iam")
    arn = iam.create_role(RoleName="maps", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    machine = machines.create(states(ECHO), role=arn)

    def run(*statements: tuple[str, str]) -> dict[str, Any]:
        allowed = [{"Effect": "Allow", "Action": action, "Resource": on} for action, on in statements]
        policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        iam.put_role_policy(RoleName="maps", PolicyName="all", PolicyDocument=policy)
        return machines.ended(machines.start(machine, {"key": "good.json"}))

    read, start = ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*"), ("states:StartExecution", machine)
    assert run(read, start)["status"] == "SUCCEEDED"
    refused = run(read)
    assert (refused["status"], "states:StartExecution" in refused["cause"]) == ("FAILED", True)
    unread = run(start)
    assert (unread["error"], "s3:GetObject" in unread["cause"]) == ("States.ItemReaderFailed", True)
