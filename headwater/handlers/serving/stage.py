"""A new version answers its golden requests through the deployed predict function before it may serve."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.declare import Name
from headwater.handlers.observability import observe
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import RunId, VersionNumber
from headwater.serving.staging import Staging
from headwater.serving.store import PredictFunction
from headwater.settings import FunctionSettings, at_init_from
from headwater.storage.environment import CLIENTS
from headwater.values import Value

logger, tracer, metrics, entry = observe("serving")


class Settings(FunctionSettings):
    """Environment of the stage function."""

    registry_table: str
    artifacts_bucket: str
    predict_function: str


class StageRequest(Value):
    """Which version to stage."""

    model: Name
    version: VersionNumber
    run_id: RunId | None = None
    """The run that asks, for the log. None: a person, or a run that began before this field was there."""


@at_init_from(Settings)
def staging(settings: Settings) -> Staging:
    """The registry, the golden requests and the function that must answer them."""
    return Staging(
        Registry.from_settings(settings, CLIENTS),
        ArtifactStore(settings.artifacts_bucket, CLIENTS),
        PredictFunction(settings.predict_function, CLIENTS),
    )


@entry
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Stage a version; an answer that differs from the training run's is an error, and the alias is put back."""
    request = StageRequest.model_validate(event)
    logger.append_keys(run_id=request.run_id, model=request.model, version=request.version)
    report = staging().stage(request.model, request.version)
    logger.info("the golden requests were answered as expected", extra=report.model_dump())
    return report.model_dump(mode="json")
