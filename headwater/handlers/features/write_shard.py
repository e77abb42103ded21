"""One shard of a view's entities: bring its rows online."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.features.online.sharding import Sharding
    from headwater.features.online.store import OnlineStore

logger, tracer, metrics, entry = observe("features")


class Settings(LakeSettings):
    """Environment of the write shard function."""

    features_table: str


@at_init_from(Settings)
def service(settings: Settings) -> tuple[Sharding, OnlineStore]:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.features.online.sharding import Sharding
    from headwater.features.online.store import OnlineStore

    return Sharding.from_settings(settings, CLIENTS), OnlineStore(settings.features_table, CLIENTS)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the event's ``shard``, an entry of a split's list; the answer says how many items changed."""
    logger.append_keys(run_id=event["run_id"])
    from headwater.features.online.sharding import Shard

    sharding, online = service()
    shard = Shard.model_validate(event["shard"])
    done = sharding.write(shard, online)
    logger.info("shard written", extra={"shard": shard.model_dump(mode="json"), **done.model_dump(mode="json")})
    metrics.add_metric("OnlineItemsWritten", MetricUnit.Count, done.written)
    return done.model_dump(mode="json")
