"""Collectors: the function and the container task that fetch, and the machine that waits until a run is complete."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi

import headwater.handlers.collecting.collect
from headwater.container.task import CollectSettings
from headwater.declare import S3, Collector, Kinesis, Sqs
from headwater.infra.containers.cluster import Containers
from headwater.infra.containers.tasks import Task
from headwater.infra.platform.component import Component
from headwater.infra.platform.function import Function
from headwater.infra.platform.grants import Grant, allow
from headwater.infra.platform.keys import COLLECTED, COLLECTORS, LANDING
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.secrets import read_secrets
from headwater.infra.platform.state_machine import StateMachine
from headwater.infra.platform.streams import read_stream

CAPABILITY = "collecting"
DEFINITION = Path(__file__).with_name("collecting.asl.json")
_BELOW = "objects below a prefix aren't known before"


class Collectors(Component):
    """One machine for all collectors that the products declare, with a function, and a container task where one is
    declared to run in it; nothing if they declare none.

    Function and task may each land files in their collectors' own sources, read the secrets, buckets and roles that
    these name, and nothing else. Idle it costs nothing but its alarms.

    Parameters
    ----------
    containers : Containers, optional
        Where collectors run that declare ``runs_in="container"``.
    """

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        containers: Containers | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        declared = [one for _, one in sorted(platform.products.collectors.items())]
        inside = [one for one in declared if one.runs_in == "container"]
        if inside and containers is None:
            raise pulumi.RunError(
                f"collectors are declared to run in containers ({', '.join(one.name for one in inside)}), and nothing "
                'runs those: infra/__main__.py needs infra.Collectors("collectors", platform, containers=containers)'
            )
        super().__init__(name, platform, opts)
        self.machine: StateMachine | None = None
        """None if no collector is declared."""
        if declared:
            uses: list[Grant] = []
            if inside and containers is not None:
                uses = [self._task(inside, containers).run()]
            self.machine = self._machine(
                name,
                CAPABILITY,
                DEFINITION,
                {"Collect": self._collect([one for one in declared if one.runs_in == "function"])},
                uses=uses,
                values={"InContainers": ",".join(one.name for one in inside)} if inside else {},
                without=() if inside else ("ChooseWhere", "CollectInContainer"),
                setting="collecting_arn",
                help_command="headwater collect list",
            )
        self.register_outputs({"arn": self.machine.arn if self.machine else ""})

    def _collect(self, declared: Sequence[Collector]) -> Function:
        handler, uses = headwater.handlers.collecting.collect, _uses(self._platform, declared)
        return self._function("collecting-collect", handler, "data", memory_mib=2048, disk_mib=4096, uses=uses)

    def _task(self, declared: Sequence[Collector], containers: Containers) -> Task:
        return containers.another(
            CAPABILITY,
            capability=CAPABILITY,
            uses=_uses(self._platform, declared),
            settings=CollectSettings,
            ports={port for one in declared for port in one.reaches},
        )


def _uses(platform: Platform, declared: Sequence[Collector]) -> list[Grant]:
    """All that some collectors need: the same in the function and in the container."""
    lake, places = platform.lake, sorted({f"{LANDING}{one.source}/" for one in declared})
    return [
        lake.read(COLLECTED, *places),
        lake.write(COLLECTED, *places),
        lake.delete(COLLECTED),
        platform.registry.write(COLLECTORS),
        read_secrets(platform, {secret for one in declared for secret in one.reads.secrets}),
        *(_read_bucket(platform, one.reads) for one in declared if isinstance(one.reads, S3)),
        *(read_stream(platform, one.reads) for one in declared if isinstance(one.reads, Kinesis | Sqs)),
    ]


def _read_bucket(platform: Platform, reads: S3) -> Grant:
    """To assume the role that may read the bucket, or to read it."""
    if reads.role_arn is not None:
        return allow(["sts:AssumeRole"], reads.role_arn)
    bucket = f"arn:{platform.account.partition}:s3:::{reads.bucket}"
    return Grant(
        statements=(
            *allow(["s3:ListBucket"], bucket).statements,
            *allow(["s3:GetObject"], f"{bucket}/{reads.prefix}*", wildcard=_BELOW).statements,
        )
    )
