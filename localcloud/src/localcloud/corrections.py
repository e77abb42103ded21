"""Puts moto's patches in place while a cloud is open."""

from __future__ import annotations

from localcloud.context import CloudContext
from localcloud.identity import moto_patches as bucket_policies
from localcloud.limits import Limits
from localcloud.moto_patches import (
    access_keys,
    answers_speed,
    codebuild_projects,
    dynamodb_items,
    dynamodb_partiql,
    dynamodb_requests,
    dynamodb_speed,
    dynamodb_tokens,
    dynamodb_transactions,
    kinesis_shards,
    s3_listings,
    s3_notifications,
    s3_parts,
    s3_subresources,
    sqs_attributes,
    vpc_endpoints,
)
from localcloud.moto_patches.patches import Patches


class MotoPatches:
    """The patches that belong to no other emulator; first in, last out."""

    def __init__(self, cloud: CloudContext) -> None:
        self._patches = Patches()
        for module in (
            access_keys, answers_speed, bucket_policies, dynamodb_items, dynamodb_partiql, dynamodb_speed
        ):  # fmt: skip
            module.apply(self._patches)
        dynamodb_tokens.apply(self._patches, cloud.clock.now)
        for module in (
            dynamodb_transactions, kinesis_shards, s3_parts, s3_listings, s3_notifications, sqs_attributes,
            codebuild_projects, vpc_endpoints,
        ):  # fmt: skip
            module.apply(self._patches)
        cloud.dispatcher.add(dynamodb_requests.answer)  # in DynamoDB's own words, before the general ones
        cloud.dispatcher.add(Limits())
        cloud.dispatcher.add(s3_subresources.answer)

    def open(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Give moto its own methods back."""
        self._patches.close()
