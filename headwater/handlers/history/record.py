"""EventBridge says that Pulumi's backend wrote a file of an update: keep what it says in the infrastructure history."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe
from headwater.history.service import UpdateHistory
from headwater.history.types import HistoryFile
from headwater.settings import FunctionSettings, at_init
from headwater.storage.environment import CLIENTS

logger, tracer, metrics, entry = observe("history")


class Settings(FunctionSettings):
    """Environment of the record function."""

    state_bucket: str
    """Where Pulumi's backend writes."""
    registry_table: str
    artifacts_bucket: str


service = at_init(lambda: UpdateHistory.from_settings(Settings.from_environment(), CLIENTS))


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record one file; what isn't a file of an update, such as one of the layout before projects, is left alone."""
    key = event["detail"]["object"]["key"]
    file = HistoryFile.parse(key)
    if file is None:
        logger.info("not a file of an update", extra={"key": key})
        return {"key": key, "recorded": False}
    logger.append_keys(of=str(file.of), ns=file.ns)
    recorded = service().record(file)
    metrics.add_metric("UpdateFilesRecorded", MetricUnit.Count, int(recorded))
    logger.info("recorded" if recorded else "the history knows it already", extra={"key": key})
    return {"key": key, "recorded": recorded}
