"""Ingestion: what happens to an upload, from the event to online features."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pulumi

import headwater.handlers.lake.ingest
import headwater.handlers.lake.intake
import headwater.handlers.lake.refuse
import headwater.handlers.lake.sweep
from headwater.infra.containers.cluster import Containers
from headwater.infra.lake.uploads import Uploads
from headwater.infra.platform.function import MAX_TIMEOUT, Function, FunctionArgs
from headwater.infra.platform.keys import SOURCE_DATA, SOURCES
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.state_machine import StateMachine, StateMachineArgs
from headwater.infra.platform.uses import ingest_uploads

LAKE = "lake"
HOURLY = "rate(1 hour)"


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
        self.machine = StateMachine(
            name,
            StateMachineArgs(
                platform=platform,
                capability=LAKE,
                definition=Path(__file__).with_name("ingestion.asl.json"),
                steps={"Ingest": self._ingest(), "Materialise": materialise, "Refuse": self._refuse()},
                uses=[containers.run()],
                values={"FunctionLimitBytes": platform.config.function_limit_bytes},
                setting="ingestion_arn",
            ),
            opts=self._child,
        )
        Uploads("uploads", platform, intake=self._intake(), opts=self._child)
        self._sweep().call_by_rule(
            "lake-sweep",
            schedule=HOURLY,
            target="sweep",
            description="Finds uploads that no event told of.",
            parent=self,
        )
        self.register_outputs({"arn": self.machine.arn})

    def _intake(self) -> Function:
        return Function(
            "lake-intake",
            FunctionArgs(
                platform=self._platform,
                handler=headwater.handlers.lake.intake,
                bundle="control",
                memory_mib=256,
                timeout=timedelta(seconds=30),
                uses=[self.machine.start()],
            ),
            opts=self._child,
        )

    def _sweep(self) -> Function:
        platform = self._platform
        return Function(
            "lake-sweep",
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.lake.sweep,
                bundle="control",
                memory_mib=256,
                timeout=MAX_TIMEOUT,
                uses=[platform.lake.list_keys(), platform.registry.read(SOURCES), self.machine.start()],
            ),
            opts=self._child,
        )

    def _ingest(self) -> Function:
        platform = self._platform
        return Function(
            "lake-ingest",
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.lake.ingest,
                settings={"code_version": platform.code["data"].bundle.sha256},
                bundle="data",
                memory_mib=3008,
                disk_mib=2048,
                timeout=MAX_TIMEOUT,
                uses=[ingest_uploads(platform)],
            ),
            opts=self._child,
        )

    def _refuse(self) -> Function:
        return Function(
            "lake-refuse",
            FunctionArgs(
                platform=self._platform,
                handler=headwater.handlers.lake.refuse,
                bundle="control",
                memory_mib=256,
                timeout=timedelta(seconds=30),
                uses=[
                    self._platform.registry.write(SOURCES),
                    # Whether what failed had been committed.
                    self._platform.registry.read(SOURCE_DATA),
                ],
            ),
            opts=self._child,
        )
