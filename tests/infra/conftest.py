"""The whole stack, deployed once a session by the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from localcloud.engine import deploy
from localcloud.testing import CloudBeside, cloud_beside

from tests.infra.cases import CONFIG, ROOT, STACK, Graph
from tests.infra.inventory import inventory


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudBeside]:
    """A cloud for these tests alone."""
    with cloud_beside(tmp_path_factory.mktemp("infra")) as running:
        yield running


@pytest.fixture(scope="package")
def aws(cloud: CloudBeside) -> Mapping[str, str]:
    """The variables that lead there."""
    return cloud.environment()


@pytest.fixture(scope="package")
def graph(aws: Mapping[str, str]) -> Graph:
    """The deployed stack `local`, with somebody to tell of alarms."""
    deployment = deploy(ROOT, STACK, environment=aws, config=CONFIG)
    return Graph(deployment, inventory(aws))
