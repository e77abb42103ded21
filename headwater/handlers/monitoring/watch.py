"""Once an hour, behind compaction: predictions are counted, days that are over are judged, and alarms are told."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import NAMESPACE, observe
from headwater.settings import FunctionSettings

if TYPE_CHECKING:
    from headwater.monitoring.status import Status
    from headwater.monitoring.watch.service import Watch

CAPABILITY = "monitoring"
logger, tracer, metrics, entry = observe(CAPABILITY)

RESERVE = 90_000
"""Milliseconds that are left when no more is begun: a part or a day that is under way takes less."""
STATES = ("COLLECTING", "NORMAL", "SUSPECT", "ALARM")
"""States as numbers: their positions."""


class Settings(FunctionSettings):
    """Environment of the watch function."""

    predictions_bucket: str
    registry_table: str
    artifacts_bucket: str


def watch() -> Watch:
    """A look with nothing remembered: a version may have been registered since the last one."""
    # Imported here: the deployment reads `Settings` where DuckDB and NumPy needn't be installed.
    from headwater.monitoring.days.store import DayStore
    from headwater.monitoring.days.versions import Versions
    from headwater.monitoring.log.store import CompactionStore
    from headwater.monitoring.watch.service import Watch
    from headwater.monitoring.watch.store import WatchStore
    from headwater.registry.service import Registry
    from headwater.registry.store import ArtifactStore
    from headwater.storage.table import Table

    settings = Settings.from_environment()
    bucket, table = settings.predictions_bucket, Table(settings.registry_table)
    registry = Registry(table)
    versions = Versions(registry, ArtifactStore(settings.artifacts_bucket))
    log, days = CompactionStore(bucket, table), DayStore(bucket, table)
    return Watch(registry, log, days, WatchStore(bucket, table), versions)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look at every model at the schedule's ``time``; ``complete`` says whether time was enough for all of it.

    Of each model that predicted it writes three metrics: ``ModelAlarm``, 1 while somebody should look, ``ModelState``,
    the position among `STATES`, and ``ModelDriftScore``, T of the last day that was judged.
    """

    def stop() -> bool:
        return context.get_remaining_time_in_millis() < RESERVE

    looked = watch().run(datetime.fromisoformat(event["time"]), stop)
    for status in looked.statuses:
        _tell(status)
    for model, counted in looked.counted.items():
        for reason in counted.reasons:
            logger.warning(f"predictions of {model} aren't counted: {reason}", extra={"model": model})
    answer = {
        "models": {status.model: status.state.value for status in looked.statuses},
        "rows": sum(counted.rows for counted in looked.counted.values()),
        "parts": sum(counted.parts for counted in looked.counted.values()),
        "removed": sum(counted.removed for counted in looked.counted.values()),
        "judged": looked.judged,
        "complete": looked.complete,
    }
    logger.info("looked", extra=answer)
    for model, error in looked.failed.items():
        logger.error(f"{model} can't be looked at", exc_info=error, extra={"model": model})
    for error in looked.failed.values():
        # The other models are done; the function's alarm tells of this one.
        raise error
    return answer


def _tell(status: Status) -> None:
    values = {
        "ModelAlarm": int(status.severity.value != "NONE"),
        "ModelState": STATES.index(status.state.value),
        **({} if status.score is None else {"ModelDriftScore": status.score}),
    }
    for name, value in values.items():
        with single_metric(name=name, unit=MetricUnit.NoUnit, value=value, namespace=NAMESPACE) as metric:
            metric.add_dimension("service", CAPABILITY)
            metric.add_dimension("model", status.model)
    if status.severity.value != "NONE":
        logger.warning(f"{status.model} {status.state.value}: {status.reason}", extra={"model": status.model})
