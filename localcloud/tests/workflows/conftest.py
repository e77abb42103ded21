"""Makes state machines and waits for their executions."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from localcloud.cloud import Cloud
from tests.containers.conftest import fargate, image

__all__ = ["fargate", "image"]

DEADLINE_SECONDS = 60
ROLE = "arn:aws:iam::123456789012:role/workflow-tests"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@dataclass(frozen=True)
class Machines:
    """State machines of the session's cloud."""

    cloud: Cloud

    @property
    def client(self) -> Any:
        return self.cloud.client("stepfunctions")

    def create(self, states: Mapping[str, Any], *, start: str = "", role: str = ROLE, **others: Any) -> str:
        """A JSONata machine that starts with its first state; returns its ARN."""
        definition = {"QueryLanguage": "JSONata", "StartAt": start or next(iter(states)), "States": states}
        definition |= others.pop("top", {})
        machine = self.client.create_state_machine(
            name=f"m-{uuid.uuid4().hex[:12]}", definition=json.dumps(definition), roleArn=role, **others
        )
        return str(machine["stateMachineArn"])

    def start(self, machine: str, value: Any = None, **others: Any) -> str:
        """Start an execution; returns its ARN."""
        return str(
            self.client.start_execution(stateMachineArn=machine, input=json.dumps(value or {}), **others)[
                "executionArn"
            ]
        )

    def ended(self, execution: str) -> dict[str, Any]:
        """The execution, when it isn't RUNNING any more."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (found := self.client.describe_execution(executionArn=execution))["status"] == "RUNNING":
            if time.monotonic() > deadline:
                raise TimeoutError(f"{execution} still runs")
            time.sleep(0.02)
        return dict(found)

    def run(self, states: Mapping[str, Any], value: Any = None, **others: Any) -> dict[str, Any]:
        """Create, start, wait."""
        return self.ended(self.start(self.create(states, **others), value))


@pytest.fixture(scope="session")
def machines(cloud: Cloud) -> Machines:
    """State machines that may do everything."""
    role_for_everything(cloud, ROLE)
    return Machines(cloud)


def role_for_everything(cloud: Cloud, arn: str) -> None:
    """Make the role ``arn``, which state machines may have and which may do everything."""
    iam, name = cloud.client("iam"), arn.rpartition("/")[2]
    # Tests of other folders borrow the fixture, each with a session of its own.
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
