"""Models as a person sees them: which version serves, why, and moving that."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.client import Stack
from headwater.client.errors import BadTarget
from headwater.registry.errors import ModelNotRegistered, NothingToRollBackTo, VersionNotFound, VersionNotReady
from headwater.registry.service import Registry
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.errors import NotReproducible
from tests.unit.registry.cases import candidate


@pytest.fixture
def registry(stack: Stack) -> Registry:
    return Registry(Table("registry", CLIENTS))


def test_a_list_shows_which_version_serves_and_how_the_newest_fared(stack: Stack, registry: Registry) -> None:
    registry.register(candidate("run-1"))
    registry.register(candidate("run-2", passed=False))
    stack.models.promote("delays", 1)
    (summary,) = stack.models.list()
    assert (summary.model, summary.production, summary.newest, summary.newest_status) == ("delays", 1, 2, "REJECTED")
    assert summary.metrics == {"roc_auc": 0.72}


def test_the_card_is_that_of_the_version_that_serves(stack: Stack, registry: Registry) -> None:
    registry.register(candidate("run-1"))
    registry.register(candidate("run-2"))
    assert stack.models.show("delays").version == 2
    stack.models.promote("delays", 1, why="a test")
    card = stack.models.show("delays")
    assert (card.version, card.aliases, card.log[-1].why) == (1, ("production",), "a test")
    assert stack.models.show("delays", 2).run_id == "run-2"


def test_a_rollback_returns_to_the_version_before(stack: Stack, registry: Registry) -> None:
    for run in ("run-1", "run-2"):
        registry.register(candidate(run))
    stack.models.promote("delays", 1)
    with pytest.raises(NothingToRollBackTo):
        stack.models.rollback("delays")
    stack.models.promote("delays", 2)
    assert stack.models.rollback("delays").to == 1


def test_what_does_not_exist_or_was_rejected_is_never_promoted(stack: Stack, registry: Registry) -> None:
    with pytest.raises(ModelNotRegistered):
        stack.models.show("delays")
    registry.register(candidate("run-1", passed=False))
    with pytest.raises(VersionNotFound):
        stack.models.promote("delays", 7)
    with pytest.raises(VersionNotReady):
        stack.models.promote("delays", 1)


def test_a_training_set_that_cannot_be_written_or_made_is_refused_at_once(
    stack: Stack, registry: Registry, tmp_path: Path
) -> None:
    registry.register(candidate("run-1"))
    with pytest.raises(BadTarget, match="nosuch is no folder"):
        stack.models.training_set("delays", 1, tmp_path / "nosuch" / "set.parquet")
    with pytest.raises(VersionNotFound):
        stack.models.training_set("delays", 2, tmp_path / "set.parquet")
    with pytest.raises(NotReproducible, match="without a record of its training set"):
        stack.models.training_set("delays", 1, tmp_path / "set.parquet")
    assert list(tmp_path.glob("*.parquet")) == []
