"""Before Spark runs: write down which pinned files it reads and which view it computes, unless the rows are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.declare import load_catalog
from headwater.handlers.observability import observe
from headwater.settings import FunctionSettings, at_init

if TYPE_CHECKING:
    from headwater.features.spark.runs import SparkSteps

logger, tracer, metrics, entry = observe("features")


class Settings(FunctionSettings):
    """Environment of the describe function."""

    lake_bucket: str
    registry_table: str


@at_init
def service() -> SparkSteps:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.features.spark.runs import SparkSteps

    settings = Settings.from_environment()
    return SparkSteps.over(load_catalog(), bucket=settings.lake_bucket, table=settings.registry_table)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Describe one run's job; the answer has ``job``, where it is, or nothing if the rows are kept already."""
    from headwater.features.spark.jobs import Order

    logger.append_keys(run_id=event["run_id"])
    order = Order.model_validate(event["order"])
    job = service().describe(order, event["run_id"])
    logger.info("job described" if job else "the rows are kept already", extra={"view": order.view, "job": job})
    return {"job": job} if job else {}
