"""Materialisation beyond one function: a machine that splits a view's entities and writes the shards side by side."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.features.finish
import headwater.handlers.features.split
import headwater.handlers.features.write_shard
from headwater.infra.function import Function, FunctionArgs
from headwater.infra.grants import Grant, allow, together
from headwater.infra.lake import FEATURES, SHARDS, grant_read_sources
from headwater.infra.machine import ANY_EXECUTION, StateMachine, StateMachineArgs
from headwater.infra.platform import Platform
from headwater.infra.tables import VIEWS
from headwater.infra.tags import physical_name

CAPABILITY = "features"
MAX_TIMEOUT = timedelta(minutes=15)
LABEL = "shards"
"""Of the map: Step Functions puts it into the names of the children's executions."""


CALLER = "features-materialise"
"""The function that starts it, by its logical name."""


class Distribution(pulumi.ComponentResource):
    """The machine that materialises a view shard by shard, started by the function that materialises.

    How many entities a shard has, and how many shards are written at once, are the settings ``shardEntities`` and
    ``shardsAtOnce``. Shards lie below the lake's ``features/`` and expire.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:Distribution", name, {}, opts)
        self._platform = platform
        self._child = pulumi.ResourceOptions(parent=self)
        split, write, finish = self._split(), self._write(), self._finish()
        config = platform.config
        caller = platform.account.arn("lambda", f"function:{physical_name(CALLER, 'function')}")
        self.machine = StateMachine(
            name,
            StateMachineArgs(
                platform=platform,
                capability=CAPABILITY,
                definition="materialise.asl.json",
                values={
                    "SplitFunctionArn": split.arn,
                    "WriteShardFunctionArn": write.arn,
                    "FinishFunctionArn": finish.arn,
                    "MaterialiseFunctionArn": caller,
                    "ShardsAtOnce": config.shards_at_once,
                    "Label": LABEL,
                },
                grants=[
                    together(*(function.grant_invoke() for function in (split, write, finish))),
                    allow(["lambda:InvokeFunction"], caller),
                    _grant_map(platform, physical_name(name, "state machine")),
                ],
                look="headwater features show VIEW",
            ),
            opts=self._child,
        )
        self.register_outputs({"arn": self.machine.arn})

    def _split(self) -> Function:
        platform = self._platform
        return Function(
            "features-split",
            FunctionArgs(
                platform=platform,
                capability=CAPABILITY,
                handler=headwater.handlers.features.split,
                settings={
                    "lake_bucket": platform.lake.ready,
                    "registry_table": platform.registry.name,
                    "shard_entities": platform.config.shard_entities,
                },
                bundle="data",
                memory_mib=3008,
                # What is due is sorted here, and spills.
                disk_mib=10240,
                timeout=MAX_TIMEOUT,
                grants=[
                    grant_read_sources(platform.lake, platform.registry),
                    platform.lake.grant_read(FEATURES),
                    platform.lake.grant_write(FEATURES),
                    platform.registry.grant_read(VIEWS),
                ],
            ),
            opts=self._child,
        )

    def _write(self) -> Function:
        platform = self._platform
        return Function(
            "features-write-shard",
            FunctionArgs(
                platform=platform,
                capability=CAPABILITY,
                handler=headwater.handlers.features.write_shard,
                settings={
                    "lake_bucket": platform.lake.ready,
                    "registry_table": platform.registry.name,
                    "features_table": platform.features.name,
                },
                bundle="data",
                memory_mib=3008,
                disk_mib=2048,
                timeout=MAX_TIMEOUT,
                grants=[
                    platform.lake.grant_read(SHARDS.prefix),
                    platform.registry.grant_read(VIEWS),
                    platform.features.grant_write_batches(),
                ],
            ),
            opts=self._child,
        )

    def _finish(self) -> Function:
        platform = self._platform
        return Function(
            "features-finish",
            FunctionArgs(
                platform=platform,
                capability=CAPABILITY,
                handler=headwater.handlers.features.finish,
                settings={"lake_bucket": platform.lake.name, "registry_table": platform.registry.name},
                bundle="data",
                memory_mib=512,
                timeout=timedelta(minutes=1),
                grants=[platform.registry.grant_read_write(VIEWS)],
            ),
            opts=self._child,
        )


def _grant_map(platform: Platform, machine: str) -> Grant:
    """What a distributed map needs: to read its items, to run its own machine's children, and to redrive them.

    After "IAM policies for using Distributed Map states" in Step Functions' developer guide. The machine's output can't
    be named here: it is made with this role.
    """
    executions = f"execution:{machine}"
    return together(
        allow(
            ["s3:GetObject"],
            pulumi.Output.concat(platform.lake.arn, "/", SHARDS.prefix, "*/manifest.json"),
            wildcard="each run has a list of shards of its own",
        ),
        allow(["states:StartExecution"], platform.account.arn("states", f"stateMachine:{machine}")),
        allow(
            ["states:DescribeExecution", "states:StopExecution"],
            platform.account.arn("states", f"{executions}:*"),
            wildcard=ANY_EXECUTION,
        ),
        allow(
            ["states:RedriveExecution"],
            platform.account.arn("states", f"{executions}/{LABEL}:*"),
            wildcard="Step Functions names the executions of a distributed map's children",
        ),
    )
