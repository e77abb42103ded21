"""A source whose definition changes, and what of it is made again."""

from __future__ import annotations

from headwater.declare import Source
from headwater.lake.service import Lake
from headwater.lake.types import ReingestOrder, Upload
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.types import Entry
from tests.unit.lake.world import HEADER, LAKE, READINGS_SOURCE, REGISTRY, World

OLD = READINGS_SOURCE
DOUBLED = OLD.model_copy(update={"sql": "SELECT sensor, level * 2 AS level FROM landed"})
STRICT = OLD.model_copy(update={"max_rejected": 0.0})
ORDER = ReingestOrder(source="readings")


def levels(lake: Lake) -> dict[str, int]:
    with lake.tables(lake.pin(["readings"])) as tables:
        return dict(tables.execute("SELECT sensor, level FROM readings ORDER BY ALL").fetchall())


def held(lake: Lake) -> list[Entry]:
    return list(lake.versions.dataset("sources/readings").files())


def commits(lake: Lake) -> list[str]:
    return [entry.id for entry in lake.versions.dataset("sources/readings").log()]


def uploaded(world: World, *files: str, source: Source = OLD) -> list[Upload]:
    uploads = [world.upload(f"landing/readings/{name}.csv", f"{HEADER}{name},1,,true\n") for name in files]
    for upload in uploads:
        world.lake(source).ingest(upload)
    return uploads


def fast(world: World, source: Source) -> Lake:
    return Lake(world.catalog(source), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS), pause=lambda _: None)
