"""What unit tests share: a lake, a registry and a feature store on mocked AWS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.client import Stack, connect
from headwater.registry.errors import ModelNotRegistered
from headwater.registry.service import Registry
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.lake.world import World, new_world
from tests.unit.monitoring.logs import Log, new_log


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with new_world(monkeypatch) as made:
        yield made


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """A log of predictions of registered models: all are but those that are called unknown."""
    with new_log() as made:
        # Of a registered model nothing but its name is asked.
        monkeypatch.setattr(Registry, "versions", _versions)
        yield made


def _versions(registry: Registry, model: str) -> list[object]:
    if model.startswith("unknown"):
        raise ModelNotRegistered(f"no model {model!r}")
    return []


@pytest.fixture
def logging_stack(log: Log, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack called dev, named by the environment, whose predictions are in the log."""
    describe("dev", {**OUTPUTS, "region": "eu-central-1"})
    monkeypatch.setenv("HEADWATER_STACK", "dev")
    return connect("dev")
