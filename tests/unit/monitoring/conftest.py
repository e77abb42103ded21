from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.monitoring.logs import Log, new_log
from tests.unit.monitoring.watched import Watched, new_watched


@pytest.fixture
def log() -> Iterator[Log]:
    with new_log() as made:
        yield made


@pytest.fixture
def watched() -> Iterator[Watched]:
    with new_watched() as made:
        yield made
