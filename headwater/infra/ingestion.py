"""Ingestion: what happens to an upload, from the event to online features."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pulumi

import headwater.handlers.lake.ingest
import headwater.handlers.lake.intake
import headwater.handlers.lake.refuse
import headwater.handlers.lake.sweep
from headwater.infra.buckets import PrivateBucket
from headwater.infra.containers import Containers
from headwater.infra.function import Foundation, Function, FunctionArgs
from headwater.infra.grants import Grant, together
from headwater.infra.lake import (
    CURATED,
    LANDING,
    QUARANTINE,
    STAGED,
    Uploads,
    UploadsArgs,
    grant_commit,
)
from headwater.infra.machine import StateMachine, StateMachineArgs
from headwater.infra.tables import SOURCE_DATA, SOURCES, Table

LAKE = "lake"
HOURLY = "rate(1 hour)"
MAX_TIMEOUT = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class IngestionArgs:
    """What ingestion reads, writes and runs on."""

    foundation: Foundation
    lake: PrivateBucket
    registry: Table
    materialise: Function
    """Brings the features that stand on a source up to date."""
    containers: Containers


class Ingestion(pulumi.ComponentResource):
    """An upload becomes curated rows and online features, or a refusal with its reasons; once, however often told.

    Files above the setting ``functionLimitBytes`` are ingested by the container task.
    """

    def __init__(self, name: str, args: IngestionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:Ingestion", name, {}, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        ingest, refuse, materialise = self._ingest(), self._refuse(), args.materialise
        self.machine = StateMachine(
            name,
            StateMachineArgs(
                config=args.foundation.config,
                capability=LAKE,
                definition="ingestion.asl.json",
                values={
                    "FunctionLimitBytes": args.foundation.config.function_limit_bytes,
                    "IngestFunctionArn": ingest.arn,
                    "MaterialiseFunctionArn": materialise.arn,
                    "RefuseFunctionArn": refuse.arn,
                    **args.containers.places,
                },
                grants=[
                    together(*(function.grant_invoke() for function in (ingest, materialise, refuse))),
                    args.containers.grant_run(),
                ],
                topic=args.foundation.topic,
            ),
            opts=self._child,
        )
        Uploads(
            "uploads",
            UploadsArgs(bucket=args.lake, intake=self._intake(), dead_letters=args.foundation.dead_letters),
            opts=self._child,
        )
        self._sweep().call_regularly(
            "lake-sweep",
            HOURLY,
            target="sweep",
            capability=LAKE,
            description="Finds uploads that no event told of.",
            dead_letters=args.foundation.dead_letters,
            parent=self,
        )
        self.register_outputs({"arn": self.machine.arn})

    def _intake(self) -> Function:
        return Function(
            "lake-intake",
            FunctionArgs(
                foundation=self._args.foundation,
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
        args = self._args
        return Function(
            "lake-sweep",
            FunctionArgs(
                foundation=args.foundation,
                capability=LAKE,
                handler=headwater.handlers.lake.sweep,
                settings={
                    "lake_bucket": args.lake.name,
                    "registry_table": args.registry.name,
                    "ingestion_arn": self.machine.arn,
                },
                bundle="control",
                memory_mib=256,
                timeout=MAX_TIMEOUT,
                grants=[args.lake.grant_list(), args.registry.grant_read(SOURCES), self.machine.grant_start()],
            ),
            opts=self._child,
        )

    def _ingest(self) -> Function:
        args = self._args
        return Function(
            "lake-ingest",
            FunctionArgs(
                foundation=args.foundation,
                capability=LAKE,
                handler=headwater.handlers.lake.ingest,
                settings={
                    "lake_bucket": args.lake.ready,
                    "registry_table": args.registry.name,
                    "code_version": args.foundation.code["data"].bundle.sha256,
                },
                bundle="data",
                memory_mib=3008,
                disk_mib=2048,
                timeout=MAX_TIMEOUT,
                grants=[grant_ingest(args.lake, args.registry)],
            ),
            opts=self._child,
        )

    def _refuse(self) -> Function:
        return Function(
            "lake-refuse",
            FunctionArgs(
                foundation=self._args.foundation,
                capability=LAKE,
                handler=headwater.handlers.lake.refuse,
                settings={"registry_table": self._args.registry.name},
                bundle="control",
                memory_mib=256,
                timeout=timedelta(seconds=30),
                grants=[
                    self._args.registry.grant_read_write(SOURCES),
                    # Whether what failed had been committed.
                    self._args.registry.grant_read(SOURCE_DATA),
                ],
            ),
            opts=self._child,
        )


def grant_ingest(lake: PrivateBucket, registry: Table) -> Grant:
    """To ingest an upload: the same for the function and the container."""
    return together(
        lake.grant_read(LANDING, CURATED, STAGED, QUARANTINE.prefix),
        lake.grant_write(CURATED, QUARANTINE.prefix),
        registry.grant_read_write(SOURCES),
        grant_commit(lake, registry, SOURCE_DATA),
    )
