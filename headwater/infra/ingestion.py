"""Ingestion: what happens to an upload, from the event to online features."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.lake.ingest
import headwater.handlers.lake.intake
import headwater.handlers.lake.refuse
import headwater.handlers.lake.sweep
from headwater.infra.containers import Containers
from headwater.infra.function import Function, FunctionArgs
from headwater.infra.grants import together
from headwater.infra.lake import (
    grant_ingest,
)
from headwater.infra.machine import StateMachine, StateMachineArgs
from headwater.infra.platform import Platform
from headwater.infra.tables import SOURCE_DATA, SOURCES
from headwater.infra.uploads import Uploads

LAKE = "lake"
HOURLY = "rate(1 hour)"
MAX_TIMEOUT = timedelta(minutes=15)


class Ingestion(pulumi.ComponentResource):
    """An upload becomes curated rows and online features, or a refusal with its reasons; once, however often told.

    Files above the setting ``functionLimitBytes`` are ingested by the container task.
    """

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        materialise: Function,
        containers: Containers,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:index:Ingestion", name, {}, opts)
        self._platform = platform
        self._child = pulumi.ResourceOptions(parent=self)
        ingest, refuse = self._ingest(), self._refuse()
        self.machine = StateMachine(
            name,
            StateMachineArgs(
                platform=platform,
                capability=LAKE,
                definition="ingestion.asl.json",
                values={
                    "FunctionLimitBytes": platform.config.function_limit_bytes,
                    "IngestFunctionArn": ingest.arn,
                    "MaterialiseFunctionArn": materialise.arn,
                    "RefuseFunctionArn": refuse.arn,
                    **containers.places,
                },
                grants=[
                    together(*(function.grant_invoke() for function in (ingest, materialise, refuse))),
                    containers.grant_run(),
                ],
            ),
            opts=self._child,
        )
        Uploads(
            "uploads",
            platform,
            intake=self._intake(),
            opts=self._child,
        )
        self._sweep().call_regularly(
            "lake-sweep",
            HOURLY,
            target="sweep",
            capability=LAKE,
            description="Finds uploads that no event told of.",
            parent=self,
        )
        self.register_outputs({"arn": self.machine.arn})

    def _intake(self) -> Function:
        return Function(
            "lake-intake",
            FunctionArgs(
                platform=self._platform,
                capability=LAKE,
                handler=headwater.handlers.lake.intake,
                settings={"ingestion_arn": self.machine.arn},
                bundle="control",
                memory_mib=256,
                timeout=timedelta(seconds=30),
                grants=[self.machine.grant_start()],
            ),
            opts=self._child,
        )

    def _sweep(self) -> Function:
        platform = self._platform
        return Function(
            "lake-sweep",
            FunctionArgs(
                platform=platform,
                capability=LAKE,
                handler=headwater.handlers.lake.sweep,
                settings={
                    "lake_bucket": platform.lake.name,
                    "registry_table": platform.registry.name,
                    "ingestion_arn": self.machine.arn,
                },
                bundle="control",
                memory_mib=256,
                timeout=MAX_TIMEOUT,
                grants=[platform.lake.grant_list(), platform.registry.grant_read(SOURCES), self.machine.grant_start()],
            ),
            opts=self._child,
        )

    def _ingest(self) -> Function:
        platform = self._platform
        return Function(
            "lake-ingest",
            FunctionArgs(
                platform=platform,
                capability=LAKE,
                handler=headwater.handlers.lake.ingest,
                settings={
                    "lake_bucket": platform.lake.ready,
                    "registry_table": platform.registry.name,
                    "code_version": platform.code["data"].bundle.sha256,
                },
                bundle="data",
                memory_mib=3008,
                disk_mib=2048,
                timeout=MAX_TIMEOUT,
                grants=[grant_ingest(platform.lake, platform.registry)],
            ),
            opts=self._child,
        )

    def _refuse(self) -> Function:
        return Function(
            "lake-refuse",
            FunctionArgs(
                platform=self._platform,
                capability=LAKE,
                handler=headwater.handlers.lake.refuse,
                settings={"registry_table": self._platform.registry.name},
                bundle="control",
                memory_mib=256,
                timeout=timedelta(seconds=30),
                grants=[
                    self._platform.registry.grant_read_write(SOURCES),
                    # Whether what failed had been committed.
                    self._platform.registry.grant_read(SOURCE_DATA),
                ],
            ),
            opts=self._child,
        )
