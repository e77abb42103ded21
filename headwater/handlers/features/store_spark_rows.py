"""After Spark ran: keep the rows that it left as the view's, or say why there are none."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe
from headwater.handlers.spark_steps import Settings as Settings
from headwater.handlers.spark_steps import service

logger, tracer, metrics, entry = observe("features")


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
