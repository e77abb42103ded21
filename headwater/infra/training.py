"""Training: from pinned data to a staged, promoted model, and when it happens by itself."""

from __future__ import annotations

import json
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.registry.promote
import headwater.handlers.registry.register
import headwater.handlers.serving.stage
import headwater.handlers.training.prepare
from headwater.infra.containers import Containers
from headwater.infra.function import MAX_TIMEOUT, Function, FunctionArgs
from headwater.infra.grants import Role
from headwater.infra.lake import commit_datasets, compute_features
from headwater.infra.machine import StateMachine, StateMachineArgs
from headwater.infra.platform import RUNS, Platform
from headwater.infra.serving import Serving
from headwater.infra.spark import start_spark
from headwater.infra.tables import MODEL_DATA, MODELS, SOURCE_DATA, STREAMED_DATA
from headwater.infra.tags import cut, physical_name, tags

CAPABILITY = "training"


class Training(pulumi.ComponentResource):
    """The machine that makes versions: data pinned, trained in a container, judged, registered, staged, promoted."""

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        containers: Containers,
        serving: Serving,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:index:Training", name, {}, opts)
        self._platform, self._serving = platform, serving
        self._child = pulumi.ResourceOptions(parent=self)
        self.machine = StateMachine(
            name,
            StateMachineArgs(
                platform=platform,
                capability=CAPABILITY,
                definition="training.asl.json",
                steps={
                    "Prepare": self._prepare(),
                    "Register": self._register(),
                    "Stage": self._stage(),
                    "Promote": self._promote(),
                },
                uses=[containers.run()],
                setting="training_arn",
            ),
            opts=self._child,
        )
        self.register_outputs({"arn": self.machine.arn})

    def _prepare(self) -> Function:
        platform = self._platform
        return Function(
            "training-prepare",
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.training.prepare,
                bundle="data",
                memory_mib=3008,
                disk_mib=4096,
                timeout=MAX_TIMEOUT,
                uses=[
                    compute_features(platform),
                    platform.artifacts.read(RUNS),
                    platform.artifacts.write(RUNS),
                    start_spark(platform),
                ],
            ),
            opts=self._child,
        )

    def _register(self) -> Function:
        platform = self._platform
        return Function(
            "registry-register",
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.registry.register,
                # The trees of commits are Parquet files.
                bundle="data",
                memory_mib=512,
                timeout=timedelta(minutes=2),
                uses=[
                    platform.artifacts.read(RUNS),
                    platform.registry.write(MODELS),
                    commit_datasets(platform, MODEL_DATA),
                    # Tags what the version learnt from.
                    platform.registry.write(SOURCE_DATA, STREAMED_DATA),
                ],
            ),
            opts=self._child,
        )

    def _stage(self) -> Function:
        platform = self._platform
        return Function(
            "serving-stage",
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.serving.stage,
                bundle="control",
                memory_mib=512,
                timeout=timedelta(minutes=5),
                uses=[
                    platform.artifacts.read(RUNS),
                    platform.registry.write(MODELS),
                    # The alias of a first version that fails its golden requests is withdrawn.
                    platform.registry.delete(MODELS),
                    self._serving.predict.invoke(),
                ],
            ),
            opts=self._child,
        )

    def _promote(self) -> Function:
        platform = self._platform
        return Function(
            "registry-promote",
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.registry.promote,
                bundle="control",
                memory_mib=512,
                timeout=timedelta(minutes=1),
                uses=[platform.registry.write(MODELS)],
            ),
            opts=self._child,
        )


class Schedules(pulumi.ComponentResource):
    """One schedule for each model that declares ``retrain``; a start that AWS can't make becomes a dead letter."""

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        machine: StateMachine,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:index:Schedules", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.scheduler.ScheduleGroup(
            name, name=physical_name(name, "schedule group"), tags=tags(capability=CAPABILITY), opts=child
        )
        role = Role(
            name,
            service="scheduler.amazonaws.com",
            grants=[machine.start(), platform.dead_letters.send()],
            capability=CAPABILITY,
            # EventBridge Scheduler passes the group as the source.
            trust_conditions={
                "StringEquals": {"aws:SourceAccount": platform.account.id, "aws:SourceArn": group.arn},
            },
            opts=child,
        )
        for model in platform.products.models.values():
            if model.retrain is None:
                continue
            aws.scheduler.Schedule(
                f"retrain-{model.name}",
                name=cut(model.name, 64),
                group_name=group.name,
                description=f"Trains {model.name} again.",
                schedule_expression=model.retrain.expression,
                schedule_expression_timezone=model.retrain.timezone,
                flexible_time_window={"mode": "OFF"},
                target={
                    "arn": machine.arn,
                    "role_arn": role.ready,
                    "input": json.dumps({"model": model.name, "reason": "schedule"}),
                    "retry_policy": {"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 10},
                    "dead_letter_config": {"arn": platform.dead_letters.arn},
                },
                opts=child,
            )
        self.register_outputs({"group": group.name})
