"""A build is looked at soon, then less and less often; a retry joins it, and its end is told in its own words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.images.errors import BuildFailed, BuildUnfinished
from headwater.images.service import Images
from headwater.images.types import BuildRequest
from headwater.storage.clients import Clients

REQUEST = BuildRequest(bucket="artifacts", key="context.zip", tag="a" * 64)
URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/headwater-dev-training"
DIGEST = "sha256:" + "b" * 64


class World(Clients):
    """CodeBuild and ECR with one build, which has these states one after another. Moto builds nothing."""

    def __init__(
        self, states: Sequence[str], *, pushes: bool = True, known: bool = False, under_way: bool = False
    ) -> None:
        super().__init__()
        self.states, self.pushes, self.pushed, self.under_way = list(states), pushes, known, under_way
        self.started = 0
        self.paused: list[float] = []

    def __call__(self, service: str) -> Any:
        return self

    exceptions = SimpleNamespace(ClientError=ClientError)

    def start_build(self, **_: Any) -> Any:
        self.started += 1
        return {"build": self._build("IN_PROGRESS")}

    def list_builds_for_project(self, **_: Any) -> Any:
        return {"ids": ["build:1"] if self.under_way else []}

    def batch_get_builds(self, **_: Any) -> Any:
        state = self.states.pop(0)
        self.pushed |= self.pushes and state == "SUCCEEDED"
        return {"builds": [self._build(state)]}

    def describe_images(self, **_: Any) -> Any:
        if not self.pushed:
            raise ClientError({"Error": {"Code": "ImageNotFoundException"}}, "DescribeImages")
        return {"imageDetails": [{"imageDigest": DIGEST}]}

    def _build(self, state: str) -> dict[str, Any]:
        contexts = [{"message": "no space left on device"}] if state == "FAILED" else []
        return {
            "id": "build:1", "buildStatus": state, "currentPhase": "BUILD",
            "phases": [{"phaseType": "BUILD", "contexts": contexts}],
            "logs": {"groupName": "/aws/codebuild/images", "streamName": "1"},
            "environment": {"environmentVariables": [{"name": "IMAGE_TAG", "value": REQUEST.tag}]},
        }  # fmt: skip

    def image(self, *, within: float = 900) -> str:
        images = Images(URI, "project", self, pause=self.paused.append, clock=lambda: sum(self.paused))
        return images.build(REQUEST, within=timedelta(seconds=within))


def test_an_image_that_is_there_is_not_built_again() -> None:
    world = World([], known=True)
    assert (world.image(), world.started, world.paused) == (f"{URI}@{DIGEST}", 0, [])


def test_a_build_that_ends_at_once_is_not_waited_for() -> None:
    world = World(["SUCCEEDED"])
    assert world.image() == f"{URI}@{DIGEST}"
    assert world.paused == [0.25]


def test_a_long_build_is_looked_at_less_and_less_often() -> None:
    world = World(["IN_PROGRESS"] * 7 + ["SUCCEEDED"])
    world.image()
    assert world.paused == [0.25, 0.5, 1, 2, 4, 4, 4, 4]


def test_a_build_of_the_same_tag_that_runs_already_is_joined() -> None:
    world = World(["IN_PROGRESS", "SUCCEEDED"], under_way=True)
    world.image()
    assert world.started == 0


def test_a_build_that_outlasts_the_call_says_that_the_next_one_joins_it() -> None:
    with pytest.raises(BuildUnfinished, match=r"build:1 still runs \(BUILD\) after 0:00:05") as unfinished:
        World(["IN_PROGRESS"] * 9).image(within=5)
    assert "waits for the same build" in unfinished.value.next_steps[0]


@pytest.mark.parametrize(
    ("state", "said"),
    [("FAILED", "FAILED. BUILD: no space left on device"), ("SUCCEEDED", "SUCCEEDED, but pushed no image")],
)
def test_a_build_without_an_image_is_told_in_its_own_words(state: str, said: str) -> None:
    with pytest.raises(BuildFailed, match=said):
        World([state], pushes=False).image()
