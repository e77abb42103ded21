"""Once an hour: what the logs of all capabilities tell since the last time goes into the index of lineage."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.graph import Places
from headwater.handlers.observability import observe
from headwater.lineage.service import LineageService
from headwater.settings import FunctionSettings, at_init

logger, tracer, metrics, entry = observe("lineage")

RESERVE = 60_000
"""Milliseconds that are left when no more is begun: for the facts that are under way, and the answer."""


class Settings(FunctionSettings):
    """Environment of the index function."""

    registry_table: str
    lake_bucket: str
    artifacts_bucket: str


@at_init
def service() -> LineageService:
    settings = Settings.from_environment()
    places = Places(
        registry_table=settings.registry_table,
        lake_bucket=settings.lake_bucket,
        artifacts_bucket=settings.artifacts_bucket,
    )
    return LineageService(places)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Bring the index up to date; ``complete`` says whether time was enough for all of it."""
    found = service().catch_up(stop=lambda: context.get_remaining_time_in_millis() < RESERVE)
    metrics.add_metric("LineageFactsIndexed", MetricUnit.Count, found.facts)
    logger.info("indexed", extra=found.model_dump())
    return found.model_dump()
