"""Ingestion: what happens to an upload, from the event to online features."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pulumi

import headwater.handlers.lake.ingest
import headwater.handlers.lake.intake
import headwater.handlers.lake.refuse
import headwater.handlers.lake.sweep
from headwater.declare import Schedule
from headwater.infra.containers.cluster import Containers
from headwater.infra.lake.uploads import Uploads
from headwater.infra.platform.component import Component
from headwater.infra.platform.function import Function
from headwater.infra.platform.keys import SOURCE_DATA, SOURCES
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.uses import ingest_uploads

LAKE = "lake"
DEFINITION = Path(__file__).with_name("ingestion.asl.json")
HOURLY = Schedule(cron="3 * * * ? *")
BRIEFLY = timedelta(seconds=30)


class Ingestion(Component):
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
        super().__init__(name, platform, opts)
        steps = {"Ingest": self._ingest(), "Materialise": materialise, "Refuse": self._refuse()}
        uses, values = [containers.run()], {"FunctionLimitBytes": platform.config.function_limit_bytes}
        self.machine = self._machine(name, LAKE, DEFINITION, steps, uses=uses, values=values, setting="ingestion_arn")
        Uploads("uploads", platform, intake=self._intake(), opts=self._child)
        # Finds uploads that no event told of.
        platform.regular.call("lake-sweep", HOURLY, self._sweep())
        self.register_outputs({"arn": self.machine.arn})

    def _intake(self) -> Function:
        handler, uses = headwater.handlers.lake.intake, [self.machine.start()]
        return self._function("lake-intake", handler, "control", memory_mib=256, timeout=BRIEFLY, uses=uses)

    def _sweep(self) -> Function:
        platform = self._platform
        uses = [platform.lake.list_keys(), platform.registry.read(SOURCES), self.machine.start()]
        return self._function("lake-sweep", headwater.handlers.lake.sweep, "control", memory_mib=256, uses=uses)

    def _ingest(self) -> Function:
        return self._function(
            "lake-ingest",
            headwater.handlers.lake.ingest,
            "data",
            memory_mib=3008,
            disk_mib=2048,
            settings={"code_version": self._platform.code["data"].bundle.sha256},
            uses=[ingest_uploads(self._platform)],
        )

    def _refuse(self) -> Function:
        registry, handler = self._platform.registry, headwater.handlers.lake.refuse
        # Reads whether what failed had been committed.
        uses = [registry.write(SOURCES), registry.read(SOURCE_DATA)]
        return self._function("lake-refuse", handler, "control", memory_mib=256, timeout=BRIEFLY, uses=uses)
