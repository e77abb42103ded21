"""A provider on a cloud that the tests share, and the life that every resource type must be able to lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from localcloud.provider import LocalProvider, State
from localcloud.testing import CloudBeside, cloud_beside


@dataclass
class Life:
    """Leads one resource from its making to its end."""

    provider: LocalProvider
    token: str
    name: str
    state: State | None = None
    inputs: dict[str, Any] = field(default_factory=dict)

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The checked inputs; they must be right."""
        checked, failures = self.provider.check(self.token, self.name, self.inputs, inputs, self.name.encode())
        assert not failures
        return checked

    def create(self, **inputs: Any) -> State:
        """Make it; the cloud must know it, and the same inputs must be no change."""
        self.inputs = self.check(inputs)
        self.state = self.provider.create(self.token, self.inputs)
        self._is_settled(inputs)
        return self.state

    def update(self, **inputs: Any) -> State:
        """Change it in place."""
        assert self.state is not None
        checked = self.check(inputs)
        diff = self.provider.diff(self.token, self.inputs, checked)
        assert diff.changes
        assert not diff.replaces
        self.state = self.provider.update(self.token, self.state.id, self.inputs, checked, self.state.outputs)
        self.inputs = checked
        self._is_settled(inputs)
        return self.state

    def replaces(self, **inputs: Any) -> list[str]:
        """What of the change makes a new resource."""
        return self.provider.diff(self.token, self.inputs, self.check(inputs)).replaces

    def delete(self) -> None:
        """End it; the cloud must not know it any more."""
        if self.state is None:
            return
        state, self.state = self.state, None
        self.provider.delete(self.token, state.id, self.inputs, state.outputs)
        if self.token not in OUTLIVES:
            assert self.provider.read(self.token, state.id, self.inputs, state.outputs) is None

    def _is_settled(self, inputs: dict[str, Any]) -> None:
        assert self.state is not None
        assert self.provider.diff(self.token, self.inputs, self.check(inputs)).changes == {}
        found = self.provider.read(self.token, self.state.id, self.inputs, self.state.outputs)
        assert found is not None
        assert found.outputs == self.state.outputs
        assert self.provider.diff(self.token, found.inputs, self.inputs).changes == {}


# Deleting these leaves something that is still there: a suspended versioning, the VPC's own group, an answer given.
OUTLIVES = {
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:lambda/invocation:Invocation",
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders",
    "aws:s3/bucketNotification:BucketNotification",
}

Begin = Callable[[str, str], Life]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudBeside]:
    """A cloud in another process, as providers have it."""
    with cloud_beside(tmp_path_factory.mktemp("provider")) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def provider(cloud: CloudBeside) -> LocalProvider:
    """A provider with one default tag."""
    return LocalProvider(cloud.environment(), {"defaultTags": '{"tags": {"Project": "tests"}}'})


@pytest.fixture
def begin(provider: LocalProvider, request: pytest.FixtureRequest) -> Iterator[Begin]:
    """Begins a life: ``begin(token, name)``. All of them end with the test, the last one first."""
    lives: list[Life] = []

    def start(token: str, name: str) -> Life:
        lives.append(Life(provider, token, f"{request.node.name[:20].replace('_', '-')}-{name}"))
        return lives[-1]

    yield start
    for life in reversed(lives):
        life.delete()
