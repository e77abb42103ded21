"""``POST /lineage``: takes an OpenLineage event of another tool, as Marquez does."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.answers import Answer, answer, body_of
from headwater.handlers.lineage.settings import StackSettings
from headwater.handlers.observability import observe
from headwater.lineage.foreign import Received, names_of
from headwater.lineage.messages import EventAnswer
from headwater.lineage.openlineage.errors import InvalidEvent
from headwater.lineage.openlineage.receiving import receive
from headwater.settings import at_init_from

logger, tracer, metrics, entry = observe("lineage")


class Settings(StackSettings):
    """Environment of the take function."""


@at_init_from(Settings)
def received(settings: Settings) -> Received:
    return Received(settings.places)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Check an event, keep it, and answer 201; the same event sent again is known."""
    return answer(lambda: take(body_of(event, InvalidEvent)), logger, context.aws_request_id, HTTPStatus.CREATED)


def take(body: bytes) -> EventAnswer:
    """Take one event in."""
    found = receive(body, names_of(Settings.from_environment().places))
    new = received().take(found)
    metrics.add_metric("LineageEventsTaken", MetricUnit.Count, int(new))
    logger.info("event taken", extra={"event_id": found.id, "new": new})
    return {"id": found.id, "new": new}
