"""A collector's turn: fetch what is new where it is, batch by batch, and let it land as an upload does."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.clock import utc_now
from headwater.collecting.errors import CollectFailed
from headwater.collecting.service import Collecting, Order, Tick
from headwater.declare import load_catalog
from headwater.handlers.observability import observe
from headwater.settings import LakeSettings, at_init
from headwater.storage.environment import CLIENTS
from headwater.storage.secrets import Secrets

logger, tracer, metrics, entry = observe("collecting")


class Settings(LakeSettings):
    """Environment of the collect function."""


settings = at_init(Settings.from_environment)
catalog = at_init(load_catalog)
secrets = Secrets(CLIENTS)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Go on with a run: ``{"collector", "run_id", "tick": {"tick", "interval"}}``; ``complete`` says if it is over."""
    order = Order.model_validate(event)
    collector = catalog().collector(order.collector)
    logger.append_keys(collector=collector.name, source=collector.source, run_id=order.run_id)
    collecting = Collecting.from_settings(collector, settings(), CLIENTS, secret=secrets, now=utc_now, pause=time.sleep)
    try:
        outcome = collecting.run(
            order.run_id, Tick.given(order.tick), seconds_left=lambda: context.get_remaining_time_in_millis() / 1000
        )
    except CollectFailed:
        # A password may have been changed since it was read: the next try has the new one.
        secrets.forget()
        raise
    metrics.add_metric("RowsCollected", MetricUnit.Count, outcome.rows)
    logger.info("collected", extra={"outcome": outcome.model_dump(mode="json")})
    return outcome.model_dump(mode="json")
