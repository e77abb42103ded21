"""Functions for tests: source text in, a deployed function out."""

from __future__ import annotations

import base64
import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from localcloud.cloud import Cloud
from localcloud.functions import Functions


def zipped(**files: str) -> bytes:
    """A bundle; ``app`` is the file ``app.py``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, source in files.items():
            archive.writestr(f"{name}.py", source)
    return buffer.getvalue()


def eventually(condition: Callable[[], Any], within: float = 20.0) -> Any:
    """What ``condition`` answers as soon as that is truthy."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.01)
    return answer


@dataclass(frozen=True)
class Answer:
    """What Invoke answered."""

    payload: Any
    error: str
    log: str
    status: int


@dataclass(frozen=True)
class Deployed:
    """A function in the cloud."""

    cloud: Cloud
    name: str
    arn: str
    role: str

    def __call__(self, event: Any = None, **arguments: Any) -> Answer:
        answer = self.cloud.client("lambda").invoke(
            FunctionName=self.name, Payload=json.dumps(event).encode(), LogType="Tail", **arguments
        )
        raw = answer["Payload"].read()
        return Answer(
            json.loads(raw) if raw else None,
            answer.get("FunctionError", ""),
            base64.b64decode(answer.get("LogResult", "")).decode(),
            answer["StatusCode"],
        )

    def change(self, **configuration: Any) -> None:
        self.cloud.client("lambda").update_function_configuration(FunctionName=self.name, **configuration)

    def lines(self) -> list[str]:
        """All that is in its log by now."""
        self.cloud.emulator(Functions).flush_logs()
        logs = self.cloud.client("logs")
        group = f"/aws/lambda/{self.name}"
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        return [
            event["message"]
            for stream in streams
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]

    def counted(self, metric: str, statistic: str = "Sum") -> float:
        """A metric of AWS/Lambda, over the last hour."""
        self.cloud.emulator(Functions).flush_logs()
        return total(self.cloud, "AWS/Lambda", metric, {"FunctionName": self.name}, statistic)


def total(cloud: Cloud, namespace: str, metric: str, dimensions: dict[str, str], statistic: str = "Sum") -> float:
    """A metric over all of the test session."""
    answer = cloud.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=cloud.clock.now() - timedelta(days=1),
        EndTime=cloud.clock.now() + timedelta(minutes=1),
        Period=172800,
        Statistics=[statistic],
    )
    return float(sum(point[statistic] for point in answer["Datapoints"]))


Deploy = Callable[..., Deployed]


@pytest.fixture
def deploy(cloud: Cloud) -> Iterator[Deploy]:
    """Makes functions, and deletes them when the test is over."""
    made: list[Deployed] = []
    client, iam = cloud.client("lambda"), cloud.client("iam")

    def make(source: str, *, handler: str = "app.handler", code: bytes = b"", **configuration: Any) -> Deployed:
        name = f"f-{uuid.uuid4().hex[:12]}"
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        answer = client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=role,
            Handler=handler,
            Code={"ZipFile": code or zipped(app=source)},
            **configuration,
        )
        made.append(Deployed(cloud, name, answer["FunctionArn"], role))
        return made[-1]

    yield make
    for function in made:
        with suppress(client.exceptions.ResourceNotFoundException):
            client.delete_function(FunctionName=function.name)
        iam.delete_role(RoleName=function.name)


@pytest.fixture
def functions(cloud: Cloud) -> Functions:
    """The emulator."""
    return cloud.emulator(Functions)
