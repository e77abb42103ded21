"""An alias moves to another version, in one write with its log entry."""

from __future__ import annotations

import hashlib
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.declare import Name
from headwater.handlers.observability import observe
from headwater.registry.errors import AliasMoved
from headwater.registry.service import Registry
from headwater.registry.types import Alias, RunId, VersionNumber
from headwater.settings import FunctionSettings, at_init_from
from headwater.storage.environment import CLIENTS
from headwater.values import Value

logger, tracer, metrics, entry = observe("registry")


class Settings(FunctionSettings):
    """Environment of the promote function."""

    registry_table: str


class PromoteRequest(Value):
    """Which alias to move, where to, and what it must point at for that; None: it must not exist yet."""

    model: Name
    alias: Alias
    to: VersionNumber
    expected: VersionNumber | None
    by: str = "training"
    why: str = ""
    run_id: RunId | None = None
    """The run that asks, for the log. None: a person, or a run that began before this field was there."""

    @property
    def write_id(self) -> str:
        """The same for the same decision, so that a task that Step Functions retries finds its own move."""
        return hashlib.sha256(f"{self.model}|{self.alias}|{self.to}|{self.expected}".encode()).hexdigest()[:32]


@at_init_from(Settings)
def registry(settings: Settings) -> Registry:
    """The model registry."""
    return Registry.from_settings(settings, CLIENTS)


@entry
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Move a model's alias, once, and say what it pointed to before.

    If a run asks and the alias points elsewhere by now, nothing is moved, and the answer says ``stale``.
    """
    request = PromoteRequest.model_validate(event)
    logger.append_keys(run_id=request.run_id, model=request.model, version=request.to, alias=request.alias)
    try:
        move = registry().promote(
            request.model,
            alias=request.alias,
            to=request.to,
            expected=request.expected,
            by=request.by,
            why=request.why,
            write_id=request.write_id,
            once=request.run_id is not None,
        )
    except AliasMoved as moved:
        if request.run_id is None:
            raise
        # No error: the run is judged anew, against what serves now.
        logger.info(moved.message)
        return {"stale": moved.message}
    logger.info("the alias moved", extra={"before": move.before, "sequence": move.sequence})
    return move.model_dump(mode="json")
