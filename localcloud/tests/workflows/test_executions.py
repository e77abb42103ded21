"""Executions end, fail, are refused, counted and announced as AWS does it."""

from __future__ import annotations

import json
import uuid
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.containers.conftest import eventually
from tests.workflows.conftest import Machines

WAIT = {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}
PASS = {"Pass": {"Type": "Pass", "End": True}}
AWKWARD = 'a "quoted" \\ back\nslash {"json": [1, null]} ü'


def test_a_string_keeps_its_quotes_and_line_ends_in_a_variable(machines: Machines) -> None:
    states = {
        "Keep": {"Type": "Pass", "Assign": {"text": "{% $states.input.text %}"}, "Next": "Show"},
        "Show": {"Type": "Pass", "Output": {"text": "{% $text %}", "length": "{% $length($text) %}"}, "End": True},
    }
    ended = machines.run(states, {"text": AWKWARD})
    assert json.loads(ended["output"]) == {"text": AWKWARD, "length": len(AWKWARD)}


def test_the_functions_that_step_functions_adds_to_jsonata_are_there(machines: Machines) -> None:
    output = {
        "hash": "{% $hash('abc', 'SHA-256') %}",
        "parts": "{% $partition([1,2,3], 2) %}",
        "range": "{% $range(1, 5, 2) %}",
        "parsed": "{% $parse('{\"a\":1}') %}",
        "uuid": "{% $length($uuid()) %}",
    }
    value = json.loads(machines.run({"P": {"Type": "Pass", "Output": output, "End": True}})["output"])
    assert value["hash"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (value["parts"], value["range"], value["parsed"], value["uuid"]) == ([[1, 2], [3]], [1, 3, 5], {"a": 1}, 36)


def test_the_context_knows_the_executions_name_and_start(machines: Machines) -> None:
    machine = machines.create({"P": {"Type": "Pass", "Output": "{% $states.context.Execution %}", "End": True}})
    context = json.loads(machines.ended(machines.start(machine, name="run-7"))["output"])
    assert context["Name"] == "run-7"
    assert context["Id"].endswith(":run-7")
    assert context["StartTime"].endswith("Z")


def test_an_execution_without_a_name_gets_one(machines: Machines) -> None:
    execution = machines.start(machines.create(PASS))
    assert uuid.UUID(execution.rpartition(":")[2])


def test_an_undefined_value_fails_as_a_query(machines: Machines) -> None:
    ended = machines.run({"P": {"Type": "Pass", "Output": "{% $states.input.nothing %}", "End": True}})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.QueryEvaluationError")


def test_the_same_name_with_the_same_input_is_the_same_execution_while_it_runs(machines: Machines) -> None:
    machine = machines.create(WAIT)
    first = machines.start(machine, {"a": 1}, name="once")
    assert machines.start(machine, {"a": 1}, name="once") == first
    with pytest.raises(machines.client.exceptions.ExecutionAlreadyExists):
        machines.start(machine, {"a": 2}, name="once")
    machines.client.stop_execution(executionArn=first, error="Enough", cause="test")
    assert machines.ended(first)["status"] == "ABORTED"
    with pytest.raises(machines.client.exceptions.ExecutionAlreadyExists):
        machines.start(machine, {"a": 1}, name="once")


def test_an_execution_above_its_timeout_is_timed_out(machines: Machines) -> None:
    assert machines.run(WAIT, top={"TimeoutSeconds": 1})["status"] == "TIMED_OUT"


def test_a_caught_error_reaches_the_failure_path_with_its_cause(machines: Machines) -> None:
    states = {
        "Call": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Arguments": {"Bucket": "no-such-bucket-anywhere", "Key": "k"},
            "Retry": [
                {
                    "ErrorEquals": ["States.ALL"],
                    "IntervalSeconds": 1,
                    "MaxAttempts": 1,
                    "MaxDelaySeconds": 2,
                    "JitterStrategy": "FULL",
                }
            ],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Failed"}],
            "End": True,
        },
        "Failed": {"Type": "Fail", "Error": "{% $states.input.Error %}", "Cause": "{% $states.input.Cause %}"},
    }
    ended = machines.run(states)
    assert (ended["status"], ended["error"]) == ("FAILED", "S3.NoSuchBucketException")
    assert "bucket does not exist" in ended["cause"]


def test_executions_are_counted(machines: Machines) -> None:
    machine = machines.create({"F": {"Type": "Fail", "Error": "Mine"}})
    machines.ended(machines.start(machine))

    def counted(metric: str) -> Any:
        found = machines.cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/States",
            MetricName=metric,
            Dimensions=[{"Name": "StateMachineArn", "Value": machine}],
            StartTime="2020-01-01T00:00:00Z",
            EndTime="2100-01-01T00:00:00Z",
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in found)

    assert eventually(lambda: counted("ExecutionsFailed")) == 1
    assert eventually(lambda: counted("ExecutionsStarted")) == 1
    assert counted("ExecutionsSucceeded") == 0


def test_a_machines_history_goes_to_its_log_group(machines: Machines) -> None:
    logs = machines.cloud.client("logs")
    logs.create_log_group(logGroupName="/aws/vendedlogs/states/history")
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/states/history:*"
    configuration = {
        "level": "ALL",
        "includeExecutionData": True,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}],
    }
    execution = machines.start(machines.create(PASS, loggingConfiguration=configuration))

    def types() -> list[str]:
        events = logs.filter_log_events(logGroupName="/aws/vendedlogs/states/history")["events"]
        lines = [json.loads(event["message"]) for event in events]
        return [line["type"] for line in lines if line["execution_arn"] == execution]

    eventually(lambda: "ExecutionSucceeded" in types())
    assert types() == ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]


def test_a_log_group_that_was_deleted_stays_away_until_someone_makes_it_again(machines: Machines) -> None:
    cloud, name = machines.cloud, "/aws/vendedlogs/states/deleted"
    logs = cloud.client("logs")

    def messages() -> list[str]:
        return [event["message"] for event in logs.filter_log_events(logGroupName=name)["events"]]

    for written in ("first", "second"):
        cloud.write_log(name, "stream", ["dropped"], make_group=False)
        assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []
        logs.create_log_group(logGroupName=name)
        cloud.write_log(name, "stream", [written], make_group=False)
        assert messages() == [written]
        logs.delete_log_group(logGroupName=name)
        logs.create_log_group(logGroupName=name)
        cloud.write_log(name, "stream", [written], make_group=False)
        assert messages() == [written]
        logs.delete_log_group(logGroupName=name)


def test_the_end_of_an_execution_is_an_event(machines: Machines) -> None:
    sqs, events = machines.cloud.client("sqs"), machines.cloud.client("events")
    queue = sqs.create_queue(QueueName="execution-events")["QueueUrl"]
    machine = machines.create(PASS)
    pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [machine], "status": ["SUCCEEDED"]}}
    events.put_rule(Name="execution-events", EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": "arn:aws:sqs:us-east-1:123456789012:execution-events"}
    events.put_targets(Rule="execution-events", Targets=[target])
    execution = machines.start(machine, {"a": 1})
    (message,) = eventually(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"))
    event = json.loads(message["Body"])
    assert event["detail-type"] == "Step Functions Execution Status Change"
    assert event["detail"]["executionArn"] == execution
    assert event["detail"]["output"] == '{"a":1}'


def test_a_stopped_execution_is_aborted_at_once_with_its_reason(machines: Machines) -> None:
    execution = machines.start(machines.create(WAIT))
    machines.client.stop_execution(executionArn=execution, error="Enough", cause="of this")
    ended = machines.client.describe_execution(executionArn=execution)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "Enough", "of this")
    assert ended["stopDate"]


def test_a_string_output_is_json(machines: Machines) -> None:
    ended = machines.run({"P": {"Type": "Pass", "Output": "ü", "End": True}})
    assert (json.loads(ended["output"]), ended["output"][0]) == ("ü", '"')
    assert machines.run({"P": {"Type": "Pass", "Output": "{% null %}", "End": True}})["output"] == "null"


def test_an_output_does_not_see_what_its_own_state_assigns(machines: Machines) -> None:
    states = {
        "First": {"Type": "Pass", "Assign": {"n": 1}, "Next": "Second"},
        "Second": {"Type": "Pass", "Assign": {"n": "{% $n + 1 %}"}, "Output": {"seen": "{% $n %}"}, "Next": "Third"},
        "Third": {
            "Type": "Choice", "Choices": [{"Condition": "{% true %}", "Assign": {"n": 9}, "Output": "{% [$n] %}",
            "Next": "Last"}],
        },
        "Last": {"Type": "Pass", "Output": {"before": "{% $states.input %}", "now": "{% $n %}"}, "End": True},
    }  # fmt: skip
    assert json.loads(machines.run(states)["output"]) == {"before": [2], "now": 9}


def test_a_definition_that_is_wrong_is_invalid_by_code_and_by_validation(machines: Machines) -> None:
    wrong, client = json.dumps({"StartAt": "Nowhere"}), machines.client
    with pytest.raises(client.exceptions.InvalidDefinition, match="Invalid State Machine Definition: '"):
        client.create_state_machine(name="wrong", definition=wrong, roleArn="arn:aws:iam::123456789012:role/r")
    answer = client.validate_state_machine_definition(definition=wrong)
    assert (answer["result"], answer["diagnostics"][0]["severity"]) == ("FAIL", "ERROR")
    right = json.dumps({"StartAt": "P", "States": PASS | {"P": PASS["Pass"]}})
    assert client.validate_state_machine_definition(definition=right)["result"] == "OK"


def test_the_versions_of_a_machine_are_listed_newest_first(machines: Machines) -> None:
    machine = machines.create(PASS, publish=True)
    for description in ("second", "second"):  # what hasn't changed is no other version
        machines.client.publish_state_machine_version(stateMachineArn=machine, description=description)
    listed = machines.client.list_state_machine_versions(stateMachineArn=machine)["stateMachineVersions"]
    assert [one["stateMachineVersionArn"] for one in listed] == [f"{machine}:2", f"{machine}:1"]


def test_an_express_machine_answers_and_a_standard_one_does_not(machines: Machines) -> None:
    express = machines.create(
        {"P": {"Type": "Pass", "Output": "{% $states.input.n + 1 %}", "End": True}}, type="EXPRESS"
    )
    client = machines.client
    body = {"stateMachineArn": express, "input": '{"n": 1}'}
    answer = _without_prefix(machines).start_sync_execution(**body)
    assert (answer["status"], answer["output"], answer["input"]) == ("SUCCEEDED", "2", '{"n": 1}')
    failing = {"F": {"Type": "Fail", "Error": "Bad", "Cause": "luck"}}
    answer = _without_prefix(machines).start_sync_execution(stateMachineArn=machines.create(failing, type="EXPRESS"))
    assert (answer["status"], answer["error"], answer["cause"]) == ("FAILED", "Bad", "luck")
    with pytest.raises(client.exceptions.StateMachineTypeNotSupported):
        _without_prefix(machines).start_sync_execution(stateMachineArn=machines.create(PASS))


def test_an_unknown_task_token_is_refused_by_name(machines: Machines) -> None:
    client = machines.client
    with pytest.raises(client.exceptions.InvalidToken):
        client.send_task_success(taskToken="nobody's", output="{}")


def _without_prefix(machines: Machines) -> Any:
    """StartSyncExecution's own host is `sync-` and the endpoint's, which an address has not."""
    cloud = machines.cloud
    return boto3.client(
        "stepfunctions", region_name=cloud.region, endpoint_url=cloud.endpoint, aws_access_key_id="test",
        aws_secret_access_key="test", config=Config(inject_host_prefix=False),
    )  # fmt: skip
