"""After Spark ran: keep the rows that it left as the view's, or say why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.declare import load_catalog
from headwater.handlers.observability import observe
from headwater.settings import FunctionSettings, at_init

if TYPE_CHECKING:
    from headwater.features.spark.runs import SparkSteps

logger, tracer, metrics, entry = observe("features")


class Settings(FunctionSettings):
    """Environment of the keep function."""

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
    """Keep one run's rows; the event has the ``failure`` of the job if it failed, and the run fails with its reason."""
    from headwater.features.spark.jobs import Order

    logger.append_keys(run_id=event["run_id"])
    order = Order.model_validate(event["order"])
    rows = service().keep(order, event["run_id"], event.get("failure"))
    metrics.add_metric("SparkRowsKept", MetricUnit.Count, rows)
    logger.info("rows kept", extra={"view": order.view, "rows": rows})
    return {"rows": rows}
