"""A version that doesn't answer as its training run did never gets further than staging, and not even that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.registry.errors import VersionNotReady
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.serving.errors import GoldenMismatch
from headwater.serving.models import ServingModels
from headwater.serving.service import Serving
from headwater.serving.staging import Staging
from tests.unit.registry.cases import candidate
from tests.unit.serving.cases import Online, leave_run


class Deployed:
    """The predict function's behaviour without its handler; ``broken`` makes it fail."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.events: list[dict[str, Any]] = []
        self.broken: dict[str, Any] | None = None

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        self.events.append(event)
        if self.broken:
            return self.broken
        alias = event["queryStringParameters"]["alias"]
        answer = self.serving.predict("delays", event["body"].encode(), request_id="r", alias=alias)
        return {"statusCode": 200, "body": json.dumps(answer.body)}


@pytest.fixture
def deployed(registry: Registry, artifacts: ArtifactStore) -> Deployed:
    return Deployed(Serving(ServingModels(registry, artifacts, refresh_after=0), Online()))


@pytest.fixture
def staging(registry: Registry, artifacts: ArtifactStore, deployed: Deployed) -> Staging:
    return Staging(registry, artifacts, deployed, pause=lambda _: None)


def test_a_version_that_answers_as_expected_is_staged(registry: Registry, staging: Staging, deployed: Deployed) -> None:
    registry.register(leave_run())
    report = staging.stage("delays", 1)
    assert (report.version, report.requests, report.compared) == (1, 4, 2)
    assert report.largest_difference < 1e-5
    assert registry.current("delays", "staging") == 1
    looked_up = [event for event in deployed.events if "features" not in json.loads(event["body"])]
    assert len(looked_up) == 2
    assert json.loads(looked_up[1]["body"])["instances"] == [{"carrier": "??", "distance": None}]


def test_staging_the_same_version_again_moves_nothing(registry: Registry, staging: Staging) -> None:
    registry.register(leave_run())
    staging.stage("delays", 1)
    staging.stage("delays", 1)
    assert len(registry.log("delays", "staging")) == 1


def test_a_wrong_answer_puts_the_alias_back(registry: Registry, staging: Staging) -> None:
    registry.register(leave_run("run-1"))
    registry.register(leave_run("run-2", seed=1, off_by=0.01))
    staging.stage("delays", 1)
    with pytest.raises(GoldenMismatch, match=r"version 2 answered golden request 0, instance 0 with .* expected"):
        staging.stage("delays", 2)
    assert registry.current("delays", "staging") == 1


def test_a_first_version_that_fails_leaves_no_alias(registry: Registry, staging: Staging) -> None:
    registry.register(leave_run(off_by=0.01))
    with pytest.raises(GoldenMismatch):
        staging.stage("delays", 1)
    assert registry.current("delays", "staging") is None


@pytest.mark.parametrize(
    "answer",
    [{"statusCode": 500, "body": "InternalError"}, {"errorMessage": "Task timed out", "errorType": "Sandbox.Timedout"}],
)
def test_an_error_of_the_function_puts_the_alias_back(
    registry: Registry, staging: Staging, deployed: Deployed, answer: dict[str, Any]
) -> None:
    registry.register(leave_run())
    deployed.broken = answer
    with pytest.raises(GoldenMismatch, match=r"golden request 0 with (500: InternalError|an error: Task timed out)"):
        staging.stage("delays", 1)
    assert registry.current("delays", "staging") is None


def test_a_warm_function_that_still_knows_the_last_version_is_given_time(
    registry: Registry, artifacts: ArtifactStore
) -> None:
    registry.register(leave_run("run-1"))
    registry.register(leave_run("run-2", seed=1))
    now = [0.0]
    warm = Deployed(Serving(ServingModels(registry, artifacts, refresh_after=3, clock=lambda: now[0]), Online()))

    def pause(seconds: float) -> None:
        now[0] += seconds

    staging = Staging(registry, artifacts, warm, pause=pause)
    staging.stage("delays", 1)
    assert staging.stage("delays", 2).version == 2
    assert now[0] == 3


def test_a_function_that_never_sees_the_new_version_fails_the_stage(
    registry: Registry, artifacts: ArtifactStore
) -> None:
    registry.register(leave_run("run-1"))
    registry.register(leave_run("run-2", seed=1))
    stuck = Deployed(Serving(ServingModels(registry, artifacts, clock=lambda: 0.0), Online()))
    staging = Staging(registry, artifacts, stuck, pause=lambda _: None)
    staging.stage("delays", 1)
    with pytest.raises(GoldenMismatch, match="still answers delays@staging with version 1"):
        staging.stage("delays", 2)
    assert registry.current("delays", "staging") == 1


def test_a_rejected_version_is_not_staged(registry: Registry, staging: Staging) -> None:
    registry.register(candidate(passed=False))
    with pytest.raises(VersionNotReady):
        staging.stage("delays", 1)
