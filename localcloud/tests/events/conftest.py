"""What the tests of events share: queues to look into, functions that only write down what they were sent."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from localcloud.api_call import ApiCall
from localcloud.cloud import Cloud
from localcloud.events import EventsEmulator
from werkzeug.wrappers import Response

ORACLES = Path(os.environ.get("LOCALCLOUD_ORACLES", Path(__file__).parents[4] / "shared" / "oracles"))


def eventually(condition: Callable[[], Any], *, within: float = 20.0) -> Any:
    """What ``condition`` answers as soon as that is truthy."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {condition}")
        time.sleep(0.01)
    return answer


def oracle(path: str) -> list[dict[str, Any]]:
    """Recorded answers of AWS, kept beside the repository."""
    file = ORACLES / path
    if not file.exists():
        pytest.skip(f"the oracle {path} isn't beside the repository")
    return [json.loads(line) for line in file.read_text().splitlines()]


class Queue:
    """An SQS queue that a test reads empty."""

    def __init__(self, cloud: Cloud, name: str, **attributes: str) -> None:
        self._sqs = cloud.client("sqs")
        self.url = self._sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]

    def receive(self) -> list[dict[str, Any]]:
        """The messages that are there now, with all attributes; gone afterwards."""
        found: list[dict[str, Any]] = []
        while messages := self._sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
        ).get("Messages"):
            found += messages
            for message in messages:
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def bodies(self) -> list[Any]:
        """The bodies of `receive`, read as JSON."""
        return [json.loads(message["Body"]) for message in self.receive()]


class Functions:
    """Stands before the cloud's own functions, and takes the calls of those whose name begins with ``noted-``."""

    def __init__(self, cloud: Cloud) -> None:
        self._lambda = cloud.client("lambda")
        self._role = cloud.client("iam").create_role(RoleName="noted", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self.events: dict[str, list[Any]] = {}
        self.failures: dict[str, int] = {}

    def answer(self, call: ApiCall) -> Response | None:
        path = call.request.path
        if call.service != "lambda" or call.request.method != "POST" or not path.endswith("/invocations"):
            return None
        name = path.split("/")[-2].replace("%3A", ":").rpartition(":function:")[2]
        if not name.startswith("noted-"):
            return None
        if self.failures.get(name, 0) > 0:
            self.failures[name] -= 1
            return Response(
                json.dumps({"message": "busy"}), status=429, headers={"x-amzn-ErrorType": "TooManyRequestsException"}
            )
        assert call.request.headers["X-Amz-Invocation-Type"] == "Event"
        self.events.setdefault(name, []).append(call.json())
        return Response("", status=202)

    def create(self, name: str, *, allow: str = "", source: str = "") -> str:
        """A function whose policy lets the service ``allow`` invoke it for ``source``; its ARN."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "def handler(event, context): ...")
        arn: str = self._lambda.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=self._role,
            Handler="app.handler",
            Code={"ZipFile": code.getvalue()},
        )["FunctionArn"]
        if allow:
            self.allow(name, allow, source)
        return arn

    def allow(self, name: str, service: str, source: str) -> None:
        self._lambda.add_permission(
            FunctionName=name,
            StatementId="it",
            Action="lambda:InvokeFunction",
            Principal=service,
            **({"SourceArn": source} if source else {}),
        )


@pytest.fixture(scope="session")
def functions(cloud: Cloud) -> Functions:
    made = Functions(cloud)
    # Before the emulator of real functions, which would run them.
    cloud.dispatcher._answers.insert(0, made.answer)
    return made


@pytest.fixture
def events(cloud: Cloud) -> Iterator[EventsEmulator]:
    """The emulator, with nothing under way before and no fault switched on after."""
    emulator = cloud.emulator(EventsEmulator)
    yield emulator
    emulator.deliver_twice = False


@pytest.fixture
def queue(cloud: Cloud) -> Callable[..., Queue]:
    return lambda name, **attributes: Queue(cloud, name, **attributes)
