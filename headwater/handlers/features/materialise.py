"""A source has new rows, or it is time: bring what changed of the feature views online; hands over what is too much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.declare import load_catalog
from headwater.deployed import deployed_catalog
from headwater.handlers.observability import observe
from headwater.settings import LakeSettings, at_init, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.declare import Catalog
    from headwater.features.catalog.freshness import Freshness, ViewAge
    from headwater.features.online.records import Materialised
    from headwater.features.service import Features
    from headwater.storage.executions import Executions

logger, tracer, metrics, entry = observe("features")

RESERVE = 60_000
"""Milliseconds that are left when no more is begun: for what is under way, with its retries, and the answer."""


class Settings(LakeSettings):
    """Environment of the materialise function."""

    artifacts_bucket: str
    features_table: str
    materialisation_arn: str
    """The machine that does what is too much for this function."""
    distribute_above: int
    """Entities to do; a view with more is handed to the machine."""
    spark_arn: str = ""
    """The machine that runs Spark; empty: there is none."""


# In front of what calls it: in Lambda services are made while this module is imported.
def _features(catalog: Catalog) -> Features:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.features.catalog.lineage import Uses
    from headwater.features.online.store import OnlineStore
    from headwater.features.service import Features
    from headwater.features.spark.runs import SparkRuns
    from headwater.lake.service import Lake
    from headwater.registry.service import Registry
    from headwater.registry.store import ArtifactStore

    settings = Settings.from_environment()
    lake = Lake.from_settings(catalog, settings, CLIENTS)
    uses = Uses(Registry.from_settings(settings, CLIENTS), ArtifactStore(settings.artifacts_bucket, CLIENTS))
    spark = SparkRuns(settings.spark_arn, CLIENTS) if settings.spark_arn else None
    return Features(
        catalog, lake, online=OnlineStore(settings.features_table, CLIENTS), served=uses.served, spark=spark
    )


@at_init
def service() -> Features:
    """For a source or view that the event names."""
    return _features(deployed_catalog())


@at_init
def products() -> Features:
    """For all views of the project's own products."""
    return _features(load_catalog())


@at_init_from(Settings)
def freshness(settings: Settings) -> Freshness:
    from headwater.features.catalog.freshness import Freshness
    from headwater.storage.table import Table

    return Freshness(load_catalog().views.values(), Table(settings.registry_table, CLIENTS))


@at_init_from(Settings)
def executions(settings: Settings) -> Executions:
    from headwater.storage.executions import Executions

    return Executions(settings.materialisation_arn, CLIENTS)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Materialise the views of a source, one view, or all; asked again, go on where time ran out.

    The event has ``source`` (the views that stand on it, and their versions that models serve), ``view`` (with
    ``version``, if another definition than the declared one is meant, and ``full``, if every entity is to be looked
    at), or neither: every view, and then it is counted which of them are late. A view that has too much to do is handed
    to the materialisation machine (with ``distributed``, each view that has anything to do), and so is what there was
    no time for, unless the event has ``source``: who sends that sends it again. The answer's ``complete`` says whether
    that is necessary.
    """
    # A run that began before machines said their id doesn't know it.
    logger.append_keys(run_id=event.get("run_id"), source=event.get("source"))
    from headwater.features.online.handoff import HandOver
    from headwater.features.online.materialising import MaterialiseOptions

    options = MaterialiseOptions(
        full=bool(event.get("full")),
        stop=lambda: context.get_remaining_time_in_millis() < RESERVE,
        hand_over=HandOver(
            executions=executions(),
            above=Settings.from_environment().distribute_above,
            unfinished="source" not in event,
            at_once=bool(event.get("distributed")),
        ),
    )
    if "source" in event:
        done = service().materialise_source(event["source"], options)
    elif "view" in event:
        done = [service().materialise_view(event["view"], event.get("version"), options=options)]
    else:
        try:
            done = products().materialise_all(options)
        finally:
            # What couldn't be brought up to date is late all the same.
            count_late_views(freshness().ages())
    for result in done:
        log = logger.warning if result.skipped else logger.info
        log(_outcome(result), extra=result.model_dump(mode="json"))
    metrics.add_metric("OnlineItemsWritten", MetricUnit.Count, sum(result.written for result in done))
    return {
        "views": [result.model_dump(mode="json") for result in done],
        "complete": all(result.complete or result.execution for result in done),
    }


def _outcome(result: Materialised) -> str:
    if result.skipped:
        return "view skipped"
    return "view handed over" if result.execution else "view materialised"


def count_late_views(ages: Sequence[ViewAge]) -> None:
    """Log how old each view is that declares a freshness; an alarm watches the metric ``FeatureViewsLate``."""
    for age in ages:
        log = logger.warning if age.late else logger.info
        log(f"view {age.view} is {'late' if age.late else 'fresh'}", extra=age.model_dump(mode="json"))
    if ages:
        # Ages by view are a property of the metrics' line, to be searched; as metrics each would cost every month.
        metrics.add_metadata("view_age_seconds", {age.view: age.age_seconds for age in ages})
        metrics.add_metric("FeatureViewsLate", MetricUnit.Count, sum(age.late for age in ages))
