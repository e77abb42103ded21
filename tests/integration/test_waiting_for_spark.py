"""A training whose view Spark computes asks again until it is done: the states of the real machine."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcloud.testing import CloudBeside, cloud_beside

import headwater.infra

MACHINE = Path(headwater.infra.__file__).parent / "training" / "training.asl.json"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def run(cloud: CloudBeside, states: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    iam, machines = cloud.client("iam"), cloud.client("stepfunctions")
    role = iam.create_role(RoleName="waiting", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="waiting", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
    definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}
    made = machines.create_state_machine(name="waiting", definition=json.dumps(definition), roleArn=role)
    started = machines.start_execution(stateMachineArn=made["stateMachineArn"], input=json.dumps(value))
    deadline = time.monotonic() + 60
    while (found := machines.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        assert time.monotonic() < deadline
    return dict(found)


def test_a_training_asks_again_as_long_as_it_has_to_wait(tmp_path: Path) -> None:
    states = json.loads((Path(headwater.infra.__file__).parent / "training" / "training.asl.json").read_text())[
        "States"
    ]
    # Stands for the function, which has to wait when it is asked first.
    prepare = {
        "Type": "Pass",
        "Assign": {
            "model": "{% $states.input.model %}",
            "started_by": "{% null %}",
            "asked": "{% $exists($states.input.first) ? 1 : $asked + 1 %}",
        },
        "Output": "{% $exists($states.input.first) ? {'waits': 'for Spark'} : {'rows': 3} %}",
        "Next": states["Prepare"]["Next"],
    }
    wait = states["WaitForSpark"] | {"Seconds": 0}
    train = {"Type": "Succeed", "Output": {"model": "{% $model %}", "asked": "{% $asked %}"}}
    shortened = {"Prepare": prepare, "IsPrepared": states["IsPrepared"], "WaitForSpark": wait, "Train": train}
    with cloud_beside(tmp_path) as cloud:
        ended = run(cloud, shortened, {"model": "flight_delay", "first": True})
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == {"model": "flight_delay", "asked": 2}
    assert states["Prepare"]["Type"] == "Task"
    assert wait["Next"] == "Prepare"
