"""The history's function as EventBridge invokes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headwater.handlers.history import record
from tests.unit.handlers.serving.cases import Context
from tests.unit.history.world import ARTIFACTS, OF, STATE, World, cli_checkpoint, new_world
from tests.unit.registry.cases import TABLE


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with new_world(monkeypatch) as made:
        environment = record.Settings.environment(state_bucket=STATE, registry_table=TABLE, artifacts_bucket=ARTIFACTS)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        record.service.cache_clear()  # type: ignore[attr-defined]
        yield made


def handle(key: str) -> dict[str, Any]:
    event = {"detail": {"bucket": {"name": STATE}, "object": {"key": key, "version-id": "v", "size": 1}}}
    answer: dict[str, Any] = record.handler(event, Context())
    return answer


def test_both_files_of_an_update_become_one_entry_however_often_they_come(world: World) -> None:
    world.update(cli_checkpoint())
    history, checkpoint = world.keys
    assert [handle(key)["recorded"] for key in (checkpoint, history, checkpoint, history)] == [True, True, False, False]
    (update,) = world.history.updates(OF)
    assert (update.by, update.resources, update.problems) == ("ada@laptop", 5, ())


def test_other_files_are_left_alone(world: World) -> None:
    assert handle(".pulumi/history/old-layout/old-layout-1.history.json")["recorded"] is False
    assert world.contents() == []
