from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.monitoring.logs import Log, new_log


@pytest.fixture
def log() -> Iterator[Log]:
    with new_log() as made:
        yield made
