from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.schedules.world import World, new_world


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with new_world(monkeypatch) as made:
        yield made
