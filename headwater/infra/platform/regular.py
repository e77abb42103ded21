"""Functions that are called regularly: a schedule wakes the ledger of ticks, which calls each of them once a tick."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pulumi
import pulumi_aws as aws

from headwater.declare import Schedule
from headwater.infra.platform.function import Function
from headwater.infra.platform.grants import policy_document
from headwater.infra.platform.ledger import CAPABILITY, Ledger
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.schedules import waking
from headwater.schedules.types import CALL, Definition, Work

DEFINITION = Path(__file__).with_name("regular.asl.json")


class Regular(Ledger):
    """The function that keeps the ledger of regular calls, and the machine that makes them, a run for each.

    The machine's role may call the functions that were added, and no others; the wake function may start the machine.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        setting = "regular_arn"
        self.machine = self._machine(
            name, CAPABILITY, DEFINITION, {}, uses=[], setting=setting, help_command="headwater schedule list"
        )
        self._starts = self._keeper(
            name,
            role=f"{name}-wakes",
            machines=[self.machine.arn],
            ended_means="A regular call may have ended.",
            uses=[self.machine.start(), self.machine.describe()],
        )
        self._callable: dict[str, aws.iam.RolePolicy] = {}
        self.register_outputs({"arn": self.machine.arn})

    def call(
        self, name: str, schedule: Schedule, function: Function, *, event: Mapping[str, str] | None = None
    ) -> None:
        """Call ``function`` at each tick of a schedule, with ``event`` and the tick's ``time``, once.

        Parameters
        ----------
        name : str
            Of the schedule: ``headwater schedule`` knows it by this.
        """
        policy = self._allow(function)
        content = function.arn.apply(
            lambda arn: Definition(
                name=name, work=Work(kind=CALL, name=name, function=arn, event=event or {}), schedule=schedule
            ).model_dump_json()
        )
        # What is woken for may be called by then.
        kept = self._definition(f"{name}-regularly", name, content, after=[policy])
        self._starts.add(waking(name, schedule), after=[kept])

    def _allow(self, function: Function) -> aws.iam.RolePolicy:
        if (known := self._callable.get(function.logical_name)) is None:
            known = self._callable[function.logical_name] = aws.iam.RolePolicy(
                f"regular-{function.logical_name}",
                name=f"call-{function.logical_name}",
                role=self.machine.role.role.name,
                policy=policy_document([one.document() for one in function.invoke().statements]),
                opts=self._child,
            )
        return known
