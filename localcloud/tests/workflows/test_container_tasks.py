"""`ecs:runTask.sync` ends as its containers end."""

from __future__ import annotations

import json
from typing import Any

from tests.containers.conftest import Fargate, eventually
from tests.workflows.conftest import Machines


def run_task(fargate: Fargate, definition: str, *command: str, **others: Any) -> dict[str, Any]:
    """A state that runs the container."""
    network = {
        "Subnets": fargate.network["subnets"],
        "SecurityGroups": fargate.network["securityGroups"],
        "AssignPublicIp": "ENABLED",
    }
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::ecs:runTask.sync",
        "Arguments": {
            "LaunchType": "FARGATE",
            "Cluster": fargate.cluster,
            "TaskDefinition": definition,
            "NetworkConfiguration": {"AwsvpcConfiguration": network},
            "Overrides": {"ContainerOverrides": [{"Name": "main", "Command": list(command)}]},
        },
        "End": True,
    } | others


def test_the_state_ends_with_the_task_and_gives_its_description(
    machines: Machines, fargate: Fargate, image: str
) -> None:
    ended = machines.run({"Run": run_task(fargate, fargate.register(image), "say", '{"a": "b"}')})
    assert ended["status"] == "SUCCEEDED", ended
    task = json.loads(ended["output"])
    assert task["LastStatus"] == "STOPPED"
    assert task["Containers"][0]["ExitCode"] == 0
    assert isinstance(task["StartedAt"], int)
    assert fargate.lines(task["TaskArn"]) == ['hello {"a": "b"}']


def test_a_container_that_fails_fails_the_state_with_the_task_as_its_cause(
    machines: Machines, fargate: Fargate, image: str
) -> None:
    ended = machines.run({"Run": run_task(fargate, fargate.register(image), "fail", "3")})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    cause = json.loads(ended["cause"])
    assert cause["Containers"][0]["ExitCode"] == 3
    assert cause["StoppedReason"] == "Essential container in task exited"


def test_a_container_that_fails_is_run_again_and_waited_for_as_the_first_one(
    machines: Machines, fargate: Fargate, image: str
) -> None:
    definition = fargate.register(image)
    retry = {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 1}
    ended = machines.run({"Run": run_task(fargate, definition, "fail", "3", TimeoutSeconds=600, Retry=[retry])})
    assert ended["error"] == "States.TaskFailed"
    ecs = fargate.cloud.client("ecs")
    arns = ecs.list_tasks(
        cluster=fargate.cluster, family=definition.split("/")[1].split(":")[0], desiredStatus="STOPPED"
    )
    found = ecs.describe_tasks(cluster=fargate.cluster, tasks=arns["taskArns"])["tasks"]
    assert [one["containers"][0]["exitCode"] for one in found if one["taskDefinitionArn"] == definition] == [3, 3, 3]


def test_a_container_that_cant_start_fails_the_state(machines: Machines, fargate: Fargate, image: str) -> None:
    missing = fargate.register(image.partition("@")[0] + ":nowhere")
    ended = machines.run({"Run": run_task(fargate, missing, "say")})
    assert ended["error"] == "States.TaskFailed"
    assert json.loads(ended["cause"])["StopCode"] == "TaskFailedToStart"


def test_a_state_that_times_out_takes_its_task_down(machines: Machines, fargate: Fargate, image: str) -> None:
    definition = fargate.register(image)
    ended = machines.run({"Run": run_task(fargate, definition, "wait", TimeoutSeconds=1)})
    assert ended["error"] == "States.Timeout"
    ecs = fargate.cloud.client("ecs")

    def tasks() -> list[dict[str, Any]]:
        arns = ecs.list_tasks(cluster=fargate.cluster, desiredStatus="STOPPED")["taskArns"]
        found = ecs.describe_tasks(cluster=fargate.cluster, tasks=arns)["tasks"] if arns else []
        return [task for task in found if task["taskDefinitionArn"] == definition and task["lastStatus"] == "STOPPED"]

    (task,) = eventually(tasks)
    assert task["stopCode"] == "UserInitiated"
