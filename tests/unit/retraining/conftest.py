from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.retraining.world import World, new_world


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A model that ticks and alarms may train."""
    with new_world(monkeypatch, reasons=("schedule", "drift", "performance")) as made:
        yield made
