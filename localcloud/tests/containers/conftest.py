"""A cluster on Fargate, and the smallest image that can be built: shared, because ECS doesn't mind."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from localcloud.cloud import Cloud

DEADLINE_SECONDS = 60


def eventually(look: Callable[[], Any]) -> Any:
    """What ``look`` returns, as soon as it is true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing after {DEADLINE_SECONDS} s")
        time.sleep(0.02)
    return found


def zipped(files: Mapping[str, str]) -> bytes:
    """A zip file of ``files``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@dataclass(frozen=True)
class Fargate:
    """Runs containers in a cluster and waits for them."""

    cloud: Cloud
    cluster: str
    execution_role: str
    network: Mapping[str, Any]

    def register(self, image: str, **container: Any) -> str:
        """A task definition of one container named ``main`` that logs to the cluster's group."""
        definition = self.cloud.client("ecs").register_task_definition(
            family="tests",
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory=container.pop("task_memory", "512"),
            executionRoleArn=container.pop("execution_role", self.execution_role),
            containerDefinitions=[
                {
                    "name": "main",
                    "image": image,
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": f"/{self.cluster}",
                            "awslogs-region": self.cloud.region,
                            "awslogs-stream-prefix": "run",
                        },
                    },
                }
                | container
            ],
        )
        return str(definition["taskDefinition"]["taskDefinitionArn"])

    def start(self, definition: str, **override: Any) -> str:
        """Run a task; returns its ARN."""
        answer = self.cloud.client("ecs").run_task(
            cluster=self.cluster,
            taskDefinition=definition,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": self.network},
            overrides={"containerOverrides": [{"name": "main"} | override]} if override else {},
        )
        return str(answer["tasks"][0]["taskArn"])

    def describe(self, task: str) -> dict[str, Any]:
        """The task as DescribeTasks has it."""
        return dict(self.cloud.client("ecs").describe_tasks(cluster=self.cluster, tasks=[task])["tasks"][0])

    def stopped(self, task: str) -> dict[str, Any]:
        """The task, when it has stopped."""
        eventually(lambda: self.describe(task)["lastStatus"] == "STOPPED")
        return self.describe(task)

    def lines(self, task: str) -> list[str]:
        """What the task printed."""
        logs, stream = self.cloud.client("logs"), f"run/main/{task.rpartition('/')[2]}"
        try:
            events = logs.get_log_events(logGroupName=f"/{self.cluster}", logStreamName=stream, startFromHead=True)
        except logs.exceptions.ResourceNotFoundException:
            return []  # it said nothing yet
        return [event["message"] for event in events["events"]]


@pytest.fixture(scope="session")
def fargate(cloud: Cloud) -> Fargate:
    """A cluster with a network and a log group."""
    name = f"tests-{uuid.uuid4().hex[:8]}"  # each folder of tests that borrows this fixture has a cluster of its own
    cloud.client("ecs").create_cluster(clusterName=name)
    cloud.client("logs").create_log_group(logGroupName=f"/{name}")
    iam, ec2 = cloud.client("iam"), cloud.client("ec2")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("ecs-tasks"))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=EVERYTHING)
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    return Fargate(cloud, name, role, {"subnets": [subnet], "securityGroups": [group], "assignPublicIp": "ENABLED"})


BUILDSPEC = """
version: 0.2
phases:
  pre_build:
    commands:
      - aws ecr get-login-password --region $AWS_REGION | docker login --username AWS --password-stdin $REGISTRY
  build:
    commands:
      - docker build --platform linux/arm64 --build-arg GREETING=hello -t $REGISTRY/$REPOSITORY:$TAG .
      - docker push $REGISTRY/$REPOSITORY:$TAG
"""

DOCKERFILE = """
ARG BASE_IMAGE=python:3.12-slim
FROM ${BASE_IMAGE} AS build
ARG GREETING
WORKDIR /build
COPY app app
RUN mkdir -p site && python -c "import os; open('site/word.py', 'w').write('WORD = %r' % os.environ['GREETING'])"

FROM ${BASE_IMAGE}
WORKDIR /opt/service
COPY --from=build /build/site site
COPY --from=build /build/app app
ENV PYTHONPATH=/opt/service/site:/opt/service/app PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["python", "-m", "task"]
CMD ["nothing"]
"""

TASK = """
import json, os, sys, time
from pathlib import Path
import word
match sys.argv[1:]:
    case ["say", *words]:
        print(word.WORD, *words)
    case ["environment"]:
        print(json.dumps(dict(os.environ)))
    case ["fail", code]:
        print("about to fail", file=sys.stderr)
        sys.exit(int(code))
    case ["eat"]:
        eaten = []
        while True:
            eaten.append(bytearray(b"x" * 2**23))
    case ["wait"]:
        print("waiting")
        time.sleep(600)
    case ["write"]:
        Path("notes.txt").write_text("mine")
        print(os.listdir("."), json.dumps(sys.path[1:]))
    case other:
        print("got", other)
"""


@dataclass(frozen=True)
class Project:
    """A CodeBuild project whose source is a zip in S3."""

    cloud: Cloud
    name: str
    registry: str

    def upload(self, files: Mapping[str, str], key: str = "context.zip") -> str:
        """Put the build context where the project finds it; returns its location."""
        self.cloud.client("s3").put_object(Bucket=self.name, Key=key, Body=zipped(files))
        return f"{self.name}/{key}"

    def start(self, **arguments: Any) -> str:
        """Start a build; returns its id."""
        return str(self.cloud.client("codebuild").start_build(projectName=self.name, **arguments)["build"]["id"])

    def built(self, build: str) -> dict[str, Any]:
        """The build, when it is complete."""
        client = self.cloud.client("codebuild")
        eventually(lambda: client.batch_get_builds(ids=[build])["builds"][0]["buildComplete"])
        return dict(client.batch_get_builds(ids=[build])["builds"][0])

    def lines(self, build: dict[str, Any]) -> str:
        """What the build printed."""
        logs = build["logs"]
        events = self.cloud.client("logs").get_log_events(
            logGroupName=logs["groupName"], logStreamName=logs["streamName"], startFromHead=True
        )
        return "\n".join(event["message"] for event in events["events"])


def make_project(cloud: Cloud, name: str, buildspec: str = BUILDSPEC) -> Project:
    """A project, its bucket, its repository (of immutable tags) and its role."""
    cloud.client("s3").create_bucket(Bucket=name)
    cloud.client("ecr").create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    role = cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust("codebuild"))["Role"]["Arn"]
    cloud.client("iam").put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=EVERYTHING)
    registry = f"{cloud.account_id}.dkr.ecr.{cloud.region}.amazonaws.com"
    variables = {"REGISTRY": registry, "REPOSITORY": name, "TAG": "one"}
    cloud.client("codebuild").create_project(
        name=name,
        source={"type": "S3", "location": f"{name}/context.zip", "buildspec": buildspec},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "ARM_CONTAINER",
            "image": "aws/codebuild/amazonlinux2-aarch64-standard:3.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [{"name": key, "value": value} for key, value in variables.items()],
        },
        serviceRole=role,
    )
    return Project(cloud, name, registry)


def trust(service: str) -> str:
    """Who may take the role."""
    statement = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


@pytest.fixture(scope="session")
def image(cloud: Cloud) -> str:
    """The reference, by digest, of an image that was built and pushed by CodeBuild."""
    project = make_project(cloud, f"task-image-{uuid.uuid4().hex[:8]}")
    project.upload({"Dockerfile": DOCKERFILE, "app/task.py": TASK})
    build = project.built(project.start())
    assert build["buildStatus"] == "SUCCEEDED", project.lines(build)
    (found,) = cloud.client("ecr").describe_images(repositoryName=project.name)["imageDetails"]
    return f"{project.registry}/{project.name}@{found['imageDigest']}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty build context."""
    (tmp_path / "context").mkdir()
    return tmp_path / "context"
