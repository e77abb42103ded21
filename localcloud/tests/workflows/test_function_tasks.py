"""`lambda:invoke` gives what the function answers, and fails by the function's own error type."""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

import pytest
from tests.containers.conftest import zipped
from tests.workflows.conftest import ROLE, Machines

CODE = """
import os

class Mine(Exception):
    pass

def handler(event, context):
    match event["do"]:
        case "echo":
            return event
        case "raise":
            raise Mine("why")
        case "exit":
            os._exit(3)
"""


@pytest.fixture(scope="module")
def function(machines: Machines) -> str:
    """The ARN of a function that does what it is told."""
    answer = machines.cloud.client("lambda").create_function(
        FunctionName=f"f-{uuid.uuid4().hex[:8]}",
        Runtime=f"python3.{sys.version_info.minor}",
        Role=ROLE,
        Handler="working.handler",
        Code={"ZipFile": zipped({"working.py": CODE})},
        Timeout=30,
    )
    return str(answer["FunctionArn"])


def invoke(function: str, **others: Any) -> dict[str, Any]:
    arguments = {"FunctionName": function, "Payload": "{% $states.input %}"}
    state = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": arguments, "End": True}
    return {"Invoke": state | others}


def test_the_answer_is_the_payload(machines: Machines, function: str) -> None:
    value = {"do": "echo", "text": 'a "quoted" word', "list": [1, None, {"a": []}]}
    ended = machines.run(invoke(function, Output="{% $states.result.Payload %}"), value)
    assert json.loads(ended["output"]) == value


def test_an_exception_is_the_error_by_its_name(machines: Machines, function: str) -> None:
    ended = machines.run(invoke(function), {"do": "raise"})
    assert (ended["status"], ended["error"]) == ("FAILED", "Mine")
    assert json.loads(ended["cause"])["errorMessage"] == "why"


def test_a_function_that_dies_fails_as_its_runtime_says(machines: Machines, function: str) -> None:
    assert machines.run(invoke(function), {"do": "exit"})["error"] == "Runtime.ExitError"


def test_a_function_that_isnt_there_fails_as_lambda_says(machines: Machines, function: str) -> None:
    ended = machines.run(invoke(function + "-nowhere"), {"do": "echo"})
    assert ended["error"] == "Lambda.ResourceNotFoundException", ended


def test_a_machine_calls_with_its_role(machines: Machines, function: str) -> None:
    iam, name = machines.cloud.client("iam"), f"machine-{uuid.uuid4().hex[:8]}"
    trust = machines.cloud.client("iam").get_role(RoleName=ROLE.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    machine = machines.create(invoke(function))
    machines.client.update_state_machine(stateMachineArn=machine, roleArn=role)
    ended = machines.ended(machines.start(machine, {"do": "echo"}))
    assert ended["error"] == "Lambda.AccessDeniedException"
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    assert machines.ended(machines.start(machine, {"do": "echo"}))["status"] == "SUCCEEDED"
