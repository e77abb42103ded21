"""A trained candidate becomes a numbered version: READY, or REJECTED with its reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.declare import Name
from headwater.handlers.observability import observe
from headwater.registry.errors import ChampionMoved
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import RunId
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.values import Value

if TYPE_CHECKING:
    from headwater.training.registration import Registration

logger, tracer, metrics, entry = observe("registry")


class Settings(LakeSettings):
    """Environment of the register function."""

    artifacts_bucket: str


class RegisterRequest(Value):
    """Which run's candidate to register."""

    model: Name
    run_id: RunId


@at_init_from(Settings)
def service(settings: Settings) -> Registration:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.training.registration import Registration
    from headwater.versions.service import Versions

    return Registration(
        Registry.from_settings(settings, CLIENTS),
        ArtifactStore(settings.artifacts_bucket, CLIENTS),
        Versions(settings.lake_bucket, Table(settings.registry_table, CLIENTS), CLIENTS),
    )


@entry
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Commit and register a run's candidate, once, and say what became of it and how it is to be promoted.

    If another version serves than the one it was judged against, nothing is registered, and the answer says ``stale``.
    """
    request = RegisterRequest.model_validate(event)
    logger.append_keys(model=request.model, run_id=request.run_id)
    try:
        version = service().register(request.model, request.run_id)
    except ChampionMoved as moved:
        # No error: the run is judged anew.
        logger.info(moved.message)
        return {"stale": moved.message}
    logger.append_keys(version=version.version)
    warnings = list(version.candidate.warnings)
    logger.info(
        "registered",
        extra={
            "status": version.status,
            "reasons": version.reasons,
            "warnings": warnings,
            "commit": version.commit,
        },
    )
    return {
        "model": version.model,
        "version": version.version,
        "status": version.status.value,
        "reasons": list(version.reasons),
        "warnings": warnings,
        "promotion": "automatic" if version.candidate.promotes_itself else "manual",
        "champion": version.candidate.champion_version,
    }
