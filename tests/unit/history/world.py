"""A state bucket in which updates happen as Pulumi's own backend makes them happen."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from headwater.history.service import UpdateHistory
from headwater.history.store import GraphStore, HistoryTable, StateBucket
from headwater.history.types import HistoryFile, StackName
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.registry.cases import TABLE, make_table, mocked_aws

STATE, ARTIFACTS = "state", "artifacts"
HERE = Path(__file__).parent
OF = StackName(project="small", stack="local")
NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)


def cli_checkpoint() -> dict[str, Any]:
    """What the Pulumi CLI 3.259.0 wrote: two queues, one of them the other's dead letters, and a secret parameter."""
    read: dict[str, Any] = json.loads((HERE / "cli-checkpoint.json").read_text())
    return read


def cli_history() -> dict[str, Any]:
    """The history file beside it."""
    read: dict[str, Any] = json.loads((HERE / "cli-history.json").read_text())
    return read


def resource_of(checkpoint: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The resource called ``name``, to be changed."""
    (found,) = (each for each in checkpoint["checkpoint"]["latest"]["resources"] if each["urn"].endswith(f"::{name}"))
    chosen: dict[str, Any] = found
    return chosen


def with_delay(seconds: int) -> dict[str, Any]:
    """The same infrastructure but for one property of one queue."""
    checkpoint = cli_checkpoint()
    resource_of(checkpoint, "jobs")["inputs"]["visibilityTimeoutSeconds"] = seconds
    return checkpoint


@dataclass
class World:
    """The bucket, and the keys of the files in the order in which they were written."""

    history: UpdateHistory
    keys: list[str] = field(default_factory=list)
    now: datetime = NOON
    tables: int = 0

    def write(self, key: str, body: bytes) -> None:
        CLIENTS("s3").put_object(Bucket=STATE, Key=key, Body=body)

    def delete(self, key: str) -> None:
        CLIENTS("s3").delete_object(Bucket=STATE, Key=key)

    def wait(self, **by: float) -> None:
        self.now += timedelta(**by)

    def save(self, checkpoint: Mapping[str, Any] | bytes, of: StackName = OF) -> None:
        """Replace the stack's state, as every step of an update does, and `pulumi stack import` alone."""
        body = checkpoint if isinstance(checkpoint, bytes) else json.dumps(checkpoint).encode()
        self.write(f".pulumi/stacks/{of}.json", body)

    def update(
        self,
        checkpoint: Mapping[str, Any] | bytes | None,
        *,
        of: StackName = OF,
        by: str = "ada",
        zipped: bool = False,
        history: bytes | None = None,
        **said: Any,
    ) -> None:
        """Lock, change the state, write history and checkpoint, unlock; ten seconds, and as long until the next."""
        lock = f".pulumi/locks/organization/{of}/{self.now:%H%M%S}.json"
        holder = {"pid": 1, "username": by, "hostname": "laptop", "timestamp": self.now.isoformat()}
        self.write(lock, json.dumps(holder).encode())
        started = int(self.now.timestamp())
        self.wait(seconds=10)
        if checkpoint is not None:
            self.save(checkpoint, of)
        happened = {**cli_history(), "startTime": started, "endTime": int(self.now.timestamp()), **said}
        stem = f".pulumi/history/{of}/{of.stack}-{int(self.now.timestamp()) * 10**9 + 7}"
        bodies = {"history": history or json.dumps(happened).encode()}
        if checkpoint is not None:
            bodies["checkpoint"] = checkpoint if isinstance(checkpoint, bytes) else json.dumps(checkpoint).encode()
        for part, body in bodies.items():
            key = f"{stem}.{part}.json{'.gz' if zipped else ''}"
            self.write(key, gzip.compress(body) if zipped else body)
            self.keys.append(key)
        self.wait(seconds=1)
        self.delete(lock)
        self.wait(seconds=10)

    def remove_stack(self, of: StackName = OF) -> None:
        """`pulumi stack rm`: the state and the folder of its history are deleted."""
        listed = CLIENTS("s3").list_objects_v2(Bucket=STATE, Prefix=f".pulumi/history/{of}/").get("Contents", ())
        for key in [f".pulumi/stacks/{of}.json", *(each["Key"] for each in listed)]:
            self.delete(key)
        self.wait(seconds=10)

    def tell(self, keys: Sequence[str] | None = None) -> None:
        """The events of those files, by default of all in their order."""
        for key in self.keys if keys is None else keys:
            file = HistoryFile.parse(key)
            assert file is not None
            self.history.record(file)

    def contents(self) -> list[dict[str, Any]]:
        """Every item of the history's table."""
        items: list[dict[str, Any]] = CLIENTS("dynamodb").scan(TableName=self.table)["Items"]
        return sorted(copy.deepcopy(items), key=lambda item: (item["pk"]["S"], item["sk"]["S"]))

    def forget(self) -> None:
        """Begin a history with a table of its own."""
        self.tables += 1
        make_table(self.table)
        self.history = UpdateHistory(
            StateBucket(STATE, CLIENTS), HistoryTable(Table(self.table, CLIENTS)), GraphStore(ARTIFACTS, CLIENTS)
        )

    @property
    def table(self) -> str:
        """The history's table."""
        return f"{TABLE}{self.tables or ''}"


@contextmanager
def new_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A versioned state bucket, the artifacts and the table."""
    with mocked_aws(monkeypatch):
        make_table()
        for bucket in (STATE, ARTIFACTS):
            CLIENTS("s3").create_bucket(Bucket=bucket)
            CLIENTS("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        world = World(
            UpdateHistory(
                StateBucket(STATE, CLIENTS), HistoryTable(Table(TABLE, CLIENTS)), GraphStore(ARTIFACTS, CLIENTS)
            )
        )
        # moto's clock, not ours: when an object was written tells which update it belongs to.
        monkeypatch.setattr("moto.s3.models.utcnow", lambda: world.now.replace(tzinfo=None))
        yield world
