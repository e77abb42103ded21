"""Once an hour, behind compaction: predictions are counted, days that are over are judged, and alarms are told."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.deployed import deployed_catalog
from headwater.handlers.observability import NAMESPACE, observe, raise_first, time_is_up
from headwater.monitoring.dashboards.cloudwatch import metrics_of
from headwater.settings import LakeSettings
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.monitoring.status import Status
    from headwater.monitoring.watch.service import Watch

CAPABILITY = "monitoring"
logger, tracer, metrics, entry = observe(CAPABILITY)

RESERVE = 90_000
"""Milliseconds that are left when no more is begun: a part or a day that is under way takes less."""


class Settings(LakeSettings):
    """Environment of the watch function."""

    predictions_bucket: str
    artifacts_bucket: str


def watch() -> Watch:
    """A look with nothing remembered: a version may have been registered since the last one."""
    # Imported here: the deployment reads `Settings` where DuckDB and NumPy needn't be installed.
    from headwater.monitoring.days.service import Days
    from headwater.monitoring.days.store import DayStore
    from headwater.monitoring.days.versions import Versions
    from headwater.monitoring.labels.service import Labels
    from headwater.monitoring.labels.store import LabelStore
    from headwater.monitoring.log.store import CompactionStore
    from headwater.monitoring.watch.performance import PerformanceLook
    from headwater.monitoring.watch.service import Watch
    from headwater.monitoring.watch.signs import LabelSigns
    from headwater.monitoring.watch.store import WatchStore
    from headwater.registry.service import Registry
    from headwater.registry.store import ArtifactStore
    from headwater.storage.table import Table

    settings = Settings.from_environment()
    bucket, table = settings.predictions_bucket, Table(settings.registry_table, CLIENTS)
    registry, artifacts = Registry(table), ArtifactStore(settings.artifacts_bucket, CLIENTS)
    versions, store = Versions(registry, artifacts), WatchStore(bucket, table, CLIENTS)
    log, days = CompactionStore(bucket, table, CLIENTS), DayStore(bucket, table, CLIENTS)

    def labels(model: str, now: datetime) -> Labels:
        return Labels(
            model,
            CLIENTS,
            registry=table,
            artifacts=artifacts,
            predictions_bucket=bucket,
            lake_bucket=settings.lake_bucket,
            now=lambda: now,
        )

    performance = PerformanceLook(
        registry,
        artifacts,
        store,
        lambda: Days(log, days, versions),
        labels,
        LabelSigns(LabelStore(bucket, table, CLIENTS), table),
        deployed_catalog().models.get,
    )
    return Watch(registry, log, days, store, versions, performance)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look at every model at the schedule's ``time``; ``complete`` says whether time was enough for all of it.

    Of each model that predicted it writes the metrics that dashboards ask for
    (`headwater.monitoring.dashboards.cloudwatch.metrics_of`), such as ``ModelAlarm``, 1 while somebody should look.
    """
    looked = watch().run(datetime.fromisoformat(event["time"]), time_is_up(context, RESERVE))
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
    raise_first(logger, looked.failed, "{model} can't be looked at")
    return answer


def _tell(status: Status) -> None:
    for name, value in metrics_of(status).items():
        with single_metric(name=name, unit=MetricUnit.NoUnit, value=value, namespace=NAMESPACE) as metric:
            metric.add_dimension("service", CAPABILITY)
            metric.add_dimension("model", status.model)
    if status.severity.value != "NONE":
        logger.warning(f"{status.model} {status.state.value}: {status.reason}", extra={"model": status.model})
    for note in status.notes:
        logger.info(f"{status.model}: {note}", extra={"model": status.model})
