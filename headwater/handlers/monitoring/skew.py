"""Once a day: did yesterday's predictions see the features that training would have? What differs raises an alarm."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.monitoring.skew import SkewMeasure
    from headwater.serving.store import PredictionStore

logger, tracer, metrics, entry = observe("monitoring")

REQUESTS = 1000
"""Requests of a model that are compared, spread over the day."""


class Settings(LakeSettings):
    """Environment of the skew function."""

    artifacts_bucket: str
    predictions_bucket: str
    alarming_share: float
    """Share of a feature's predictions above which an alarm goes off, and what differs is logged as an error."""


class Services(NamedTuple):
    """Services that live as long as the function's environment."""

    measure: SkewMeasure
    log: PredictionStore
    alarming_share: float


@at_init_from(Settings)
def services(settings: Settings) -> Services:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.monitoring.skew import SkewMeasure
    from headwater.registry.store import ArtifactStore
    from headwater.serving.store import PredictionStore
    from headwater.storage.table import Table

    artifacts = ArtifactStore(settings.artifacts_bucket, CLIENTS)
    measure = SkewMeasure(Table(settings.registry_table, CLIENTS), artifacts, settings.lake_bucket, CLIENTS)
    return Services(measure, PredictionStore(settings.predictions_bucket, CLIENTS), settings.alarming_share)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Measure the skew of a day: ``day``, or the one before the schedule's ``time``.

    An alarm watches the metric ``FeatureSkew``, the largest share of any feature of any model that day. On a day
    without predictions there is none.
    """
    measure, log, alarming = services()
    day = date.fromisoformat(event["day"]) if "day" in event else _before(event["time"])
    found, failed = measure.measure_all(log, day, limit=REQUESTS)
    for model, why in failed.items():
        logger.warning(f"skew of {model} can't be measured: {why}", extra={"model": model, "day": day.isoformat()})
    for skew in found:
        logger.info("skew measured", extra=skew.model_dump(mode="json"))
        for feature in skew.telling:
            if feature.share > alarming:
                said = (
                    f"{feature.feature} of {skew.model} was skewed in {feature.share:.1%} of {feature.compared} cases"
                )
                logger.error(said, extra={"model": skew.model, **feature.model_dump(mode="json")})
    if shares := [feature.share for skew in found for feature in skew.telling]:
        metrics.add_metric("FeatureSkew", MetricUnit.NoUnit, max(shares))
    return {"day": day.isoformat(), "models": [skew.model_dump(mode="json") for skew in found], "failed": failed}


def _before(time: str) -> date:
    return datetime.fromisoformat(time).date() - timedelta(days=1)
