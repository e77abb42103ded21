"""Collectors: the function that fetches for all of them, and the machine that calls it until a run is complete."""

from __future__ import annotations

from pathlib import Path

import pulumi

import headwater.handlers.collecting.collect
from headwater.declare import S3, Collector, Kinesis, Sqs
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
    """One function and one machine for all collectors that the products declare; nothing if they declare none.

    The function may land files in the collectors' own sources, read the secrets, buckets and roles that they name, and
    nothing else. Idle it costs nothing but its alarms.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        declared = [one for _, one in sorted(platform.products.collectors.items())]
        self.machine: StateMachine | None = None
        """None if no collector is declared."""
        if declared:
            steps = {"Collect": self._collect(declared)}
            command = "headwater collect list"
            self.machine = self._machine(
                name, CAPABILITY, DEFINITION, steps, uses=[], setting="collecting_arn", help_command=command
            )
        self.register_outputs({"arn": self.machine.arn if self.machine else ""})

    def _collect(self, declared: list[Collector]) -> Function:
        lake, places = self._platform.lake, sorted({f"{LANDING}{one.source}/" for one in declared})
        return self._function(
            "collecting-collect",
            headwater.handlers.collecting.collect,
            "data",
            memory_mib=2048,
            disk_mib=4096,
            uses=[
                lake.read(COLLECTED, *places),
                lake.write(COLLECTED, *places),
                lake.delete(COLLECTED),
                self._platform.registry.write(COLLECTORS),
                read_secrets(self._platform, {secret for one in declared for secret in one.reads.secrets}),
                *(_read_bucket(self._platform, one.reads) for one in declared if isinstance(one.reads, S3)),
                *(read_stream(self._platform, one.reads) for one in declared if isinstance(one.reads, Kinesis | Sqs)),
            ],
        )


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
