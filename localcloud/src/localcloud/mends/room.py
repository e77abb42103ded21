"""Puts every mend in place while a cloud is open."""

from __future__ import annotations

from localcloud.cloud import Cloud
from localcloud.limits import Limits
from localcloud.mends import (
    access_keys,
    bucket_policies,
    codebuild_projects,
    dynamodb_items,
    dynamodb_partiql,
    dynamodb_requests,
    dynamodb_tokens,
    dynamodb_transactions,
    s3_listings,
    s3_notifications,
    s3_parts,
    s3_subresources,
    sqs_attributes,
    vpc_endpoints,
)
from localcloud.mends.patch import Patches


class Mends:
    """The mends that need no room of their own; first in, last out."""

    def __init__(self, cloud: Cloud) -> None:
        self._patches = Patches()
        access_keys.mend(self._patches)
        bucket_policies.mend(self._patches)
        dynamodb_items.mend(self._patches)
        dynamodb_partiql.mend(self._patches)
        dynamodb_tokens.mend(self._patches, cloud.clock.now)
        dynamodb_transactions.mend(self._patches)
        s3_parts.mend(self._patches)
        s3_listings.mend(self._patches)
        s3_notifications.mend(self._patches)
        sqs_attributes.mend(self._patches)
        codebuild_projects.mend(self._patches)
        vpc_endpoints.mend(self._patches)
        cloud.front.add(dynamodb_requests.answer)  # in DynamoDB's own words, before the general ones
        cloud.front.add(Limits())
        cloud.front.add(s3_subresources.answer)

    def open(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Give moto its own methods back."""
        self._patches.close()
