"""The event that each upload is."""

from __future__ import annotations

import json
from datetime import timedelta

import pulumi

from headwater.infra.platform.component import Component
from headwater.infra.platform.function import Function
from headwater.infra.platform.keys import LANDING
from headwater.infra.platform.platform import Platform


class Uploads(Component):
    """The rule by which each object under ``landing/`` reaches the function that starts its ingestion."""

    def __init__(
        self, name: str, platform: Platform, *, intake: Function, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        rule = intake.call_by_rule(
            name,
            pattern=platform.lake.name.apply(_created_under_landing),
            target="intake",
            description="A file was uploaded for ingestion.",
            parent=self,
            retry_for=timedelta(days=1),
            retries=185,
        )
        self.register_outputs({"rule_arn": rule.arn})


def _created_under_landing(bucket: str) -> str:
    return json.dumps(
        {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": LANDING}]}},
        }
    )
