"""A trained candidate becomes a numbered version: READY, or REJECTED with its reasons."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.observability import observe
from headwater.model import Name
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import CANDIDATE_FILE, Candidate, RunId, Value, run_key
from headwater.settings import FunctionSettings, at_init

logger, tracer, metrics, entry = observe("registry")


class Settings(FunctionSettings):
    """What this function must be told."""

    registry_table: str
    artifacts_bucket: str


class RegisterRequest(Value):
    """Which run's candidate to register."""

    model: Name
    run_id: RunId


@at_init
def services() -> tuple[Registry, ArtifactStore]:
    """The registry and the files of training runs."""
    settings = Settings.from_environment()
    return Registry.from_settings(settings), ArtifactStore(settings.artifacts_bucket)


@entry
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Register a run's candidate, once, and say what became of it and how it is to be promoted."""
    request = RegisterRequest.model_validate(event)
    logger.append_keys(model=request.model, run_id=request.run_id)
    registry, artifacts = services()
    candidate = artifacts.load_newest(run_key(request.model, request.run_id, CANDIDATE_FILE), Candidate)
    version = registry.register(candidate)
    logger.append_keys(version=version.version)
    logger.info("registered", extra={"status": version.status, "reasons": version.reasons})
    return {
        "model": version.model,
        "version": version.version,
        "status": version.status.value,
        "reasons": list(version.reasons),
        "promotion": version.candidate.promotion,
        "champion": version.candidate.champion_version,
    }
