from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.registry.cases import TABLE, mocked_aws
from tests.unit.serving.cases import make_cloud


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with mocked_aws(monkeypatch):
        make_cloud()
        yield Registry(Table(TABLE, CLIENTS), pause=lambda _: None)


@pytest.fixture
def artifacts(registry: Registry) -> ArtifactStore:
    return ArtifactStore("artifacts", CLIENTS)
