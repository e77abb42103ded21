"""A view has more to do than one function can: write what is due in shards, and a list of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.declare import load_catalog
from headwater.handlers.observability import observe
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.features.service import Features

logger, tracer, metrics, entry = observe("features")


class Settings(LakeSettings):
    """Environment of the split function."""

    shard_entities: int
    """Entities in a shard, but for the last."""


@at_init_from(Settings)
def service(settings: Settings) -> Features:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.features.service import Features
    from headwater.lake.service import Lake

    catalog = load_catalog()
    return Features(catalog, Lake.from_settings(catalog, settings, CLIENTS))


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Split the run of the event's ``assignment``; the answer names the list, and how many shards it has."""
    logger.append_keys(run_id=event["run_id"])
    from headwater.features.online.sharding import Assignment

    given = Assignment.model_validate(event["assignment"])
    split = service().split(given, shard_entities=Settings.from_environment().shard_entities)
    logger.info("run split", extra={"view": given.view, **split.model_dump(mode="json")})
    return split.model_dump(mode="json")
