"""Materialisation beyond one function: a machine that splits a view's entities and writes the shards side by side."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pulumi

import headwater.handlers.features.finish
import headwater.handlers.features.split
import headwater.handlers.features.write_shard
from headwater.infra.platform.component import Component
from headwater.infra.platform.function import Function
from headwater.infra.platform.grants import Grant, allow, merge
from headwater.infra.platform.keys import SHARDS, VIEWS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.state_machine import ANY_EXECUTION
from headwater.infra.platform.tags import physical_name
from headwater.infra.platform.uses import compute_features

CAPABILITY = "features"
DEFINITION = Path(__file__).with_name("sharded_materialisation.asl.json")
LABEL = "shards"
"""Name of the map: Step Functions puts it into the names of the children's executions."""
CALLER = "features-materialise"
"""The function that starts it, by its logical name."""


class Distribution(Component):
    """The machine that materialises a view shard by shard, started by the function that materialises.

    How many entities a shard has, and how many shards are written at once, are the settings ``shardEntities`` and
    ``shardsAtOnce``. Shards lie below the lake's ``features/`` and expire.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        caller = platform.account.arn("lambda", f"function:{physical_name(CALLER, 'function')}")
        uses = [
            allow(["lambda:InvokeFunction"], caller, settings={"MaterialiseFunctionArn": caller}),
            _run_map(platform, physical_name(name, "state machine")),
        ]
        self.machine = self._machine(
            name,
            CAPABILITY,
            DEFINITION,
            {"Split": self._split(), "WriteShard": self._write(), "Finish": self._finish()},
            uses=uses,
            values={"ShardsAtOnce": platform.config.shards_at_once, "Label": LABEL},
            setting="materialisation_arn",
            help_command="headwater features show VIEW",
        )
        self.register_outputs({"arn": self.machine.arn})

    def _split(self) -> Function:
        platform, handler = self._platform, headwater.handlers.features.split
        uses = [compute_features(platform), platform.registry.read(VIEWS)]
        settings = {"shard_entities": platform.config.shard_entities}
        # What is due is sorted here, and spills: hence the disk.
        return self._function(
            "features-split", handler, "data", memory_mib=3008, disk_mib=10240, settings=settings, uses=uses
        )

    def _write(self) -> Function:
        platform, handler = self._platform, headwater.handlers.features.write_shard
        uses = [platform.lake.read(SHARDS.prefix), platform.registry.read(VIEWS), platform.features.write_batches()]
        return self._function("features-write-shard", handler, "data", memory_mib=3008, disk_mib=2048, uses=uses)

    def _finish(self) -> Function:
        handler, timeout = headwater.handlers.features.finish, timedelta(minutes=1)
        # Its registry's rows alone say what is complete; the class wants a bucket all the same.
        uses, settings = [self._platform.registry.write(VIEWS)], {"lake_bucket": self._platform.lake.ready}
        return self._function("features-finish", handler, "data", timeout=timeout, settings=settings, uses=uses)


def _run_map(platform: Platform, machine: str) -> Grant:
    """Permissions of a distributed map: to read its items, to run its own machine's children, and to redrive them.

    After "IAM policies for using Distributed Map states" in Step Functions' developer guide. The machine's output can't
    be named here: it is made with this role.
    """
    executions = f"execution:{machine}"
    return merge(
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
