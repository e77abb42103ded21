"""The infrastructure history: the rule by which each update of Pulumi reaches the function that writes it down."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.history.record
from headwater.history.store import GRAPHS
from headwater.history.types import HISTORY_PREFIX
from headwater.infra.platform.buckets import Account, created_under
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Grant, allow, merge
from headwater.infra.platform.keys import HISTORY
from headwater.infra.platform.platform import Platform

# The locks say who ran an update, the states whether anything but an update changed one.
READ = (HISTORY_PREFIX, ".pulumi/locks/", ".pulumi/stacks/")


class InfrastructureHistory(Component):
    """Each update of Pulumi becomes an entry of the history: who, when, from which commit, and what existed after it.

    The state bucket must send its events to EventBridge, as ``headwater bootstrap`` has it do. An update whose event
    is lost is found by ``headwater infra sync``.
    """

    def __init__(
        self, name: str, platform: Platform, *, state_bucket: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        uses = [
            _read_state(platform.account, state_bucket),
            platform.artifacts.write(GRAPHS),
            platform.registry.write(HISTORY),
        ]
        handler, timeout = headwater.handlers.history.record, timedelta(minutes=2)
        function = self._function("history-record", handler, "control", timeout=timeout, uses=uses)
        rule = function.call_by_rule(
            name,
            pattern=created_under(state_bucket, HISTORY_PREFIX),
            target="record",
            description="Pulumi's backend wrote a file of an update.",
            parent=self,
            retry_for=timedelta(days=1),
            retries=185,
        )
        self.register_outputs({"rule_arn": rule.arn})


def _read_state(account: Account, bucket: str) -> Grant:
    """To read what Pulumi's backend wrote under `READ`, any version, and to list what is there."""
    arn = f"arn:{account.partition}:s3:::{bucket}"
    only_there = {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in READ]}}
    return merge(
        allow(
            ["s3:GetObject", "s3:GetObjectVersion"],
            *(f"{arn}/{prefix}*" for prefix in READ),
            wildcard="Pulumi's backend names files after updates, steps and holders of locks",
            settings={"state_bucket": bucket},
        ),
        allow(["s3:ListBucket", "s3:ListBucketVersions"], arn, conditions=only_there),
    )
