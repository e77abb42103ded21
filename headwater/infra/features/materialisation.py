"""Online features: the function that brings them up to date, and when it runs by itself."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.features.materialise
from headwater.declare import Schedule
from headwater.infra.features.spark import start_spark
from headwater.infra.platform.alarm_topic import Threshold
from headwater.infra.platform.function import MAX_TIMEOUT, METRICS_NAMESPACE, Function, FunctionArgs
from headwater.infra.platform.keys import MODELS, RUNS, VIEWS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.schedules import Start, start_on_schedules
from headwater.infra.platform.state_machine import StateMachine
from headwater.infra.platform.tags import physical_name
from headwater.infra.platform.uses import compute_features

CAPABILITY = "features"
# What became known since, and definitions that were deployed since: if there is nothing, a few reads.
HOURLY = Schedule(expression="rate(1 hour)")


class Materialisation(pulumi.ComponentResource):
    """The function that ingestion calls for a source's views, and that is called each hour for all of them.

    A view that declares ``schedule`` has one of its own besides. What a call doesn't get done in its time is handed to
    the machine, and so is a view with more entities to do than the setting ``distributeAboveEntities``; ingestion
    calls again at once.
    """

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        machine: StateMachine,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:index:Materialisation", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.function = Function(
            name,
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.features.materialise,
                settings={"distribute_above": platform.config.distribute_above_entities},
                bundle="data",
                memory_mib=3008,
                disk_mib=4096,
                timeout=MAX_TIMEOUT,
                uses=[
                    compute_features(platform),
                    platform.registry.write(VIEWS),
                    # Which definitions serving models were trained with.
                    platform.registry.read(MODELS),
                    platform.artifacts.read(RUNS),
                    platform.features.write_batches(),
                    start_spark(platform),
                    machine.start(),
                    machine.describe(),
                ],
            ),
            opts=child,
        )
        self._schedule(name, platform)
        self._watch_freshness(name, platform)
        self.register_outputs({"arn": self.function.arn})

    def _watch_freshness(self, name: str, platform: Platform) -> None:
        """One alarm for all views that declare a freshness; none if none does."""
        if not any(view.freshness for view in platform.products.views.values()):
            return
        platform.topic.watch(
            f"{name}-late",
            capability=CAPABILITY,
            namespace=METRICS_NAMESPACE,
            metric="FeatureViewsLate",
            dimensions={"service": CAPABILITY},
            # Looked at every hour: off within minutes of a look, and until two hours pass without a late one.
            threshold=Threshold(above=0, statistic="Maximum", period=timedelta(minutes=5), periods=24),
            description="The newest event of a feature view is older than its declared freshness. headwater features "
            f"list says of which; so does the function's log: /aws/lambda/{physical_name(name, 'function')}",
            parent=self,
        )

    def _schedule(self, name: str, platform: Platform) -> None:
        own = {
            view.name: (view.schedule, {"view": view.name})
            for view in platform.products.views.values()
            if view.schedule
        }
        starts = [
            Start(
                name=f"{name}-{called}",
                called=called,
                schedule=schedule,
                description=f"Brings the features of {called.replace('-', ' ')} online.",
                event=event,
            )
            # A view's name has no hyphen: nothing of it is called like this.
            for called, (schedule, event) in {"all-views": (HOURLY, {}), **own}.items()
        ]
        start_on_schedules(
            name,
            platform,
            starts,
            target=self.function.arn,
            grant=self.function.invoke(),
            role=f"{name}-schedule",
            capability=CAPABILITY,
            parent=self,
        )
