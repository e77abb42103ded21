from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.monitoring.labelling import Shop, new_shop
from tests.unit.monitoring.logs import Log, new_log
from tests.unit.monitoring.watched import Watched, bank_with, new_watched


@pytest.fixture
def log() -> Iterator[Log]:
    with new_log() as made:
        yield made


@pytest.fixture
def watched() -> Iterator[Watched]:
    with new_watched() as made:
        yield made


@pytest.fixture
def served(watched: Watched) -> Watched:
    """A model whose first version serves, with its bank."""
    watched.version(bank_with())
    watched.serve(1)
    return watched


@pytest.fixture
def stand() -> Iterator[Shop]:
    """A stack with one version of the model that labels are about."""
    with new_shop() as made:
        made.register()
        yield made
