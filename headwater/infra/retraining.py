"""The retraining policy: the function that decides whether a model is trained again, and what wakes it."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.retraining.decide
from headwater.declare import Schedule
from headwater.infra.platform.component import Component
from headwater.infra.platform.keys import (
    MODELS,
    RETRAININGS,
    RUNS,
    SOURCE_DATA,
    SOURCES,
    STREAMED_DATA,
    VERSIONS,
    WATCHED,
)
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.schedules import ended
from headwater.infra.platform.state_machine import StateMachine
from headwater.infra.platform.tags import physical_name
from headwater.retraining.asking import FUNCTION

CAPABILITY = "retraining"
TIMEOUT = timedelta(minutes=5)
# Behind the monitor's look, UTC: what was found of the labels is taken up within the hour.
HOURLY = Schedule(cron="40 * * * ? *")


class RetrainingPolicy(Component):
    """One function for all models: asked by schedules, alarms and people, woken by the end of trainings and uploads.

    Once an hour it looks at each model's state, one read of the registry where nothing waits. It alone starts trainings
    by themselves: whoever has a reason asks it.
    """

    def __init__(
        self, name: str, platform: Platform, *, machine: StateMachine, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        self.function = self._function(
            FUNCTION,
            headwater.handlers.retraining.decide,
            "data",
            memory_mib=1024,
            timeout=TIMEOUT,
            uses=[
                # Which commits there are, never what they hold.
                platform.lake.read(VERSIONS),
                platform.registry.read(SOURCE_DATA, STREAMED_DATA, SOURCES, MODELS, WATCHED),
                platform.registry.write(RETRAININGS),
                # The definitions that champions learnt by, and the data that a training is to work on.
                platform.artifacts.read(RUNS),
                platform.artifacts.write(RUNS),
                machine.start(),
                machine.describe(),
            ],
            settings={
                "vcpus": str(platform.config.training_cpu / 1024),
                "memory_mib": str(platform.config.training_memory_mib),
            },
        )
        ingestion = platform.account.arn("states", f"stateMachine:{physical_name('ingestion', 'state machine')}")
        self.function.call_by_rule(
            f"{name}-ended",
            pattern=pulumi.Output.all(machine.arn, ingestion).apply(ended),
            target="decide",
            description="A training ended, or an upload became rows.",
            parent=self,
        )
        platform.regular.call(FUNCTION, HOURLY, self.function)
        self._alarm_on_findings(
            f"{name}-expired",
            "RetrainingsExpired",
            service=CAPABILITY,
            description="A retraining runs for more than twice the usual time: headwater retrain status says which.",
        )
        self.register_outputs({"function": self.function.name})
