"""A collector on moto, what has landed of it, and a list of rows that it reads."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from headwater.collecting.service import Collecting, Tick
from headwater.collecting.store import CollectedFiles, CollectorStore
from headwater.collecting.types import Batch, Outcome, Read, Request
from headwater.declare import Code, Collector, Schedule
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.world import LAKE, REGISTRY

START = datetime(2026, 11, 1, tzinfo=UTC)
COLLECTOR = Collector(
    name="book",
    source="readings",
    schedule=Schedule(every="1h"),
    reads=Code(function="tests.unit.collecting.world:read", secret_names={"token": "ssm:/book/token"}),
)


@dataclass
class Book:
    """Rows that are numbered as they come; read in batches of two from the last number on."""

    rows: list[int] = field(default_factory=list)
    size: int = 2

    def read(self, request: Request) -> Iterator[Batch]:
        """What is new."""
        new = [row for row in list(self.rows) if row > (request.cursor or 0)]
        for at in range(0, len(new), self.size):
            found = new[at : at + self.size]
            yield Batch(rows=[{"row": row} for row in found], cursor=found[-1])


def store(collector: str = COLLECTOR.name) -> CollectorStore:
    """The collector's items."""
    return CollectorStore(Table(REGISTRY, CLIENTS, pause=lambda _: None), collector)


def collecting(read: Read, collector: Collector = COLLECTOR, *, secrets: dict[str, str] | None = None) -> Collecting:
    """A new process that runs the collector."""
    return Collecting(
        collector,
        read,
        store(collector.name),
        CollectedFiles(LAKE, CLIENTS),
        secret=(secrets or {}).__getitem__,
        now=lambda: START,
        pause=lambda _: None,
    )


def run(read: Read, name: str = "run", collector: Collector = COLLECTOR, *, hours: int = 0, **more: Any) -> Outcome:
    """Run it for the tick so many hours after the start."""
    at = START + timedelta(hours=hours)
    tick = Tick(at=at, since=at - timedelta(hours=1))
    return collecting(read, collector, **more).run(name, tick, seconds_left=lambda: 900.0)


def landed(source: str = "readings") -> dict[str, bytes]:
    """The newest version of each file that has landed."""
    s3 = CLIENTS("s3")
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=LAKE, Prefix="landing/").get("Contents", [])]
    return {key.removeprefix(f"landing/{source}/"): s3.get_object(Bucket=LAKE, Key=key)["Body"].read() for key in keys}


def lines(bodies: Iterable[bytes]) -> list[str]:
    """Lines of gzipped JSON lines."""
    return [line for body in bodies for line in gzip.decompress(body).decode().splitlines()]


def rows() -> list[int]:
    """The numbers of a book that have landed."""
    return sorted(json.loads(line)["row"] for line in lines(landed().values()))


def versions(prefix: str = "landing/") -> int:
    """How many versions of objects there are."""
    return len(CLIENTS("s3").list_object_versions(Bucket=LAKE, Prefix=prefix).get("Versions", []))


def emptied(bucket: str = LAKE) -> None:
    """Forget everything: as if the collector had never run."""
    s3, table = CLIENTS("s3"), CLIENTS("dynamodb")
    for entry in s3.list_object_versions(Bucket=bucket).get("Versions", []):
        s3.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
    for item in table.scan(TableName=REGISTRY)["Items"]:
        table.delete_item(TableName=REGISTRY, Key={name: item[name] for name in ("pk", "sk")})
