"""A prediction log in which a test puts what it likes, and what it must give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from tempfile import NamedTemporaryFile
from typing import Any

import duckdb
import pytest

from headwater.monitoring.log.reading import Reader
from headwater.monitoring.log.records import TIMES
from headwater.monitoring.log.service import Compaction, Report
from headwater.monitoring.log.store import CompactionStore
from headwater.serving.store import PredictionStore
from headwater.serving.types import PredictionRecord, day_prefix, record_key
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.world import REGISTRY, World, new_world

BUCKET = "predictions"
HOUR = timedelta(hours=1)
AT = datetime(2026, 3, 1, 5, 30, tzinfo=UTC)
LATER = AT.replace(minute=10) + 3 * HOUR
"""When the hour of `AT` is over and was looked at again twice."""


def instance(number: int = 0, **more: Any) -> dict[str, Any]:
    """One of a request's predictions, as the record holds it."""
    return {
        "inputs": {"shop": "n", "amount": number}, "features": {"habits.visits": 7.0, "habits.name": None},
        "probability": 0.25, "missing_features": ["habits.name"], "feature_age_seconds": 60.0, **more,
    }  # fmt: skip


def record(request_id: str, at: datetime = AT, *, instances: int = 1, **more: Any) -> PredictionRecord:
    """A request as the predict function writes it down."""
    given: dict[str, Any] = {
        "request_id": request_id, "model": "buys", "version": 1, "alias": "production", "run_id": "run-1",
        "data_version": "d", "received_at": at, "answered_at": at + timedelta(milliseconds=8), "as_of": at,
        "looked_up": True, "predictions": [instance(number) for number in range(instances)],
    }  # fmt: skip
    return PredictionRecord(**given | more)


@dataclass
class Log:
    """The log, its parts, and what was written into it."""

    world: World
    store: CompactionStore
    written: dict[str, str] = field(default_factory=dict)
    """Received at, by prediction id, of all that was written."""

    def write(self, *records: PredictionRecord) -> None:
        """Log requests."""
        for one in records:
            PredictionStore(BUCKET, CLIENTS).write(one)
            self._expect(one)

    def write_flat(self, one: PredictionRecord) -> None:
        """Log a request as earlier versions did: its key has no hour."""
        key = f"{day_prefix(one.model, one.received_at.date())}{one.request_id}.json"
        self.put(key, json.dumps(one.document()))
        self._expect(one)

    def _expect(self, one: PredictionRecord) -> None:
        for number in range(len(one.predictions)):
            self.written[f"{one.request_id}.{number}"] = one.received_at.isoformat()

    def put(self, key: str, body: str | bytes) -> None:
        """Put anything into the bucket."""
        CLIENTS("s3").put_object(Bucket=BUCKET, Key=key, Body=body.encode() if isinstance(body, str) else body)

    def put_changed(self, one: PredictionRecord, **changes: Any) -> None:
        """Log a request whose document differs."""
        self.put(record_key("buys", one.received_at, one.request_id), json.dumps(one.document() | changes))

    def compact(self, now: datetime = LATER, **limits: int) -> Report:
        """Run the compaction; raises what went wrong."""
        report = Compaction(self.store, **limits).run(now)
        for error in report.failed.values():
            raise error
        return report

    def parts(self, model: str = "buys") -> list[str]:
        """The ids in the parts that count: each as often as it is in there."""
        found: list[str] = []
        for hour in self.store.compacted(model, datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)):
            for part in hour.parts:
                body = CLIENTS("s3").get_object(Bucket=BUCKET, Key=hour.key(part))["Body"].read()
                found += [row["prediction_id"] for row in rows_of(body)]
        return sorted(found)

    def held(self, key: str) -> list[str]:
        """The request ids in a part."""
        return [row["request_id"] for row in rows_of(self.body(key))]

    def read(self, model: str = "buys", **more: Any) -> list[dict[str, Any]]:
        """All that the reader gives, in its order."""
        since, until = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
        frames = Reader(self.store).frames(model, more.pop("since", since), more.pop("until", until), **more)
        return [row for frame in frames for row in frame.to_dict("records")]

    def assert_once(self, model: str = "buys") -> None:
        """All that was written is read, each once, by the time of its receipt."""
        read = [(row["received_at"].isoformat(), row["prediction_id"]) for row in self.read(model)]
        expected = [(at, *name.rpartition(".")[::2]) for name, at in self.written.items()]
        assert read == [(at, f"{of}.{place}") for at, of, place in sorted(expected, key=_by_place)]

    def body(self, key: str) -> bytes:
        """The bytes of an object."""
        return bytes(CLIENTS("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def keys(self, prefix: str = "") -> list[str]:
        """Keys of the bucket."""
        return self.world.keys(BUCKET, prefix)


def _by_place(expected: tuple[str, str, str]) -> tuple[str, str, int]:
    return expected[0], expected[1], int(expected[2])


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """The rows of a Parquet file."""
    with NamedTemporaryFile(suffix=".parquet") as file, duckdb.connect() as connection:
        file.write(body)
        file.flush()
        times = ", ".join(f"epoch_us({name}) AS {name}" for name in TIMES)
        relation = connection.read_parquet(file.name).project(f"* REPLACE ({times})")
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


@contextmanager
def new_log() -> Iterator[Log]:
    """An empty log on mocked AWS."""
    with pytest.MonkeyPatch.context() as patches, new_world(patches) as world:
        CLIENTS("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        CLIENTS("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield Log(world, CompactionStore(BUCKET, Table(REGISTRY, CLIENTS), CLIENTS))
