"""The whole stack: every component once, in the order in which they stand on each other."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from headwater.infra.alarm_manager import AlarmManager, AlarmManagerArgs
from headwater.infra.alarms import AlarmTopic, DeadLetters
from headwater.infra.buckets import Account, Expiry, PrivateBucket, PrivateBucketArgs
from headwater.infra.code import Bundles
from headwater.infra.config import Config
from headwater.infra.containers import Containers, ContainersArgs
from headwater.infra.description import describe
from headwater.infra.distribution import Distribution, DistributionArgs
from headwater.infra.features import Materialisation, MaterialisationArgs
from headwater.infra.function import Foundation
from headwater.infra.grants import Grant
from headwater.infra.images import ImageRepository, ImageRepositoryArgs
from headwater.infra.ingestion import Ingestion, IngestionArgs, grant_ingest
from headwater.infra.lake import QUARANTINE, SHARDS
from headwater.infra.ledger import InfrastructureLedger, InfrastructureLedgerArgs
from headwater.infra.network import Network
from headwater.infra.parity import FeatureParity, FeatureParityArgs
from headwater.infra.serving import Serving, ServingArgs
from headwater.infra.skew import FeatureSkew, FeatureSkewArgs
from headwater.infra.spark import PYTHON, SCRATCH, Spark, SparkArgs, machine_arn
from headwater.infra.streaming import Streaming, StreamingArgs
from headwater.infra.tables import MODELS, Table, TableArgs
from headwater.infra.training import RUNS, Schedules, SchedulesArgs, Training, TrainingArgs
from headwater.model import Catalog

MATERIALISE = "features-materialise"


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Where everything is kept."""

    lake: PrivateBucket
    artifacts: PrivateBucket
    predictions: PrivateBucket
    features: Table
    registry: Table


def build_stack(config: Config, catalog: Catalog) -> None:
    """Declare every resource of the stack and what it says of itself."""
    account = Account.current()
    storage = _storage(config, account)
    topic = AlarmTopic("alarms", account=account)
    spark = any(view.engine == "spark" for view in catalog.views.values()) if config.spark is None else config.spark
    foundation = Foundation(
        config=config,
        code=Bundles("code", config=config, bucket=storage.artifacts, spark=PYTHON if spark else None).code,
        topic=topic,
        dead_letters=DeadLetters("dead-letters", account=account, topic=topic),
    )
    AlarmManager("alarm-manager", AlarmManagerArgs(foundation=foundation, registry=storage.registry))
    containers = _containers(foundation, account, storage)
    serving = Serving(
        "serving",
        ServingArgs(
            foundation=foundation,
            artifacts=storage.artifacts,
            predictions=storage.predictions,
            registry=storage.registry,
            features=storage.features,
        ),
    )
    distribution = Distribution(
        "materialisation",
        DistributionArgs(
            foundation=foundation,
            account=account,
            lake=storage.lake,
            registry=storage.registry,
            features=storage.features,
            caller=MATERIALISE,
        ),
    )
    materialisation = Materialisation(
        MATERIALISE,
        MaterialisationArgs(
            foundation=foundation,
            account=account,
            lake=storage.lake,
            artifacts=storage.artifacts,
            registry=storage.registry,
            features=storage.features,
            machine=distribution.machine,
            views=catalog.views,
            spark=spark,
        ),
    )
    if spark:
        Spark(
            "spark",
            SparkArgs(
                foundation=foundation,
                account=account,
                lake=storage.lake,
                artifacts=storage.artifacts,
                registry=storage.registry,
                materialise=materialisation.function,
            ),
        )
    Streaming(
        "features-stream",
        StreamingArgs(
            foundation=foundation,
            serving=serving,
            features=storage.features,
            lake=storage.lake,
            registry=storage.registry,
        ),
    )
    ingestion = Ingestion(
        "ingestion",
        IngestionArgs(
            foundation=foundation,
            lake=storage.lake,
            registry=storage.registry,
            materialise=materialisation.function,
            containers=containers,
        ),
    )
    FeatureParity(
        "features-parity",
        FeatureParityArgs(
            foundation=foundation,
            lake=storage.lake,
            artifacts=storage.artifacts,
            registry=storage.registry,
            features=storage.features,
        ),
    )
    FeatureSkew(
        "features-skew",
        FeatureSkewArgs(
            foundation=foundation,
            lake=storage.lake,
            artifacts=storage.artifacts,
            predictions=storage.predictions,
            registry=storage.registry,
        ),
    )
    training = Training(
        "training",
        TrainingArgs(
            foundation=foundation,
            account=account,
            lake=storage.lake,
            artifacts=storage.artifacts,
            registry=storage.registry,
            containers=containers,
            serving=serving,
            spark=spark,
        ),
    )
    Schedules(
        "retraining",
        SchedulesArgs(
            account=account,
            machine=training.machine,
            models=catalog.models,
            dead_letters=foundation.dead_letters,
        ),
    )
    if config.state_bucket:
        InfrastructureLedger(
            "infrastructure-ledger",
            InfrastructureLedgerArgs(
                foundation=foundation,
                account=account,
                state_bucket=config.state_bucket,
                artifacts=storage.artifacts,
                registry=storage.registry,
            ),
        )
    describe(
        {
            "region": account.region,
            "lake_bucket": storage.lake.name,
            "artifacts_bucket": storage.artifacts.name,
            "predictions_bucket": storage.predictions.name,
            "features_table": storage.features.name,
            "registry_table": storage.registry.name,
            "ingestion_arn": ingestion.machine.arn,
            "training_arn": training.machine.arn,
            "spark_arn": machine_arn(account) if spark else "",
            "materialisation_arn": distribution.machine.arn,
            "predict_function": serving.predict.name,
            "api_url": serving.url,
            "alarm_topic_arn": topic.arn,
            "cluster": containers.cluster.name,
            "project": pulumi.get_project(),
            "state_bucket": config.state_bucket,
            "verify": "yes" if config.verify else "",
        },
        {"models": tuple(catalog.models), "sources": tuple(catalog.sources), "views": tuple(catalog.views)},
        artifacts=storage.artifacts,
    )


def _storage(config: Config, account: Account) -> Storage:
    def bucket(name: str, *, access_logs: PrivateBucket | None, capability: str = "", **more: bool) -> PrivateBucket:
        expiries = {
            "access-logs": [Expiry(prefix="", days=config.log_retention_days)],
            "lake": [QUARANTINE, SCRATCH, SHARDS],
        }.get(name, [])
        return PrivateBucket(
            name,
            PrivateBucketArgs(
                config=config,
                account=account,
                capability=capability or name,
                # The bucket's name, once it may be written to.
                access_logs=access_logs.writable if access_logs else None,
                expiries=expiries,
                **more,
            ),
        )

    logs = bucket("access-logs", access_logs=None)
    return Storage(
        lake=bucket("lake", access_logs=logs, announces=True),
        artifacts=bucket("artifacts", access_logs=logs, capability="training"),
        predictions=bucket("predictions", access_logs=logs, capability="serving"),
        features=Table("features", TableArgs(config=config, capability="features", sorted=False, expires=True)),
        registry=Table("registry", TableArgs(config=config, capability="registry", sorted=True)),
    )


def _containers(foundation: Foundation, account: Account, storage: Storage) -> Containers:
    images = ImageRepository(
        "training", ImageRepositoryArgs(foundation=foundation, account=account, artifacts=storage.artifacts)
    )
    return Containers(
        "containers",
        ContainersArgs(
            config=foundation.config,
            account=account,
            network=Network("network", account=account, config=foundation.config),
            images=images,
            settings={
                "lake_bucket": storage.lake.ready,
                "artifacts_bucket": storage.artifacts.ready,
                "registry_table": storage.registry.name,
            },
            grants=_container_grants(storage),
        ),
    )


def _container_grants(storage: Storage) -> list[Grant]:
    return [
        grant_ingest(storage.lake, storage.registry),
        storage.artifacts.grant_read(RUNS),
        storage.artifacts.grant_write(RUNS),
        storage.registry.grant_read(MODELS),
    ]
