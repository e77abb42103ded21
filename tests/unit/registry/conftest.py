from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.registry.service import Registry
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.registry.cases import TABLE, make_table, mocked_aws


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with mocked_aws(monkeypatch):
        make_table()
        yield Registry(Table(TABLE, CLIENTS), pause=lambda _: None)
