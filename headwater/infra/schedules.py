"""Schedules: what wakes the ledger of ticks, and the function that keeps it."""

from __future__ import annotations

import json
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.schedules.wake
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Grant, allow
from headwater.infra.platform.keys import RETRAININGS, RUNS, SCHEDULES
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.schedules import Start, start_on_schedules
from headwater.infra.platform.state_machine import ANY_EXECUTION, StateMachine
from headwater.infra.platform.tags import tags
from headwater.infra.retraining import RetrainingPolicy
from headwater.schedules.declared import definitions
from headwater.schedules.store import DEFINITIONS
from headwater.schedules.types import Definition
from headwater.schedules.waking import wake_of

CAPABILITY = "schedules"
TIMEOUT = timedelta(minutes=2)


class Schedules(Component):
    """A ledger of ticks for each model that declares ``retrain``, what wakes it, and the retraining policy.

    EventBridge Scheduler decides nothing: it wakes a function at least at each tick, and the function starts each tick
    at most once. The function also hears when a run ends. Idle none of it costs anything.
    """

    def __init__(
        self, name: str, platform: Platform, *, machine: StateMachine, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        declared = definitions(platform.products)
        # Ticks are reasons, and the policy decides.
        policy = RetrainingPolicy(f"{name}-policy", platform, machine=machine, opts=self._child)
        wake = self._function(
            f"{name}-wake",
            headwater.handlers.schedules.wake,
            "control",
            memory_mib=512,
            timeout=TIMEOUT,
            uses=[
                platform.registry.write(SCHEDULES),
                platform.registry.read(RETRAININGS),
                platform.artifacts.read(DEFINITIONS),
                policy.function.invoke(),
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
        group = start_on_schedules(
            name,
            platform,
            [_start(definition) for definition in declared],
            target=wake.arn,
            grant=wake.invoke(),
            role=name,
            capability=CAPABILITY,
            parent=self,
        )
        wake.call_by_rule(
            f"{name}-ended",
            pattern=machine.arn.apply(_ended),
            target="wake",
            description="A run that a schedule started may have ended.",
            parent=self,
        )
        self.register_outputs({"group": group.name})

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


def _start(definition: Definition) -> Start:
    wake = wake_of(definition.schedule)
    return Start(
        name=definition.name,
        called=definition.name,
        expression=wake.expression,
        timezone=wake.zone,
        window_minutes=wake.window_minutes,
        description=f"Wakes the ledger of the schedule {definition.name}.",
        # EventBridge Scheduler fills the time in that the wake was planned for.
        event={"schedule": definition.name, "scheduled": "<aws.scheduler.scheduled-time>"},
    )


def _ended(machine_arn: str) -> str:
    return json.dumps(
        {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {"stateMachineArn": [machine_arn], "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]},
        }
    )
