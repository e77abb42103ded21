"""Once an hour: the news of all logs go into the index of lineage, and to others as OpenLineage events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.lineage.settings import StackSettings
from headwater.handlers.observability import observe, time_is_up
from headwater.settings import at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.lineage.emitting import Emitter
    from headwater.lineage.service import LineageService

logger, tracer, metrics, entry = observe("lineage")

RESERVE = 60_000
"""Milliseconds that are left when no more is begun: for the facts that are under way, and the answer."""


class Settings(StackSettings):
    """Environment of the index function."""

    openlineage_url: str = ""
    """Where events are posted; empty: they are kept in S3 only."""
    openlineage_api_key: str = ""


class Services(NamedTuple):
    """Services that live as long as the function's environment."""

    lineage: LineageService
    emitter: Emitter


@at_init_from(Settings)
def services(settings: Settings) -> Services:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.lineage.emitting import Emitter, ToS3, ToUrl, Transport
    from headwater.lineage.projecting import Projection
    from headwater.lineage.service import LineageService
    from headwater.lineage.store import Events

    lineage, places = LineageService(settings.places), settings.places
    transports: list[Transport] = [ToS3(Events(places.artifacts_bucket, CLIENTS))]
    if settings.openlineage_url:
        transports.append(ToUrl(settings.openlineage_url, settings.openlineage_api_key))
    return Services(lineage, Emitter(lineage.index, Projection(places).logs, transports))


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Bring the index up to date, then send events; ``complete`` says whether time was enough for all of it."""
    stop = time_is_up(context, RESERVE)
    indexed = services().lineage.catch_up(stop)
    metrics.add_metric("LineageFactsIndexed", MetricUnit.Count, indexed.facts)
    emitted = services().emitter.emit(stop)
    metrics.add_metric("LineageEventsRefused", MetricUnit.Count, len(emitted.refused))
    metrics.add_metric("LineageEventsUndelivered", MetricUnit.Count, int(bool(emitted.undelivered)))
    if emitted.refused or emitted.undelivered:
        logger.warning("events didn't arrive", extra=emitted.model_dump())
    logger.info("indexed", extra={"indexed": indexed.model_dump(), "events": emitted.events})
    return {**indexed.model_dump(), "emitted": emitted.model_dump()}
