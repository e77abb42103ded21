"""The wake function as EventBridge Scheduler and EventBridge call it, with trainings on moto's Step Functions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.declare import Schedule
from headwater.handlers.schedules import wake
from headwater.retraining.store import Trainings
from headwater.schedules.store import Ledger
from headwater.schedules.types import Definition, TickRecord, Work
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.stopping import Stop
from headwater.training.store import RunFiles
from tests.unit.handlers.serving.cases import Context
from tests.unit.registry.cases import TABLE, make_table, mocked_aws
from tests.unit.retraining.world import answer_in_process
from tests.unit.schedules.world import BUCKET, NAME, make_artifacts, make_machine, put_definition

DAY = timedelta(days=1)
NEXT = (datetime.now(UTC) - timedelta(hours=6)).replace(hour=6, minute=0, second=0, microsecond=0) + DAY
"""The next tick, whatever the hour."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with mocked_aws(monkeypatch):
        make_table()
        make_artifacts()
        made = make_machine("training")
        settings = wake.Settings.environment(
            registry_table=TABLE, artifacts_bucket=BUCKET, training_arn=made.arn, retraining_decide_function="decide"
        )
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        answer_in_process(monkeypatch, Trainings(made.arn, BUCKET, CLIENTS))
        wake.scheduler.cache_clear()  # type: ignore[attr-defined]
        yield made


def deploy(**more: Any) -> None:
    schedule = Schedule(cron="0 6 * * ? *", **more)
    put_definition(Definition(name=NAME, work=Work(kind="training", name="delays"), schedule=schedule))


def handle(at: datetime) -> dict[str, Any]:
    answer: dict[str, Any] = wake.handler({"schedule": NAME, "scheduled": f"{at:%Y-%m-%dT%H:%M:%SZ}"}, Context())
    return answer


def told_of(execution: Any, status: str) -> dict[str, Any]:
    execution.status = status
    detail = {"name": execution.name, "status": status, "input": execution.execution_input}
    answer: dict[str, Any] = wake.handler({"detail-type": "Step Functions", "detail": detail}, Context())
    return answer


def ticks() -> list[TickRecord]:
    return list(Ledger(Table(TABLE, CLIENTS)).ticks(NAME))


def test_a_wake_starts_one_training_however_often_it_comes(machine: Any) -> None:
    deploy()
    for _ in range(3):
        assert handle(NEXT) == {"schedule": NAME, "running": 1, "waiting": 0}
    (execution,) = machine.executions
    given = json.loads(execution.execution_input)
    assert (given["model"], given["reason"], given["started_by"]) == (
        "delays",
        "schedule",
        {"how": "schedule", "reason": "schedule"},
    )
    assert given["tick"]["interval"] == [(NEXT - DAY).isoformat(), NEXT.isoformat()]
    assert execution.name.startswith(f"delays-{NEXT:%Y%m%d-%H%M%S}-")
    assert len(execution.name) <= 80


def test_a_tick_that_the_policy_refuses_is_skipped_with_its_reason(machine: Any) -> None:
    deploy()
    handle(NEXT)
    handle(NEXT + DAY)
    (execution,) = machine.executions
    told_of(execution, "SUCCEEDED")
    first, second, *_ = ticks()
    assert (first.status.value, second.status.value) == ("DONE", "SKIPPED")
    handle(NEXT + 2 * DAY)
    assert ticks()[-1].reason == f"run {execution.name} trained on the very data that there is now beside this champion"
    assert len(machine.executions) == 1


def test_the_ledger_hears_that_a_training_has_ended(machine: Any) -> None:
    deploy()
    handle(NEXT)
    (execution,) = machine.executions
    assert told_of(execution, "SUCCEEDED") == {"schedule": NAME, "running": 0, "waiting": 0}
    (tick,) = ticks()
    assert (tick.status.value, tick.run) == ("DONE", execution.name)
    execution.execution_input = '{"model": "delays"}'
    assert told_of(execution, "SUCCEEDED") == {"schedule": None}


def test_a_training_that_failed_leaves_its_cause(machine: Any) -> None:
    deploy()
    handle(NEXT)
    (execution,) = machine.executions
    execution.error = "NoData"
    execution.cause = '{"errorMessage": "nothing was\\nuploaded", "errorType": "NoData"}'
    told_of(execution, "FAILED")
    assert (ticks()[0].status.value, ticks()[0].reason) == ("FAILED", "NoData: nothing was uploaded")


def test_a_training_is_replaced_and_registers_nothing(machine: Any) -> None:
    deploy(overlap="replace")
    handle(NEXT)
    handle(NEXT + DAY)
    first, second = machine.executions
    assert (first.status, second.status) == ("ABORTED", "RUNNING")
    stopped = RunFiles(BUCKET, "delays", first.name, CLIENTS).get_value("stopped.json", Stop)
    assert stopped is not None
    assert str(stopped).startswith("stopped by its schedule: replaced by the tick of")


def test_a_late_wake_of_a_schedule_that_is_gone_is_no_error(machine: Any) -> None:
    assert handle(NEXT) == {"schedule": NAME, "running": 0, "waiting": 0}
    assert machine.executions == []
