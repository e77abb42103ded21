"""Schedules: what wakes the ledger of ticks, and the function that keeps it."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from headwater.infra.platform.grants import Grant, allow
from headwater.infra.platform.keys import RETRAININGS, RUNS
from headwater.infra.platform.ledger import Ledger
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.schedules import waking
from headwater.infra.platform.state_machine import ANY_EXECUTION, StateMachine
from headwater.infra.retraining import RetrainingPolicy
from headwater.schedules.declared import definitions
from headwater.schedules.types import Definition


class Schedules(Ledger):
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
        starts = self._keeper(
            name,
            role=name,
            machines=[one.arn for one in machines.values()],
            ended_means="A run that a schedule started may have ended.",
            uses=[
                platform.registry.read(RETRAININGS),
                policy.function.invoke(),
                *(one.describe() for one in machines.values()),
                *([collecting.start()] if collecting else []),
                *self._stopping(platform, machines, declared),
            ],
        )
        for definition in declared:
            self._definition(f"{name}-{definition.name}", definition.name, definition.model_dump_json())
            starts.add(waking(definition.name, definition.schedule))
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
            'collectors = infra.Collectors("collectors", platform, containers=containers), and infra.Schedules(..., '
            "collecting=collectors.machine)"
        )
    return {"training": training}
