"""ECS tasks run, end, and are described as on AWS."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from tests.containers.conftest import Fargate, eventually, trust


def test_a_task_runs_its_image_and_its_lines_are_logged(fargate: Fargate, image: str) -> None:
    task = fargate.start(fargate.register(image), command=["say", "two words", "/not/a/path"])
    stopped = fargate.stopped(task)
    assert stopped["containers"][0].get("exitCode") == 0, stopped
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert stopped["startedAt"] <= stopped["stoppedAt"]
    assert fargate.lines(task) == ["hello two words /not/a/path"]


def test_the_images_own_command_is_the_default(fargate: Fargate, image: str) -> None:
    task = fargate.start(fargate.register(image))
    fargate.stopped(task)
    assert fargate.lines(task) == ["got ['nothing']"]


def test_an_override_beats_the_definition_and_the_developers_environment_stays_out(
    fargate: Fargate, image: str, monkeypatch: Any
) -> None:
    monkeypatch.setenv("ONLY_ON_THE_LAPTOP", "1")
    definition = fargate.register(
        image, command=["environment"], environment=[{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]
    )
    task = fargate.start(definition, environment=[{"name": "B", "value": "2"}])
    fargate.stopped(task)
    environment = json.loads(fargate.lines(task)[0])
    assert (environment["A"], environment["B"]) == ("1", "2")
    assert environment["AWS_ENDPOINT_URL"] == fargate.cloud.endpoint
    assert environment["AWS_EXECUTION_ENV"] == "AWS_ECS_FARGATE"
    assert "ONLY_ON_THE_LAPTOP" not in environment


def test_a_task_sees_the_images_packages_and_none_of_the_developers(fargate: Fargate, image: str) -> None:
    code = "import importlib.util as u; print([n for n in ('word', 'boto3', 'moto', 'pytest') if u.find_spec(n)])"
    task = fargate.start(fargate.register(image, entryPoint=["python", "-c", code]))
    fargate.stopped(task)
    assert fargate.lines(task) == ["['word']"]


def test_what_a_task_writes_beside_its_code_is_gone_with_the_task(fargate: Fargate, image: str) -> None:
    definition = fargate.register(image, command=["write"])
    for _ in range(2):
        task = fargate.start(definition)
        fargate.stopped(task)
        entries = fargate.lines(task)[0].partition("]")[0]
        assert "notes.txt" in entries
        assert "app" in entries
    task = fargate.start(
        fargate.register(image, entryPoint=["python", "-c", "import os; print(sorted(os.listdir('.')))"])
    )
    fargate.stopped(task)
    assert fargate.lines(task) == ["['app', 'site']"]


def test_a_container_that_fails_says_so_in_its_exit_code(fargate: Fargate, image: str) -> None:
    task = fargate.start(fargate.register(image), command=["fail", "7"])
    stopped = fargate.stopped(task)
    assert stopped["containers"][0]["exitCode"] == 7
    assert stopped["stoppedReason"] == "Essential container in task exited"
    assert fargate.lines(task) == ["about to fail"]


def test_a_task_above_its_memory_is_killed(fargate: Fargate, image: str) -> None:
    task = fargate.start(fargate.register(image, task_memory="64"), command=["eat"])
    (container,) = fargate.stopped(task)["containers"]
    assert container["exitCode"] == 137
    assert container["reason"].startswith("OutOfMemoryError")


def test_a_running_task_can_be_stopped_and_keeps_the_reason(fargate: Fargate, image: str) -> None:
    task = fargate.start(fargate.register(image), command=["wait"])
    eventually(lambda: fargate.describe(task)["lastStatus"] == "RUNNING" and fargate.lines(task))
    fargate.cloud.client("ecs").stop_task(cluster=fargate.cluster, task=task, reason="enough")
    stopped = fargate.stopped(task)
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "enough")
    assert stopped["containers"][0]["exitCode"] == 143


def test_a_task_without_its_image_fails_to_start(fargate: Fargate, image: str) -> None:
    missing = image.partition("@")[0] + ":nowhere"
    stopped = fargate.stopped(fargate.start(fargate.register(missing)))
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert stopped["stoppedReason"].startswith("CannotPullContainerError")
    assert "exitCode" not in stopped["containers"][0]


def test_a_task_without_its_log_group_fails_to_start(fargate: Fargate, image: str) -> None:
    options = {"awslogs-group": "/nowhere", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "run"}
    definition = fargate.register(image, logConfiguration={"logDriver": "awslogs", "options": options})
    stopped = fargate.stopped(fargate.start(definition))
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert "The specified log group does not exist: /nowhere" in stopped["stoppedReason"]


def test_a_command_that_isnt_in_the_image_fails_to_start(fargate: Fargate, image: str) -> None:
    stopped = fargate.stopped(fargate.start(fargate.register(image, entryPoint=["no-such-program"])))
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert 'CannotStartContainerError: exec: "no-such-program"' in stopped["stoppedReason"]


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        ("ecr:GetAuthorizationToken", "unable to retrieve ecr registry auth"),
        ("ecr:BatchGetImage", "CannotPullContainerError"),
        ("logs:CreateLogStream", "failed to validate logger args"),
    ],
)
def test_a_task_whose_execution_role_lacks_a_grant_fails_to_start(
    fargate: Fargate, image: str, without: str, reason: str
) -> None:
    iam, name = fargate.cloud.client("iam"), f"execution-{uuid.uuid4().hex[:8]}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("ecs-tasks"))["Role"]["Arn"]
    statements = [{"Effect": "Allow", "NotAction": without, "Resource": "*"}]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    stopped = fargate.stopped(fargate.start(fargate.register(image, execution_role=role)))
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert reason in stopped["stoppedReason"]
    assert without in stopped["stoppedReason"]


def test_a_task_calls_with_its_own_role_and_no_more(fargate: Fargate, image: str) -> None:
    environment = "import os; print(os.environ.get('AWS_ACCESS_KEY_ID', 'no key'))"
    task = fargate.start(fargate.register(image, entryPoint=["python", "-c", environment]))
    fargate.stopped(task)
    assert fargate.lines(task) == ["no key"]
