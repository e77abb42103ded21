"""Once an hour: did something land that no event told of? Its ingestion starts now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe
from headwater.lake.sweep import Sweep
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table

logger, tracer, metrics, entry = observe("lake")


class Settings(LakeSettings):
    """Environment of the sweep function."""

    ingestion_arn: str
    """The ingestion state machine."""


@at_init_from(Settings)
def service(settings: Settings) -> Sweep:
    return Sweep(settings.lake_bucket, Table(settings.registry_table, CLIENTS), settings.ingestion_arn, CLIENTS)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start the ingestion of uploads of the last hours that have none; with ``{"everything": true}`` of all uploads."""
    started = service().sweep(datetime.now(UTC), everything=bool(event.get("everything")))
    metrics.add_metric("UploadsSwept", MetricUnit.Count, len(started))
    for upload in started:
        logger.warning("no event told of this upload: its ingestion starts now", extra={"key": upload.key})
    return {"started": [{"run_id": upload.id, "key": upload.key} for upload in started]}
