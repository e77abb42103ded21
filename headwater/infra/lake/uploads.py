"""The event that each upload is."""

from __future__ import annotations

from datetime import timedelta

import pulumi

from headwater.infra.platform.buckets import created_under
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
            pattern=platform.lake.name.apply(lambda lake: created_under(lake, LANDING)),
            target="intake",
            description="A file was uploaded for ingestion.",
            parent=self,
            retry_for=timedelta(days=1),
            retries=185,
        )
        self.register_outputs({"rule_arn": rule.arn})
