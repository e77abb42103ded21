"""A table for the alarm manager."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.alarms.cases import World, alertmanagers
from tests.unit.registry.cases import make_table, mocked_aws


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with mocked_aws(monkeypatch):
        make_table()
        yield


@pytest.fixture
def world(table: None) -> World:
    """One group of everything, by Alertmanager's defaults."""
    return World(alertmanagers())
