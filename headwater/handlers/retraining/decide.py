"""Decides whether a model is trained again: asked by schedules, alarms and people, and once an hour by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.deployed import deployed_catalog
from headwater.handlers.observability import observe, raise_first
from headwater.retraining.asking import Question
from headwater.retraining.errors import NoSuchModel
from headwater.retraining.types import Outcome, RetrainState
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.retraining.service import Policies

logger, tracer, metrics, entry = observe("retraining")


class Settings(LakeSettings):
    """Environment of the decide function."""

    artifacts_bucket: str
    training_arn: str
    vcpus: float
    memory_mib: float
    """The container's size: what a training costs."""


@at_init_from(Settings)
def policies(settings: Settings) -> Policies:
    """The policies of all models."""
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.lake.service import Lake
    from headwater.monitoring.watch.records import WatchRecords
    from headwater.registry.service import Registry
    from headwater.registry.store import ArtifactStore
    from headwater.retraining.service import Policies, Size
    from headwater.retraining.standing import StandingReader
    from headwater.retraining.store import RetrainStore, Trainings
    from headwater.storage.table import Table

    settings, catalog = settings, deployed_catalog()
    table = Table(settings.registry_table, CLIENTS)
    store = RetrainStore(table)
    standing = StandingReader(
        catalog,
        Lake(catalog, CLIENTS, bucket=settings.lake_bucket, table=table),
        Registry(table),
        ArtifactStore(settings.artifacts_bucket, CLIENTS),
        WatchRecords(table),
        store,
    )
    trainings = Trainings(settings.training_arn, settings.artifacts_bucket, CLIENTS)
    return Policies(catalog, store, trainings, standing, Size(settings.vcpus, settings.memory_mib))


@entry
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Answer a question, follow a training that ended, or look at every model.

    A question is ``{"model": ..., "ask": {...}}`` (`headwater.retraining.asking.Question`). Events of state machines
    and hourly ticks only say that it is time to look: what is found doesn't depend on them.
    """
    if "model" in event:
        return _answer(Question.model_validate(event))
    failed: dict[str, Exception] = {}
    if (name := _model_of(event.get("detail") or {})) and name in policies().models:
        states = [policies().look(name)]
    else:
        states, failed = policies().look_at_all()
    for state in states:
        _tell(state)
    expired = sum(state.last is not None and state.last.outcome is Outcome.EXPIRED for state in states)
    if expired:
        metrics.add_metric("RetrainingsExpired", MetricUnit.Count, expired)
    raise_first(logger, failed, "{model} can't be looked at")
    return {"models": {state.model: state.phase.value for state in states}}


def _answer(question: Question) -> dict[str, Any]:
    logger.append_keys(model=question.model)
    try:
        if question.ask is None:
            return {"policy": policies().policy(question.model).model_dump(mode="json")}
        decision = policies().ask(question.model, question.ask)
    except NoSuchModel as error:
        return {"refused": error.message}
    logger.info(str(decision), extra={"verdict": decision.verdict.value, "code": decision.code, "kind": decision.kind})
    metrics.add_metric(f"Retrainings{decision.verdict.value.capitalize()}", MetricUnit.Count, 1)
    return {"decision": decision.model_dump(mode="json")}


def _model_of(detail: dict[str, Any]) -> str:
    """The model of a training that ended; empty for every other event."""
    try:
        return str(json.loads(detail.get("input") or "{}")["model"])
    except (ValueError, KeyError, TypeError):
        return ""


def _tell(state: RetrainState) -> None:
    if state.blocked is not None:
        logger.info(f"{state.model} isn't trained: {state.blocked.words}", extra={"model": state.model})
