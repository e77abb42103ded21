"""Schedules: what wakes the ledger of ticks, and the function that keeps it."""

from __future__ import annotations

from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.schedules.wake
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Grant, allow
from headwater.infra.platform.keys import RUNS, SCHEDULES
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.schedules import Starts, ended, waking
from headwater.infra.platform.state_machine import ANY_EXECUTION, StateMachine
from headwater.infra.platform.tags import tags
from headwater.schedules.declared import definitions
from headwater.schedules.store import DEFINITIONS
from headwater.schedules.types import Definition

CAPABILITY = "schedules"
TIMEOUT = timedelta(minutes=2)


class Schedules(Component):
    """A ledger of ticks for each model that declares ``retrain``, and one schedule on AWS that wakes it.

    EventBridge Scheduler decides nothing: it wakes a function at least at each tick, and the function starts each tick
    at most once. The function also hears when a run ends. Idle none of it costs anything.
    """

    def __init__(
        self, name: str, platform: Platform, *, machine: StateMachine, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        declared = definitions(platform.products)
        wake = self._function(
            f"{name}-wake",
            headwater.handlers.schedules.wake,
            "control",
            memory_mib=512,
            timeout=TIMEOUT,
            uses=[
                platform.registry.write(SCHEDULES),
                platform.artifacts.read(DEFINITIONS),
                machine.start(),
                machine.describe(),
                *self._stopping(platform, machine, declared),
            ],
        )
        for definition in declared:
            aws.s3.BucketObjectv2(
                f"{name}-{definition.name}",
                bucket=platform.artifacts.ready,
                key=f"{DEFINITIONS}{definition.name}.json",
                content=definition.model_dump_json(),
                content_type="application/json",
                tags=tags(capability=CAPABILITY),
                opts=self._child,
            )
        starts = Starts(
            name, platform, target=wake.arn, grant=wake.invoke(), role=name, capability=CAPABILITY, parent=self
        )
        for definition in declared:
            starts.add(waking(definition.name, definition.schedule))
        wake.call_by_rule(
            f"{name}-ended",
            pattern=machine.arn.apply(ended),
            target="wake",
            description="A run that a schedule started may have ended.",
            parent=self,
        )
        self.register_outputs({"group": starts.group.name})

    def _stopping(self, platform: Platform, machine: StateMachine, declared: list[Definition]) -> list[Grant]:
        """To stop runs, if a schedule replaces the one that is in progress."""
        if not any(definition.schedule.overlap == "replace" for definition in declared):
            return []
        runs = machine.arn.apply(lambda arn: arn.replace(":stateMachine:", ":execution:") + ":*")
        return [
            allow(["states:StopExecution"], runs, wildcard=ANY_EXECUTION),
            platform.artifacts.read(RUNS),
            platform.artifacts.write(RUNS),
        ]
