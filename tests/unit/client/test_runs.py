"""Training runs are the machine's executions: started by name, listed the newest first, watched to their end."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from moto.stepfunctions.models import stepfunctions_backends

from headwater.client import Stack
from headwater.client.errors import RunEnded, RunFailed, RunNotFound, TookTooLong
from headwater.storage.environment import CLIENTS

MACHINE = {"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}


@pytest.fixture
def machine(stack: Stack) -> Any:
    CLIENTS("stepfunctions").create_state_machine(
        name="headwater-dev-training", definition=json.dumps(MACHINE), roleArn="arn:aws:iam::123456789012:role/any"
    )
    CLIENTS("ecs").create_cluster(clusterName="headwater-dev")
    CLIENTS("s3").create_bucket(Bucket="artifacts")
    CLIENTS("s3").put_bucket_versioning(Bucket="artifacts", VersioningConfiguration={"Status": "Enabled"})
    (made,) = stepfunctions_backends["123456789012"]["us-east-1"].state_machines
    return made


def end(machine: Any, run_id: str, status: str, **more: Any) -> None:
    (run,) = (run for run in machine.executions if run.name == run_id)
    run.status = status
    for name, value in more.items():
        setattr(run, name, value)


def test_a_run_carries_its_model_and_why_it_was_started(stack: Stack, machine: Any) -> None:
    run = stack.train("delays", reason="a test")
    assert (run.model, run.reason, run.status, run.is_finished) == ("delays", "a test", "RUNNING", False)
    assert run.id.startswith("delays-")
    assert run.started_by is not None
    assert (run.started_by.how, bool(run.started_by.person)) == ("script", True)


def test_a_run_that_nobody_tells_of_has_no_start(stack: Stack, machine: Any) -> None:
    CLIENTS("stepfunctions").start_execution(stateMachineArn=machine.arn, name="by-hand", input='{"model": "delays"}')
    assert stack.runs.get("by-hand").started_by is None


def test_runs_of_one_model_are_listed(stack: Stack, machine: Any) -> None:
    first, second = stack.train("delays"), stack.train("prices")
    assert {run.id for run in stack.runs.list()} == {first.id, second.id}
    assert [run.id for run in stack.runs.list("prices")] == [second.id]
    assert len(stack.runs.list(limit=1)) == 1


def test_watching_answers_with_the_version_that_the_run_made(stack: Stack, machine: Any) -> None:
    run = stack.train("delays")
    output = json.dumps({"registered": {"version": 3, "status": "REJECTED"}})
    end(machine, run.id, "SUCCEEDED", output=output)
    ended = stack.runs.watch(run.id, timeout=5)
    assert (ended.version, ended.rejected) == (3, True)


def test_a_failed_run_says_why_in_one_line(stack: Stack, machine: Any) -> None:
    run = stack.train("delays")
    cause = json.dumps({"errorMessage": "no data for source 'flights'", "errorType": "NoData"})
    end(machine, run.id, "FAILED", error="NoData", cause=cause)
    with pytest.raises(RunFailed, match=r"of delays failed: NoData: no data for source 'flights'$"):
        stack.runs.watch(run.id, timeout=5)


def test_a_container_that_failed_tells_its_exit_code(stack: Stack, machine: Any) -> None:
    run = stack.train("delays")
    cause = json.dumps({"Containers": [{"Name": "training", "ExitCode": 137, "Reason": "OutOfMemory"}]})
    end(machine, run.id, "FAILED", error="States.TaskFailed", cause=cause)
    with pytest.raises(RunFailed, match="container training exited with code 137: OutOfMemory"):
        stack.runs.watch(run.id, timeout=5)


def test_a_container_that_left_its_reason_is_quoted(stack: Stack, machine: Any) -> None:
    run = stack.train("delays")
    failure = json.dumps({"error": "InvalidExamples", "message": "no row has a label"})
    CLIENTS("s3").put_object(Bucket="artifacts", Key=f"runs/delays/{run.id}/failure.json", Body=failure)
    cause = json.dumps({"Containers": [{"Name": "training", "ExitCode": 1}]})
    end(machine, run.id, "FAILED", error="States.TaskFailed", cause=cause)
    with pytest.raises(RunFailed, match="failed: InvalidExamples: no row has a label"):
        stack.runs.watch(run.id, timeout=5)


def test_a_run_that_does_not_exist_is_not_found(stack: Stack, machine: Any) -> None:
    with pytest.raises(RunNotFound, match="no run 'other'"):
        stack.runs.get("other")


def test_watching_gives_up_in_time(stack: Stack, machine: Any) -> None:
    run = stack.train("delays")
    with pytest.raises(TookTooLong, match=f"run {run.id}: nothing came of it within"):
        stack.runs.watch(run.id, timeout=0.3)


def test_a_stopped_run_says_who_stopped_it_and_leaves_a_record(stack: Stack, machine: Any) -> None:
    run = stack.train("delays")
    stopped = stack.runs.stop(run.id, why="too  costly")
    assert (stopped.status, stopped.is_finished) == ("ABORTED", True)
    assert re.fullmatch(r"Stopped: stopped by .+: too costly", stopped.cause)
    body = CLIENTS("s3").get_object(Bucket="artifacts", Key=f"runs/delays/{run.id}/stopped.json")["Body"].read()
    assert json.loads(body)["why"] == "too costly"
    with pytest.raises(RunFailed, match="of delays aborted: Stopped: stopped by"):
        stack.runs.watch(run.id, timeout=5)


def test_a_run_that_is_over_or_unknown_is_not_stopped(stack: Stack, machine: Any) -> None:
    run = stack.train("delays")
    end(machine, run.id, "SUCCEEDED", output="{}", stop_date="2026-11-01T00:00:00.000Z")
    with pytest.raises(RunEnded, match=r"is over since .* UTC \(succeeded\): there is nothing to stop"):
        stack.runs.stop(run.id)
    with pytest.raises(RunNotFound):
        stack.runs.stop("none")
