"""A schedule's time has come, or a run has ended: bring the ledger of ticks up to now and start what is due."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.collecting.scheduled import ScheduledCollection
from headwater.handlers.observability import observe
from headwater.retraining.scheduled import PolicyTraining
from headwater.retraining.store import PolicyFunction, RetrainStore
from headwater.schedules.calls import ScheduledCall
from headwater.schedules.service import Scheduler
from headwater.schedules.store import DeployedSchedules, Ledger
from headwater.schedules.targets import Target
from headwater.schedules.types import CALL, ScheduleState
from headwater.settings import FunctionSettings, at_init_from
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.scheduled import ScheduledTraining

logger, tracer, metrics, entry = observe("schedules")


class Settings(FunctionSettings):
    """Environment of the wake function."""

    registry_table: str
    artifacts_bucket: str
    training_arn: str = ""
    """The machine that trains."""
    retraining_decide_function: str = ""
    """The function that is asked whether a tick trains."""
    collecting_arn: str = ""
    """Where ticks start collectors; empty if the stack has none."""
    regular_arn: str = ""
    """Where ticks call functions."""


@at_init_from(Settings)
def scheduler(settings: Settings) -> Scheduler:
    table = Table(settings.registry_table, CLIENTS)
    training = PolicyTraining(
        ScheduledTraining(settings.training_arn, settings.artifacts_bucket, CLIENTS),
        PolicyFunction(settings.retraining_decide_function, CLIENTS).ask,
        RetrainStore(table),
    )
    targets: dict[str, Target] = {
        "training": training,
        "collecting": ScheduledCollection(settings.collecting_arn, CLIENTS),
        CALL: ScheduledCall(settings.regular_arn, CLIENTS),
    }
    return Scheduler(Ledger(table), DeployedSchedules(settings.artifacts_bucket, CLIENTS), targets)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a wake of EventBridge Scheduler, or the news that an execution ended; either may come any number of times.

    A wake is ``{"schedule": <name>, "scheduled": <ISO 8601>}``.
    """
    if "detail" in event:
        name = schedule_of(event["detail"])
        if not name:
            return {"schedule": None}
        logger.append_keys(schedule=name)
        return _told(name, scheduler().advance(name))
    name = event["schedule"]
    logger.append_keys(schedule=name)
    return _told(name, scheduler().wake(name, _moment(event["scheduled"])))


def schedule_of(detail: dict[str, Any]) -> str:
    """The schedule that started an execution; empty if none did."""
    try:
        given = json.loads(detail.get("input") or "{}")
        return str(given["tick"]["schedule"])
    except (ValueError, KeyError, TypeError):
        return ""


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _told(name: str, state: ScheduleState | None) -> dict[str, Any]:
    waiting = sum(entry.status == "DUE" for entry in state.open) if state else 0
    metrics.add_metric("ScheduleTicksWaiting", MetricUnit.Count, waiting)
    running = len(state.open) - waiting if state else 0
    logger.info("the ledger is up to date", extra={"running": running, "waiting": waiting})
    return {"schedule": name, "running": running, "waiting": waiting}
