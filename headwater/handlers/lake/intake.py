"""EventBridge says that S3 created an object under ``landing/``: start its ingestion, once."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe
from headwater.lake.intake import Intake
from headwater.lake.types import Upload
from headwater.settings import FunctionSettings, at_init
from headwater.storage.environment import CLIENTS

logger, tracer, metrics, entry = observe("lake")


class Settings(FunctionSettings):
    """Environment of the intake function."""

    ingestion_arn: str
    """The ingestion state machine."""


service = at_init(lambda: Intake(Settings.from_environment().ingestion_arn, CLIENTS))


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start the state machine for an upload; an upload whose run exists already is left alone."""
    upload = Upload.from_event(event)
    logger.append_keys(run_id=upload.id, source=upload.source)
    started = service().start(upload)
    metrics.add_metric("IngestionsStarted", MetricUnit.Count, int(started))
    logger.info("ingestion started" if started else "this upload has its run already", extra={"key": upload.key})
    return {"run_id": upload.id, "started": started}
