"""Before Spark runs: write down which pinned files it reads and which view it computes, unless the rows are kept."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe
from headwater.handlers.spark_steps import Settings as Settings
from headwater.handlers.spark_steps import service

logger, tracer, metrics, entry = observe("features")


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Describe one run's job; the answer has ``job``, where it is, or nothing if the rows are kept already."""
    from headwater.features.spark.jobs import Order

    logger.append_keys(run_id=event["run_id"])
    order = Order.model_validate(event["order"])
    job = service().describe(order, event["run_id"])
    logger.info("job described" if job else "the rows are kept already", extra={"view": order.view, "job": job})
    return {"job": job} if job else {}
