"""Small Pulumi programs, each in a project of its own on a cloud that they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from localcloud.testing import CloudBeside, Program, cloud_beside

from localcloud import engine


@pytest.fixture(scope="session", autouse=True)
def prepared() -> Iterator[None]:
    """Pulumi's SDK is imported once for all programs (`test_hosts` compares with a process of their own)."""
    with engine.prepared():
        yield


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudBeside]:
    """A cloud in another process, as engines have it."""
    with cloud_beside(tmp_path_factory.mktemp("engine")) as cloud:
        yield cloud


@pytest.fixture
def program(cloud: CloudBeside, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Program]:
    """An empty project named after the test; its stacks are destroyed afterwards."""
    with Program.named(request.node.name, tmp_path, cloud.environment()) as made:
        yield made


@pytest.fixture
def queues(cloud: CloudBeside, program: Program) -> Callable[[], Counter[str]]:
    """Counts the cloud's queues whose names start with the project's."""

    def count() -> Counter[str]:
        urls: list[Any] = cloud.client("sqs").list_queues(QueueNamePrefix=program.name).get("QueueUrls", [])
        return Counter(url.split("/")[-1].removeprefix(f"{program.name}-").rsplit("-", 1)[0] for url in urls)

    return count
