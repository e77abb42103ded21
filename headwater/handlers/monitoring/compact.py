"""Once an hour: the records of the prediction log become tables; those that can't be read go into quarantine."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe, raise_first, time_is_up
from headwater.settings import FunctionSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.monitoring.log.service import Compaction

logger, tracer, metrics, entry = observe("monitoring")

RESERVE = 120_000
"""Milliseconds that are left when no more is begun: a part that is under way takes less."""


class Settings(FunctionSettings):
    """Environment of the compact function."""

    predictions_bucket: str
    registry_table: str


@at_init_from(Settings)
def compaction(settings: Settings) -> Compaction:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.monitoring.log.service import Compaction
    from headwater.monitoring.log.store import CompactionStore
    from headwater.storage.table import Table

    return Compaction(CompactionStore(settings.predictions_bucket, Table(settings.registry_table, CLIENTS), CLIENTS))


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Compact what is due at the schedule's ``time``; ``complete`` says whether time was enough for all of it.

    An alarm watches the metric ``QuarantinedPredictionRecords``: the records that lie in quarantine of the three hours
    before, and any older ones that came into it just now.
    """
    report = compaction().run(datetime.fromisoformat(event["time"]), time_is_up(context, RESERVE))
    metrics.add_metric("QuarantinedPredictionRecords", MetricUnit.Count, report.alarming)
    metrics.add_metric("CompactedPredictions", MetricUnit.Count, report.rows)
    for reason in report.reasons:
        logger.error(f"a record of the prediction log can't be read: {reason}")
    answer = {
        "records": report.records,
        "rows": report.rows,
        "parts": report.parts,
        "torn": report.torn,
        "complete": report.complete,
    }
    logger.info("compacted", extra=answer)
    raise_first(logger, report.failed, "the log of {model} can't be compacted")
    return answer
