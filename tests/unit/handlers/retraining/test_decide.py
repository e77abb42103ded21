"""The decide function as schedules, the alarm manager, people and EventBridge call it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto.stepfunctions.models import stepfunctions_backends

from headwater.handlers.retraining import decide
from headwater.retraining.service import Policies
from headwater.retraining.store import Trainings
from headwater.retraining.types import Phase
from headwater.storage.environment import CLIENTS
from headwater.training.store import RunFiles
from headwater.training.types import DATA_VERSION_FILE
from tests.unit.handlers.serving.cases import Context
from tests.unit.registry.cases import make_table, mocked_aws
from tests.unit.retraining.world import NAME, SIZE, World
from tests.unit.schedules.world import BUCKET, make_artifacts, make_machine


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A policy with moto's Step Functions behind it."""
    with mocked_aws(monkeypatch):
        make_table()
        make_artifacts()
        training = make_machine("training")
        made = World()
        trainings = Trainings(training.arn, BUCKET, CLIENTS)
        made.policies = Policies(made.catalog, made.store, trainings, made.read, SIZE, pause=lambda _: None)
        monkeypatch.setattr(decide, "policies", lambda: made.policies)
        yield made


def machine() -> Any:
    (made,) = stepfunctions_backends["123456789012"]["us-east-1"].state_machines
    return made


def handle(event: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = decide.handler(event, Context())
    return answer


def test_a_question_starts_one_training_on_pinned_data(world: World) -> None:
    question = {"model": NAME, "ask": {"id": "tick:a", "kind": "schedule", "run": "run-a", "tick": '{"schedule": "s"}'}}
    answers = [handle(question) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["decision"]["verdict"] == "REQUESTED"
    (execution,) = machine().executions
    given = json.loads(execution.execution_input)
    assert (given["model"], given["reason"], given["tick"]) == (NAME, "schedule", {"schedule": "s"})
    assert RunFiles(BUCKET, NAME, "run-a", CLIENTS).get(DATA_VERSION_FILE) is not None


def test_the_end_of_a_training_is_followed_and_rejections_keep_their_reasons(world: World) -> None:
    handle({"model": NAME, "ask": {"id": "p", "kind": "person"}})
    (execution,) = machine().executions
    execution.status = "SUCCEEDED"
    execution.stop_date = execution.start_date
    execution.output = json.dumps({"registered": {"status": "REJECTED", "reasons": ["roc_auc 0.6 is below 0.7"]}})
    detail = {"name": execution.name, "status": "SUCCEEDED", "input": execution.execution_input}
    assert handle({"source": "aws.states", "detail": detail}) == {"models": {NAME: "COOLDOWN"}}
    last = world.state.last
    assert last is not None
    assert (last.outcome, last.reason) == ("REJECTED", "roc_auc 0.6 is below 0.7")


def test_the_hourly_tick_and_ends_of_uploads_look_at_every_model(world: World) -> None:
    upload = {"source": "aws.states", "detail": {"input": '{"key": "landing/x"}'}}
    for event in ({"time": "2026-03-02T00:40:00+00:00"}, upload):
        assert handle(event) == {"models": {NAME: Phase.IDLE.value}}


def test_the_policy_is_told_and_an_unknown_model_is_refused(world: World) -> None:
    assert handle({"model": NAME})["policy"]["reasons"] == ["schedule"]
    assert handle({"model": "nosuch"}) == {"refused": "the stack has no model 'nosuch': it has buys"}
