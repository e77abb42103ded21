"""The event that each upload is."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from headwater.infra.function import Function
from headwater.infra.lake import LANDING
from headwater.infra.platform import Platform
from headwater.infra.tags import physical_name, tags

CAPABILITY = "lake"


class Uploads(pulumi.ComponentResource):
    """The rule by which each object under ``landing/`` reaches the function that starts its ingestion."""

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        intake: Function,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:index:Uploads", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.rule = aws.cloudwatch.EventRule(
            name,
            name=physical_name(name, "rule"),
            description="A file was uploaded for ingestion.",
            event_pattern=platform.lake.name.apply(_created_under_landing),
            tags=tags(capability=CAPABILITY),
            opts=child,
        )
        permission = intake.allow_invocation(name, service="events", source_arn=self.rule.arn)
        aws.cloudwatch.EventTarget(
            name,
            rule=self.rule.name,
            target_id="intake",
            arn=intake.arn,
            dead_letter_config={"arn": platform.dead_letters.arn},
            retry_policy={"maximum_event_age_in_seconds": 86400, "maximum_retry_attempts": 185},
            # A target without permission drops the events that come before it.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
        self.register_outputs({"rule_arn": self.rule.arn})


def _created_under_landing(bucket: str) -> str:
    return json.dumps(
        {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": LANDING}]}},
        }
    )
