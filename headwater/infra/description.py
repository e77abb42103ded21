"""A stack's description of itself: its outputs, and the same as a parameter that clients find by the stack's name.

A new output is a line in `describe` and a field of `headwater.client.description.Description`; a test compares the two.

A parameter has room for 4 KB. Names of products that would fill it stand in an object of the artifacts bucket, and the
parameter says where (docs/decisions/0094).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

import headwater
from headwater.infra.containers.cluster import Containers
from headwater.infra.features.sharded_materialisation import Distribution
from headwater.infra.features.spark import machine_arn
from headwater.infra.lake.ingestion import Ingestion
from headwater.infra.platform.buckets import PrivateBucket
from headwater.infra.platform.grants import Text
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.state_machine import StateMachine
from headwater.infra.platform.tags import physical_name, tags
from headwater.infra.serving import Serving
from headwater.infra.training.machine import Training
from headwater.retraining.asking import FUNCTION

CATALOG_KEY = "stack/catalog.json"
ROOM = 1400
"""Characters for names in the parameter: what else is in it takes less than 2,700 of its 4,096 at the longest."""
PARAMETER_BYTES = 4096


def describe(
    platform: Platform,
    *,
    ingestion: Ingestion,
    training: Training,
    serving: Serving,
    containers: Containers,
    sharding: Distribution,
    collecting: StateMachine | None = None,
) -> None:
    """Export where everything is, and keep it in the SSM parameter ``/headwater/<project>/<stack>``.

    Parameters
    ----------
    collecting : StateMachine, optional
        Runs collectors; without it nobody starts one by hand.
    """
    products = platform.products
    publish(
        {
            "region": platform.account.region,
            "lake_bucket": platform.lake.name,
            "artifacts_bucket": platform.artifacts.name,
            "predictions_bucket": platform.predictions.name,
            "features_table": platform.features.name,
            "registry_table": platform.registry.name,
            "ingestion_arn": ingestion.machine.arn,
            "training_arn": training.machine.arn,
            "collecting_arn": collecting.arn if collecting else "",
            "spark_arn": machine_arn(platform.account) if platform.spark else "",
            "materialisation_arn": sharding.machine.arn,
            "regular_arn": platform.regular.machine.arn,
            "predict_function": serving.predict.name,
            "retraining_function": physical_name(FUNCTION, "function"),
            "api_url": serving.url,
            "alarm_topic_arn": platform.topic.arn,
            "cluster": containers.cluster.name,
            "project": pulumi.get_project(),
            "state_bucket": platform.config.state_bucket,
            "version": headwater.__version__,
            "code_state": platform.code_state.sha256,
            "verify": "yes" if platform.config.verify else "",
        },
        {"models": tuple(products.models), "sources": tuple(products.sources), "views": tuple(products.views)},
        artifacts=platform.artifacts,
    )


def publish(outputs: Mapping[str, Text], names: Mapping[str, Sequence[str]], *, artifacts: PrivateBucket) -> None:
    """Export ``outputs`` and ``names``, and keep them in the SSM parameter ``/headwater/<project>/<stack>``.

    Parameters
    ----------
    outputs : mapping of str to text
        Where everything is.
    names : mapping of str to sequence of str
        ``models``, ``sources`` and ``views``: any number of them.
    artifacts : PrivateBucket
        Keeps the names if the parameter has no room for them.
    """
    joined = {kind: ",".join(sorted(found)) for kind, found in names.items()}
    told = {**outputs, **joined}
    for name, value in told.items():
        pulumi.export(name, value)
    kept: Mapping[str, Text] = told
    if sum(map(len, joined.values())) > ROOM:
        catalog = aws.s3.BucketObjectv2(
            "catalog",
            bucket=artifacts.ready,
            key=CATALOG_KEY,
            content=json.dumps({kind: sorted(found) for kind, found in names.items()}),
            content_type="application/json",
            tags=tags(capability="client"),
        )
        kept = {**outputs, "catalog_key": catalog.key}
    aws.ssm.Parameter(
        "description",
        name=f"/headwater/{pulumi.get_project()}/{pulumi.get_stack()}",
        description="Where Headwater's clients find this stack.",
        type="String",
        value=pulumi.Output.json_dumps(dict(kept)).apply(_fitting),
        tags=tags(capability="client"),
    )


def _fitting(value: str) -> str:
    if len(value.encode()) > PARAMETER_BYTES:
        raise ValueError(f"the stack's description has {len(value.encode())} bytes, SSM takes {PARAMETER_BYTES}")
    return value
