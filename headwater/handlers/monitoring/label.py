"""``POST /models/{model}/labels``: takes in what really happened after predictions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.answers import Answer, answer, body_of
from headwater.handlers.observability import observe
from headwater.monitoring.labels import requests
from headwater.monitoring.labels.definitions import Definitions
from headwater.monitoring.labels.errors import InvalidLabels
from headwater.monitoring.labels.messages import LabelsAnswer
from headwater.monitoring.labels.store import LabelStore
from headwater.monitoring.labels.writing import LabelWriter
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.routes import WRITE_LABELS
from headwater.settings import FunctionSettings, at_init_from
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table

logger, tracer, metrics, entry = observe("monitoring")


class Settings(FunctionSettings):
    """Environment of the label function."""

    predictions_bucket: str
    artifacts_bucket: str
    registry_table: str


@at_init_from(Settings)
def writer(settings: Settings) -> LabelWriter:
    table = Table(settings.registry_table, CLIENTS)
    definitions = Definitions(Registry(table), ArtifactStore(settings.artifacts_bucket, CLIENTS))
    return LabelWriter(LabelStore(settings.predictions_bucket, table, CLIENTS), definitions)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Check labels, keep those that are some, and answer 202 with a verdict on each."""
    return answer(lambda: take(event), logger, context.aws_request_id, HTTPStatus.ACCEPTED)


def take(event: dict[str, Any]) -> LabelsAnswer:
    """Take one request's labels in."""
    named = WRITE_LABELS.match(event["requestContext"]["http"]["method"], event["rawPath"])
    if named is None:
        raise InvalidLabels(f"{event['rawPath']}: expected {WRITE_LABELS.key}")
    found = requests.answer(writer(), named["model"], body_of(event, InvalidLabels))
    stored, refused = requests.taken(found)
    metrics.add_metric("LabelsTaken", MetricUnit.Count, stored)
    metrics.add_metric("LabelsRefused", MetricUnit.Count, refused)
    logger.info("labels", extra={"model": named["model"], "taken": stored, "refused": refused})
    return found
