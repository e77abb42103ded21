"""What a stack says of itself: its outputs, and the same as a parameter that clients find by the stack's name."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.grants import Text
from infra.tags import PROJECT, stack, tags

OUTPUTS = (
    "region",
    "lake_bucket",
    "artifacts_bucket",
    "predictions_bucket",
    "features_table",
    "registry_table",
    "ingestion_arn",
    "training_arn",
    "spark_arn",
    "materialisation_arn",
    "predict_function",
    "api_url",
    "alarm_topic_arn",
    "cluster",
    "project",
    "state_bucket",
    "models",
    "sources",
    "views",
)


def describe(outputs: Mapping[str, Text]) -> None:
    """Export ``outputs`` and keep them in the SSM parameter ``/headwater/<stack>``.

    Raises
    ------
    ValueError
        One of `OUTPUTS` is missing or another one is there.
    """
    if set(outputs) != set(OUTPUTS):
        raise ValueError(f"the stack's outputs differ from OUTPUTS in {', '.join(sorted(set(outputs) ^ set(OUTPUTS)))}")
    for name, value in outputs.items():
        pulumi.export(name, value)
    aws.ssm.Parameter(
        "description",
        name=f"/{PROJECT}/{stack()}",
        description="Where Headwater's clients find this stack.",
        type="String",
        value=pulumi.Output.json_dumps(dict(outputs)),
        tags=tags(capability="client"),
    )
