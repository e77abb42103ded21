"""The handler that prepares a run."""

from __future__ import annotations

import pytest

from headwater.declare import InvalidProduct
from headwater.handlers.training import prepare
from headwater.lake.errors import NoData
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import World


@pytest.fixture(autouse=True)
def fresh(world: World) -> None:
    prepare.service.cache_clear()  # type: ignore[attr-defined]


def test_a_model_that_nobody_declared_is_named_with_those_that_are() -> None:
    with pytest.raises(InvalidProduct, match=r"unknown model 'nosuch'\. Declared: .*flight_delay"):
        prepare.handler({"model": "nosuch", "run_id": "run-1"}, Context())


def test_a_start_that_cannot_be_read_is_no_reason_not_to_train() -> None:
    # It gets as far as without one.
    with pytest.raises(NoData):
        prepare.handler({"model": "flight_delay", "run_id": "run-1", "started_by": {"how": "telepathy"}}, Context())


def test_a_model_without_data_cannot_be_prepared() -> None:
    with pytest.raises(NoData, match="no data for source 'flights', 'weather'"):
        prepare.handler({"model": "flight_delay", "run_id": "run-1"}, Context())
