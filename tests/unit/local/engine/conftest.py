"""Small Pulumi programs, each in a project of its own on a cloud that they share."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headwater.local import engine
from tests.clouds import CloudBeside, cloud_beside


@dataclass
class Program:
    """A project and what was seen of its deployments."""

    root: Path
    name: str
    environment: Mapping[str, str]
    events: list[engine.ResourceEvent] = field(default_factory=list)
    stacks: set[str] = field(default_factory=set)

    def write(self, text: str) -> Program:
        """Replace the program."""
        (self.root / "infra" / "__main__.py").write_text("import pulumi, pulumi_aws as aws\n" + textwrap.dedent(text))
        return self

    def deploy(self, stack: str = "local", **config: str) -> engine.Deployment:
        """``pulumi up``; the events of this run are in `events` afterwards."""
        self.stacks.add(stack)
        self.events.clear()
        return engine.deploy(self.root, stack, environment=self.environment, config=config, on_event=self.events.append)

    def preview(self, stack: str = "local") -> engine.Deployment:
        """``pulumi preview``."""
        self.events.clear()
        return engine.preview(self.root, stack, environment=self.environment, on_event=self.events.append)

    def destroy(self, stack: str = "local") -> engine.Deployment:
        """``pulumi destroy``."""
        self.events.clear()
        return engine.destroy(self.root, stack, environment=self.environment, on_event=self.events.append)

    def resources(self, stack: str = "local") -> tuple[engine.ResourceState, ...]:
        """What the state holds."""
        return engine.resources(self.root, stack, environment=self.environment)

    def deploy_names(self, stack: str = "local") -> list[str]:
        """Logical names of what AWS has of the state."""
        return [state.name for state in self.resources(stack) if state.type.startswith("aws:")]

    def did(self, *operations: str) -> list[str]:
        """The steps that were done, in their order, such as ``create Queue jobs``."""
        wanted = operations or ("create", "update", "replace", "delete")
        return [
            f"{event.operation} {event.type.split(':')[-1]} {event.name}"
            for event in self.events
            if event.status == "done" and event.operation in wanted and event.type.startswith("aws:")
        ]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudBeside]:
    """A cloud in another process, as engines have it."""
    with cloud_beside(tmp_path_factory.mktemp("engine")) as cloud:
        yield cloud


@pytest.fixture
def program(cloud: CloudBeside, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Program]:
    """An empty project named after the test; its stacks are destroyed afterwards."""
    name = request.node.name[5:35].strip("_").replace("_", "-")
    (tmp_path / "infra").mkdir()
    (tmp_path / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\nmain: infra\n")
    made = Program(tmp_path, name, cloud.environment())
    yield made
    for stack in made.stacks:
        made.destroy(stack)
        assert made.resources(stack) == ()


@pytest.fixture
def queues(cloud: CloudBeside, program: Program) -> Callable[[], Counter[str]]:
    """Counts the cloud's queues whose names start with the project's."""

    def count() -> Counter[str]:
        urls: list[Any] = cloud.client("sqs").list_queues(QueueNamePrefix=program.name).get("QueueUrls", [])
        return Counter(url.split("/")[-1].removeprefix(f"{program.name}-").rsplit("-", 1)[0] for url in urls)

    return count
