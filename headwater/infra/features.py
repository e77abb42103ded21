"""Online features: the function that brings them up to date, and when it runs by itself."""

from __future__ import annotations

import json
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.features.materialise
from headwater.infra.alarms import DeadLetters, Threshold
from headwater.infra.function import MAX_TIMEOUT, METRICS_NAMESPACE, Function, FunctionArgs
from headwater.infra.grants import Role
from headwater.infra.lake import compute_features
from headwater.infra.machine import StateMachine
from headwater.infra.platform import RUNS, Platform
from headwater.infra.spark import start_spark
from headwater.infra.tables import MODELS, VIEWS
from headwater.infra.tags import cut, physical_name, tags
from headwater.model import Schedule

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
        self._schedule(name, platform, child)
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

    def _schedule(self, name: str, platform: Platform, child: pulumi.ResourceOptions) -> None:
        letters: DeadLetters = platform.dead_letters
        group = aws.scheduler.ScheduleGroup(
            name, name=physical_name(name, "schedule group"), tags=tags(capability=CAPABILITY), opts=child
        )
        role = Role(
            f"{name}-schedule",
            service="scheduler.amazonaws.com",
            grants=[self.function.invoke(), letters.send()],
            capability=CAPABILITY,
            # EventBridge Scheduler passes the group as the source.
            trust_conditions={"StringEquals": {"aws:SourceAccount": platform.account.id, "aws:SourceArn": group.arn}},
            opts=child,
        )
        own = {
            view.name: (view.schedule, {"view": view.name})
            for view in platform.products.views.values()
            if view.schedule
        }
        # A view's name has no hyphen: nothing of it is called like this.
        for called, (schedule, event) in {"all-views": (HOURLY, {}), **own}.items():
            aws.scheduler.Schedule(
                f"{name}-{called}",
                name=cut(called, 64),
                group_name=group.name,
                description=f"Brings the features of {called.replace('-', ' ')} online.",
                schedule_expression=schedule.expression,
                schedule_expression_timezone=schedule.timezone,
                flexible_time_window={"mode": "OFF"},
                target={
                    "arn": self.function.arn,
                    "role_arn": role.ready,
                    "input": json.dumps(event),
                    "retry_policy": {"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 10},
                    "dead_letter_config": {"arn": letters.arn},
                },
                opts=child,
            )
