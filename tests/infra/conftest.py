"""The whole stack, deployed once a session by the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from localcloud.engine import deploy
from localcloud.testing import cloud_beside

from tests.infra.cases import CONFIG, ROOT, STACK, Graph
from tests.infra.inventory import inventory


@pytest.fixture(scope="package")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The variables that lead to a cloud for these tests alone."""
    with cloud_beside(tmp_path_factory.mktemp("infra")) as cloud:
        yield cloud.environment()


@pytest.fixture(scope="package")
def graph(aws: Mapping[str, str]) -> Graph:
    """The deployed stack `local`, with somebody to tell of alarms."""
    deployment = deploy(ROOT, STACK, environment=aws, config=CONFIG)
    return Graph(deployment, inventory(aws))
