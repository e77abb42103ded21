"""All shards of a run are written: record it as completed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.features.online.sharding import Sharding

logger, tracer, metrics, entry = observe("features")


class Settings(LakeSettings):
    """Environment of the finish function."""


@at_init_from(Settings)
def service(settings: Settings) -> Sharding:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.features.online.sharding import Sharding

    return Sharding.from_settings(settings, CLIENTS)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """End the run of the event's ``assignment``, of which ``split`` says what there was and ``written`` what came."""
    logger.append_keys(run_id=event["run_id"])
    from headwater.features.online.sharding import Assignment, Split

    given, split = Assignment.model_validate(event["assignment"]), Split.model_validate(event["split"])
    done = service().finish(given, split, int(event["written"]))
    logger.info("run finished", extra=done.model_dump(mode="json"))
    return done.model_dump(mode="json")
