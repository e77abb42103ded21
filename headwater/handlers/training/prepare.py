"""The first step of a training run: pin the data and write the point-in-time training set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.deployed import deployed_catalog
from headwater.handlers.observability import observe
from headwater.registry.starting import StartedBy
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.training.prepare import Preparation

logger, tracer, metrics, entry = observe("training")


class Settings(LakeSettings):
    """Environment of the prepare function."""

    artifacts_bucket: str
    spark_arn: str = ""
    """The machine that runs Spark; empty: there is none."""


@at_init_from(Settings)
def service(settings: Settings) -> Preparation:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.training.prepare import Preparation

    return Preparation.over(
        deployed_catalog(),
        CLIENTS,
        lake_bucket=settings.lake_bucket,
        registry_table=settings.registry_table,
        artifacts_bucket=settings.artifacts_bucket,
        spark_arn=settings.spark_arn,
    )


def _started_by(event: dict[str, Any]) -> StartedBy | None:
    found = StartedBy.read(given := event.get("started_by"))
    if given and not found:
        # By hand, or by a client of another version: no reason not to train.
        logger.warning("who started the run can't be read", extra={"started_by": str(given)[:500]})
    return found


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Prepare one run, or answer what it ``waits`` for; a second call for the same run changes nothing."""
    from headwater.features.errors import WaitsForSpark

    logger.append_keys(run_id=event["run_id"], model=event["model"])
    try:
        prepared = service().prepare(event["model"], event["run_id"], started_by=_started_by(event))
    except WaitsForSpark as waiting:
        # No error: the run asks again.
        logger.info(waiting.message)
        return {"waits": waiting.message}
    metrics.add_metric("TrainingRows", MetricUnit.Count, prepared.rows)
    logger.info("training set ready", extra=prepared.model_dump(mode="json"))
    return prepared.model_dump(mode="json")
