"""Schedules: what wakes the ledger of ticks, and the function that keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.schedules.wake
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Grant, allow
from headwater.infra.platform.keys import RETRAININGS, RUNS, SCHEDULES
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.schedules import Starts, ended, waking
from headwater.infra.platform.state_machine import ANY_EXECUTION, StateMachine
from headwater.infra.platform.tags import tags
from headwater.infra.retraining import RetrainingPolicy
from headwater.schedules.declared import definitions
from headwater.schedules.store import DEFINITIONS
from headwater.schedules.types import Definition

CAPABILITY = "schedules"
TIMEOUT = timedelta(minutes=2)


class Schedules(Component):
    """A ledger of ticks for models that declare ``retrain`` and for collectors, what wakes it, and the policy.

    Of models a tick is a reason: the retraining policy decides.

    EventBridge Scheduler decides nothing: it wakes a function at least at each tick, and the function starts each tick
    at most once. The function also hears when a run ends. Idle none of it costs anything.

    Parameters
    ----------
    machine : StateMachine
        Trains.
    collecting : StateMachine, optional
        Runs collectors: `headwater.infra.collecting.Collectors.machine`.
    """

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        machine: StateMachine,
        collecting: StateMachine | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, platform, opts)
        declared = definitions(platform.products)
        policy = RetrainingPolicy(f"{name}-policy", platform, machine=machine, opts=self._child)
        machines = _machines(platform, machine, collecting)
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
                *(one.describe() for one in machines.values()),
                *([collecting.start()] if collecting else []),
                *self._stopping(platform, machines, declared),
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
            pattern=pulumi.Output.all(*(one.arn for one in machines.values())).apply(ended),
            target="wake",
            description="A run that a schedule started may have ended.",
            parent=self,
        )
        self.register_outputs({"group": starts.group.name})

    def _stopping(
        self, platform: Platform, machines: Mapping[str, StateMachine], declared: list[Definition]
    ) -> list[Grant]:
        """To stop runs, if a schedule replaces the one that is in progress."""
        kinds = sorted({one.work.kind for one in declared if one.schedule.overlap == "replace"})
        grants = []
        for kind in kinds:
            runs = machines[kind].arn.apply(lambda arn: arn.replace(":stateMachine:", ":execution:") + ":*")
            grants.append(allow(["states:StopExecution"], runs, wildcard=ANY_EXECUTION))
        return (
            [*grants, platform.artifacts.read(RUNS), platform.artifacts.write(RUNS)] if "training" in kinds else grants
        )


def _machines(
    platform: Platform, training: StateMachine, collecting: StateMachine | None
) -> Mapping[str, StateMachine]:
    """The machine for each kind of work."""
    if collecting is not None:
        return {"training": training, "collecting": collecting}
    if names := sorted(platform.products.collectors):
        raise pulumi.RunError(
            f"the products declare collectors ({', '.join(names)}), and nothing runs them: infra/__main__.py needs "
            'collectors = infra.Collectors("collectors", platform), and infra.Schedules(..., '
            "collecting=collectors.machine)"
        )
    return {"training": training}
