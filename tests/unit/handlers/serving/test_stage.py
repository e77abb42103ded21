"""Staging reaches the predict function by its name, with the event that API Gateway would send."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from headwater.handlers.serving import predict, stage
from headwater.registry.service import Registry
from headwater.serving.errors import GoldenMismatch
from headwater.storage.clients import Clients
from tests.unit.handlers.serving.cases import Context
from tests.unit.serving.cases import leave_run


class Lambda:
    """Invokes the predict handler of this process, as the local cloud does in a process of its own."""

    def __init__(self) -> None:
        self.functions: list[str] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        self.functions.append(FunctionName)
        answer = predict.handler(json.loads(Payload), Context())  # type: ignore[arg-type]
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@pytest.fixture
def deployed(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Lambda:
    function = Lambda()

    class WithFunction(Clients):
        """moto runs a function only in Docker; the real invocation is an integration test of the local cloud."""

        def __call__(self, service: str) -> Any:
            return function if service == "lambda" else super().__call__(service)

    monkeypatch.setattr(stage, "CLIENTS", WithFunction())
    return function


def test_a_version_that_answers_as_it_should_is_staged(registry: Registry, deployed: Lambda) -> None:
    registry.register(leave_run())
    report = stage.handler({"model": "delays", "version": 1, "run_id": "run-1"}, Context())  # type: ignore[arg-type]
    keys = stage.logger.get_current_keys()
    assert (keys["run_id"], keys["model"], keys["version"]) == ("run-1", "delays", 1)
    assert (report["version"], report["requests"], report["compared"]) == (1, 4, 2)
    assert set(deployed.functions) == {"headwater-test-predict"}
    assert registry.current("delays", "staging") == 1


def test_a_version_that_answers_otherwise_fails_the_task_and_the_alias_is_put_back(
    registry: Registry, deployed: Lambda
) -> None:
    registry.register(leave_run(off_by=0.01))
    with pytest.raises(GoldenMismatch):
        stage.handler({"model": "delays", "version": 1}, Context())  # type: ignore[arg-type]
    assert registry.current("delays", "staging") is None
