"""A ledger of ticks as resources: the function that keeps it, what wakes it, and the definitions that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.schedules.wake
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Grant, Text
from headwater.infra.platform.keys import SCHEDULES
from headwater.infra.platform.schedules import Starts, ended
from headwater.infra.platform.tags import tags
from headwater.schedules.store import DEFINITIONS

CAPABILITY = "schedules"
TIMEOUT = timedelta(minutes=2)


class Ledger(Component):
    """A keeper of a ledger of ticks: a function that is woken at each of them and hears when a run ends."""

    def _keeper(
        self, name: str, *, role: str, machines: Sequence[Text], ended_means: str, uses: Sequence[Grant]
    ) -> Starts:
        """The function, what tells it of the machines' ends, and the group of schedules that will wake it.

        Parameters
        ----------
        role : str
            Of the schedules.
        machines : sequence of text
            ARNs of what runs for ticks.
        ended_means : str
            Description of the rule for their ends.
        uses : sequence
            Of the function, beside the ledger and the definitions.
        """
        platform = self._platform
        uses = [platform.registry.write(SCHEDULES), platform.artifacts.read(DEFINITIONS), *uses]
        handler = headwater.handlers.schedules.wake
        wake = self._function(f"{name}-wake", handler, "control", timeout=TIMEOUT, uses=uses)
        wake.call_by_rule(
            f"{name}-ended",
            pattern=pulumi.Output.all(*machines).apply(ended),
            target="wake",
            description=ended_means,
            parent=self,
        )
        return Starts(
            name, platform, target=wake.arn, grant=wake.invoke(), role=role, capability=CAPABILITY, parent=self
        )

    def _definition(
        self, resource: str, name: str, content: Text, *, after: Sequence[pulumi.Resource] = ()
    ) -> aws.s3.BucketObjectv2:
        """The definition of the schedule ``name``, as the ledger reads it."""
        return aws.s3.BucketObjectv2(
            resource,
            bucket=self._platform.artifacts.ready,
            key=f"{DEFINITIONS}{name}.json",
            content=content,
            content_type="application/json",
            tags=tags(capability=CAPABILITY),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )
