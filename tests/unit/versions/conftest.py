from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.versions.cases import World, world


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with world() as made:
        yield made
