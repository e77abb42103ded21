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
from headwater.infra.function import Function, FunctionArgs
from headwater.infra.grants import Role, together
from headwater.infra.lake import FEATURES, grant_commit, grant_read_sources
from headwater.infra.machine import StateMachine, StateMachineArgs
from headwater.infra.platform import RUNS, Platform
from headwater.infra.serving import Serving
from headwater.infra.spark import grant_start, spark_settings
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
        steps = {
            "PrepareFunctionArn": self._prepare(),
            "RegisterFunctionArn": self._register(),
            "StageFunctionArn": self._stage(),
            "PromoteFunctionArn": self._promote(),
        }
        self.machine = StateMachine(
            name,
            StateMachineArgs(
                platform=platform,
                capability=CAPABILITY,
                definition="training.asl.json",
                values={**{place: step.arn for place, step in steps.items()}, **containers.places},
                grants=[
                    together(*(step.grant_invoke() for step in steps.values())),
                    containers.grant_run(),
                ],
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
                capability=CAPABILITY,
                handler=headwater.handlers.training.prepare,
                settings={
                    "lake_bucket": platform.lake.ready,
                    "artifacts_bucket": platform.artifacts.ready,
                    "registry_table": platform.registry.name,
                    **spark_settings(platform.account, deployed=platform.spark),
                },
                bundle="data",
                memory_mib=3008,
                disk_mib=4096,
                timeout=timedelta(minutes=15),
                grants=[
                    grant_read_sources(platform.lake, platform.registry),
                    platform.lake.grant_read(FEATURES),
                    platform.lake.grant_write(FEATURES),
                    platform.artifacts.grant_read(RUNS),
                    platform.artifacts.grant_write(RUNS),
                    *([grant_start(platform.account)] if platform.spark else []),
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
                capability="registry",
                handler=headwater.handlers.registry.register,
                settings={
                    "registry_table": platform.registry.name,
                    "artifacts_bucket": platform.artifacts.ready,
                    "lake_bucket": platform.lake.ready,
                },
                # The trees of commits are Parquet files.
                bundle="data",
                memory_mib=512,
                timeout=timedelta(minutes=2),
                grants=[
                    platform.artifacts.grant_read(RUNS),
                    platform.registry.grant_read_write(MODELS),
                    grant_commit(platform.lake, platform.registry, MODEL_DATA),
                    # Tags what the version learnt from.
                    platform.registry.grant_read_write(SOURCE_DATA, STREAMED_DATA),
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
                capability="serving",
                handler=headwater.handlers.serving.stage,
                settings={
                    "registry_table": platform.registry.name,
                    "artifacts_bucket": platform.artifacts.ready,
                    "predict_function": self._serving.predict.name,
                },
                bundle="control",
                memory_mib=512,
                timeout=timedelta(minutes=5),
                grants=[
                    platform.artifacts.grant_read(RUNS),
                    platform.registry.grant_read_write(MODELS),
                    # The alias of a first version that fails its golden requests is withdrawn.
                    platform.registry.grant_delete(MODELS),
                    self._serving.predict.grant_invoke(),
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
                capability="registry",
                handler=headwater.handlers.registry.promote,
                settings={"registry_table": platform.registry.name},
                bundle="control",
                memory_mib=512,
                timeout=timedelta(minutes=1),
                grants=[platform.registry.grant_read_write(MODELS)],
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
            grants=[machine.grant_start(), platform.dead_letters.grant_send()],
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
