"""Once a day: does the online store hold what the offline rows say? What differs is logged, counted and alarmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.declare import load_catalog
from headwater.handlers.observability import observe
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.monitoring.parity import Parity

logger, tracer, metrics, entry = observe("monitoring")


class Settings(LakeSettings):
    """Environment of the parity function."""

    artifacts_bucket: str
    features_table: str


@at_init_from(Settings)
def parity(settings: Settings) -> Parity:
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.features.catalog.lineage import Uses
    from headwater.features.online.store import OnlineStore
    from headwater.lake.service import Lake
    from headwater.monitoring.parity import Parity
    from headwater.registry.service import Registry
    from headwater.registry.store import ArtifactStore
    from headwater.storage.table import Table

    catalog = load_catalog()
    registry = Table(settings.registry_table, CLIENTS)
    uses = Uses(Registry(registry), ArtifactStore(settings.artifacts_bucket, CLIENTS))
    online = OnlineStore(settings.features_table, CLIENTS)
    return Parity(catalog, Lake.from_settings(catalog, settings, CLIENTS), online, registry, served=uses.served)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Compare a sample of each view's entities; an alarm watches the metric ``FeatureParityDifferences``."""
    found = parity().check()
    for view in found:
        logger.info("parity checked", extra=view.model_dump(mode="json", exclude={"mismatches"}))
        for mismatch in view.mismatches:
            logger.error(f"online is not offline: {mismatch}", extra=mismatch.model_dump(mode="json"))
    metrics.add_metric("FeatureParityDifferences", MetricUnit.Count, sum(view.different for view in found))
    metrics.add_metric("FeatureParityCompared", MetricUnit.Count, sum(view.sampled for view in found))
    return {"views": [view.model_dump(mode="json") for view in found]}
