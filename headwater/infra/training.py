"""Training: from pinned data to a staged, promoted model, and when it happens by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.registry.promote
import headwater.handlers.registry.register
import headwater.handlers.serving.stage
import headwater.handlers.training.prepare
from headwater.infra.alarms import DeadLetters
from headwater.infra.buckets import Account, PrivateBucket
from headwater.infra.containers import Containers
from headwater.infra.function import Foundation, Function, FunctionArgs
from headwater.infra.grants import Role, together
from headwater.infra.lake import FEATURES, grant_commit, grant_read_sources
from headwater.infra.machine import StateMachine, StateMachineArgs
from headwater.infra.serving import Serving
from headwater.infra.spark import grant_start, spark_settings
from headwater.infra.tables import MODEL_DATA, MODELS, SOURCE_DATA, STREAMED_DATA, Table
from headwater.infra.tags import cut, physical_name, tags
from headwater.model import Model

CAPABILITY = "training"
RUNS = "runs/"


@dataclass(frozen=True, kw_only=True)
class TrainingArgs:
    """What training reads, writes and runs on."""

    foundation: Foundation
    account: Account
    lake: PrivateBucket
    artifacts: PrivateBucket
    registry: Table
    containers: Containers
    serving: Serving
    spark: bool
    """Whether there is a machine that runs Spark for views that outgrow a function."""


class Training(pulumi.ComponentResource):
    """The machine that makes versions: data pinned, trained in a container, judged, registered, staged, promoted."""

    def __init__(self, name: str, args: TrainingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:Training", name, {}, opts)
        self._args = args
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
                config=args.foundation.config,
                capability=CAPABILITY,
                definition="training.asl.json",
                values={**{place: step.arn for place, step in steps.items()}, **args.containers.places},
                grants=[
                    together(*(step.grant_invoke() for step in steps.values())),
                    args.containers.grant_run(),
                ],
                topic=args.foundation.topic,
            ),
            opts=self._child,
        )
        self.register_outputs({"arn": self.machine.arn})

    def _prepare(self) -> Function:
        args = self._args
        return Function(
            "training-prepare",
            FunctionArgs(
                foundation=args.foundation,
                capability=CAPABILITY,
                handler=headwater.handlers.training.prepare,
                settings={
                    "lake_bucket": args.lake.ready,
                    "artifacts_bucket": args.artifacts.ready,
                    "registry_table": args.registry.name,
                    **spark_settings(args.account, deployed=args.spark),
                },
                bundle="data",
                memory_mib=3008,
                disk_mib=4096,
                timeout=timedelta(minutes=15),
                grants=[
                    grant_read_sources(args.lake, args.registry),
                    args.lake.grant_read(FEATURES),
                    args.lake.grant_write(FEATURES),
                    args.artifacts.grant_read(RUNS),
                    args.artifacts.grant_write(RUNS),
                    *([grant_start(args.account)] if args.spark else []),
                ],
            ),
            opts=self._child,
        )

    def _register(self) -> Function:
        args = self._args
        return Function(
            "registry-register",
            FunctionArgs(
                foundation=args.foundation,
                capability="registry",
                handler=headwater.handlers.registry.register,
                settings={
                    "registry_table": args.registry.name,
                    "artifacts_bucket": args.artifacts.ready,
                    "lake_bucket": args.lake.ready,
                },
                # The trees of commits are Parquet files.
                bundle="data",
                memory_mib=512,
                timeout=timedelta(minutes=2),
                grants=[
                    args.artifacts.grant_read(RUNS),
                    args.registry.grant_read_write(MODELS),
                    grant_commit(args.lake, args.registry, MODEL_DATA),
                    # Tags what the version learnt from.
                    args.registry.grant_read_write(SOURCE_DATA, STREAMED_DATA),
                ],
            ),
            opts=self._child,
        )

    def _stage(self) -> Function:
        args = self._args
        return Function(
            "serving-stage",
            FunctionArgs(
                foundation=args.foundation,
                capability="serving",
                handler=headwater.handlers.serving.stage,
                settings={
                    "registry_table": args.registry.name,
                    "artifacts_bucket": args.artifacts.ready,
                    "predict_function": args.serving.predict.name,
                },
                bundle="control",
                memory_mib=512,
                timeout=timedelta(minutes=5),
                grants=[
                    args.artifacts.grant_read(RUNS),
                    args.registry.grant_read_write(MODELS),
                    # The alias of a first version that fails its golden requests is withdrawn.
                    args.registry.grant_delete(MODELS),
                    args.serving.predict.grant_invoke(),
                ],
            ),
            opts=self._child,
        )

    def _promote(self) -> Function:
        args = self._args
        return Function(
            "registry-promote",
            FunctionArgs(
                foundation=args.foundation,
                capability="registry",
                handler=headwater.handlers.registry.promote,
                settings={"registry_table": args.registry.name},
                bundle="control",
                memory_mib=512,
                timeout=timedelta(minutes=1),
                grants=[args.registry.grant_read_write(MODELS)],
            ),
            opts=self._child,
        )


@dataclass(frozen=True, kw_only=True)
class SchedulesArgs:
    """What is started when."""

    account: Account
    machine: StateMachine
    models: Mapping[str, Model]
    dead_letters: DeadLetters


class Schedules(pulumi.ComponentResource):
    """One schedule for each model that declares ``retrain``; a start that AWS can't make becomes a dead letter."""

    def __init__(self, name: str, args: SchedulesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:Schedules", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.scheduler.ScheduleGroup(
            name, name=physical_name(name, "schedule group"), tags=tags(capability=CAPABILITY), opts=child
        )
        role = Role(
            name,
            service="scheduler.amazonaws.com",
            grants=[args.machine.grant_start(), args.dead_letters.grant_send()],
            capability=CAPABILITY,
            # EventBridge Scheduler passes the group as the source.
            trust_conditions={
                "StringEquals": {"aws:SourceAccount": args.account.id, "aws:SourceArn": group.arn},
            },
            opts=child,
        )
        for model in args.models.values():
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
                    "arn": args.machine.arn,
                    "role_arn": role.ready,
                    "input": json.dumps({"model": model.name, "reason": "schedule"}),
                    "retry_policy": {"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 10},
                    "dead_letter_config": {"arn": args.dead_letters.arn},
                },
                opts=child,
            )
        self.register_outputs({"group": group.name})
