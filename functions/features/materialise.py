"""A source has new rows: compute the feature views that stand on it and bring their newest values online."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.observability import observe
from headwater.model import load_catalog
from headwater.settings import FunctionSettings, at_init

if TYPE_CHECKING:
    from headwater.features.service import Features

logger, tracer, metrics, entry = observe("features")


class Settings(FunctionSettings):
    """What this function must be told."""

    lake_bucket: str
    registry_table: str
    features_table: str


@at_init
def service() -> Features:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.features.service import Features
    from headwater.features.store import OnlineStore
    from headwater.lake.service import Lake

    settings = Settings.from_environment()
    catalog = load_catalog()
    lake = Lake(catalog, bucket=settings.lake_bucket, table=settings.registry_table)
    return Features(catalog, lake, online=OnlineStore(settings.features_table))


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Materialise every view of ``event["source"]`` whose other sources have data as well."""
    # A run that began before machines said their id doesn't know it.
    logger.append_keys(run_id=event.get("run_id"), source=event["source"])
    done = service().materialise_source(event["source"])
    for result in done:
        logger.info("view materialised", extra=result.model_dump(mode="json"))
    metrics.add_metric("OnlineItemsWritten", MetricUnit.Count, sum(result.written for result in done))
    return {"views": [result.model_dump(mode="json") for result in done]}
