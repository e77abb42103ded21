"""A file that landed becomes curated rows and a commit, unless it breaks its contract; or files are made again.

What is too large for a function is done by the container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.deployed import deployed_catalog
from headwater.errors import HeadwaterError
from headwater.handlers.observability import observe
from headwater.lake.types import ReingestOrder, Upload
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.lake.service import Lake

logger, tracer, metrics, entry = observe("lake")


class Settings(LakeSettings):
    """Environment of the ingest function."""

    code_version: str
    """The hash of the bundle that this function is in."""


@at_init_from(Settings)
def service(settings: Settings) -> Lake:
    # Imported here: the deployment reads `Settings` where DuckDB and pandas needn't be installed.
    from headwater.lake.service import Lake

    return Lake.from_settings(deployed_catalog(), settings, CLIENTS, code_version=settings.code_version)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Validate, curate and commit one upload, or make a source's files again if they are small."""
    if "reingest" in event:
        return _reingest(ReingestOrder.model_validate(event["reingest"]), event["run_id"])
    upload = Upload.model_validate(event["upload"])
    logger.append_keys(run_id=upload.id, source=upload.source)
    ingestion = service().ingest(upload)
    metrics.add_metric("RowsIngested", MetricUnit.Count, ingestion.rows_out)
    metrics.add_metric("RowsQuarantined", MetricUnit.Count, ingestion.rows_rejected)
    logger.info("file ingested", extra={"ingestion": ingestion.model_dump(mode="json")})
    try:
        if done := service().catch_up(upload.source, upload.id):
            logger.info("source made again", extra={"reingestion": done.model_dump(mode="json")})
    except HeadwaterError as error:
        # The file itself is in; whoever reads the source is told what to do.
        logger.warning("older files aren't made again", extra={"reason": error.reason, "said": error.message})
    return ingestion.model_dump(mode="json")


def _reingest(order: ReingestOrder, run_id: str) -> dict[str, Any]:
    logger.append_keys(run_id=run_id, source=order.source)
    done = service().reingest(order, run_id, small=not order.dry_run)
    if done is None:
        logger.info("too much for a function")
        return {"complete": False}
    logger.info("source made again", extra={"reingestion": done.model_dump(mode="json")})
    return {"complete": True, "status": done.status.value, "commit": done.commit}
