"""Online features: the function that brings them up to date, and when it runs by itself."""

from __future__ import annotations

import pulumi

import headwater.handlers.features.materialise
from headwater.declare import Schedule
from headwater.infra.features.spark import start_spark
from headwater.infra.platform.component import Component
from headwater.infra.platform.keys import MODELS, RUNS, VIEWS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.state_machine import StateMachine
from headwater.infra.platform.tags import physical_name
from headwater.infra.platform.uses import compute_features

CAPABILITY = "features"
# What became known since, and definitions that were deployed since: if there is nothing, a few reads.
HOURLY = Schedule(cron="23 * * * ? *")


class Materialisation(Component):
    """The function that ingestion calls for a source's views, and that is called each hour for all of them.

    A view that declares ``schedule`` has one of its own besides. What a call doesn't get done in its time is handed to
    the machine, and so is a view with more entities to do than the setting ``distributeAboveEntities``; ingestion
    calls again at once.
    """

    def __init__(
        self, name: str, platform: Platform, *, machine: StateMachine, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        uses = [
            compute_features(platform),
            platform.registry.write(VIEWS),
            # Which definitions serving models were trained with.
            platform.registry.read(MODELS),
            platform.artifacts.read(RUNS),
            platform.features.write_batches(),
            start_spark(platform),
            machine.start(),
            machine.describe(),
        ]
        handler = headwater.handlers.features.materialise
        settings = {"distribute_above": platform.config.distribute_above_entities}
        self.function = self._function(
            name, handler, "data", memory_mib=3008, disk_mib=4096, settings=settings, uses=uses
        )
        self._schedule(name, platform)
        self._watch_freshness(name, platform)
        self.register_outputs({"arn": self.function.arn})

    def _watch_freshness(self, name: str, platform: Platform) -> None:
        """One alarm for all views that declare a freshness; none if none does."""
        if not any(view.freshness for view in platform.products.views.values()):
            return
        self._alarm_on_findings(
            f"{name}-late",
            "FeatureViewsLate",
            service=CAPABILITY,
            description="The newest event of a feature view is older than its declared freshness. headwater features "
            f"list says of which; so does the function's log: /aws/lambda/{physical_name(name, 'function')}",
        )

    def _schedule(self, name: str, platform: Platform) -> None:
        platform.regular.call(name, HOURLY, self.function)
        for view in platform.products.views.values():
            if view.schedule:
                called = f"materialise-{view.name}"
                platform.regular.call(called, view.schedule, self.function, event={"view": view.name})
