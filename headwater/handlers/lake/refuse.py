"""An ingestion failed: say so in the registry and hand on its cause in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe
from headwater.lake.types import Upload
from headwater.settings import FunctionSettings, at_init_from
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table

if TYPE_CHECKING:
    from headwater.lake.refusal import Refusals

logger, tracer, metrics, entry = observe("lake")


class Settings(FunctionSettings):
    """Environment of the refuse function."""

    registry_table: str


@at_init_from(Settings)
def service(settings: Settings) -> Refusals:
    from headwater.lake.refusal import Refusals

    return Refusals(Table(settings.registry_table, CLIENTS))


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record the failure unless ingestion could do so itself; answer as Step Functions' ``Error`` and ``Cause``."""
    upload = Upload.model_validate(event["upload"])
    logger.append_keys(run_id=upload.id, source=upload.source)
    refusal = service().record(upload, error=event["error"])
    metrics.add_metric("FilesRefused", MetricUnit.Count, 1)
    logger.error("file refused", extra={"error": refusal.error, "cause": refusal.cause})
    return {"Error": refusal.error, "Cause": refusal.cause}
