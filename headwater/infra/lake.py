"""The lake's keys, and the event that each upload is."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from headwater.infra.alarms import DeadLetters
from headwater.infra.buckets import Expiry, PrivateBucket
from headwater.infra.function import Function
from headwater.infra.grants import Grant, together
from headwater.infra.tables import DATASETS, SOURCE_DATA, SOURCES, STREAMED_DATA, Table
from headwater.infra.tags import physical_name, tags

CAPABILITY = "lake"
LANDING = "landing/"
QUARANTINE = Expiry(prefix="quarantine/", days=180)
"""Rejected rows are kept for people to look at; no commit ever pins them."""
CURATED, FEATURES, VERSIONS = "curated/", "features/", "versions/"
SHARDS = Expiry(prefix=f"{FEATURES}online-shards/", days=14)
"""Rows on their way online (`headwater.features.sharding.PREFIX`); a failed run can be redriven for as long."""
ARRIVED, STREAMED = "arrived/", "streamed/"
"""Streamed rows that wait for their commit, and those that were committed."""
STAGED, STAGED_ROWS = "data/sources/", "data/streamed/"
"""Files that somebody uploaded to a branch of a source's dataset, or of a view's streamed rows."""


def grant_commit(lake: PrivateBucket, registry: Table, datasets: str) -> Grant:
    """To read datasets whose items begin with ``datasets``, and to move their branches and tags."""
    return together(
        lake.grant_read(VERSIONS), lake.grant_write(VERSIONS), registry.grant_read_write(datasets, keys=[DATASETS])
    )


def grant_read_sources(lake: PrivateBucket, registry: Table) -> Grant:
    """To pin the commits of sources and streamed rows, and to read what they hold."""
    return together(
        lake.grant_read(CURATED, STAGED, STREAMED, STAGED_ROWS, VERSIONS),
        # Beside the commits which definition the files of before definitions were recorded are of.
        registry.grant_read(SOURCE_DATA, STREAMED_DATA, SOURCES),
    )


@dataclass(frozen=True, kw_only=True)
class UploadsArgs:
    """Where uploads land and who is told."""

    bucket: PrivateBucket
    intake: Function
    dead_letters: DeadLetters


class Uploads(pulumi.ComponentResource):
    """The rule by which each object under ``landing/`` reaches the function that starts its ingestion."""

    def __init__(self, name: str, args: UploadsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:Uploads", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.rule = aws.cloudwatch.EventRule(
            name,
            name=physical_name(name, "rule"),
            description="A file was uploaded for ingestion.",
            event_pattern=args.bucket.name.apply(_created_under_landing),
            tags=tags(capability=CAPABILITY),
            opts=child,
        )
        permission = args.intake.allow_invocation(name, service="events", source_arn=self.rule.arn)
        aws.cloudwatch.EventTarget(
            name,
            rule=self.rule.name,
            target_id="intake",
            arn=args.intake.arn,
            dead_letter_config={"arn": args.dead_letters.arn},
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
