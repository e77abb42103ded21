"""Once an hour: what was streamed to feature views becomes commits, which training sees; stops before its own end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.features.stream.commits import StreamCommitter

logger, tracer, metrics, entry = observe("features")

RESERVE = 120_000
"""Milliseconds that are left when no more is begun: for the batch that is under way, and the answer."""


class Settings(LakeSettings):
    """Environment of the collect function."""


@at_init_from(Settings)
def collector(settings: Settings) -> StreamCommitter:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.declare import catalog
    from headwater.features.stream.commits import StreamCommitter
    from headwater.lake.service import Lake
    from headwater.lake.store import Arrivals

    # Rows of a view that isn't declared any more are committed too: no declaration is asked for.
    lake = Lake.from_settings(catalog([]), settings, CLIENTS)
    return StreamCommitter(lake, Arrivals(settings.lake_bucket, CLIENTS))


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Commit what arrived, view by view; ``complete`` says whether time was enough for all of it."""
    found = collector().commit_all(stop=lambda: context.get_remaining_time_in_millis() < RESERVE)
    for view in found:
        logger.info("streamed rows committed", extra=view.model_dump())
    metrics.add_metric("StreamedCallsCommitted", MetricUnit.Count, sum(view.calls for view in found))
    return {"views": [view.model_dump() for view in found], "complete": all(view.complete for view in found)}
