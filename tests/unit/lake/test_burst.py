"""Many uploads at once are many writers of one branch: each gets its commit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from headwater.lake.committing import Committing
from headwater.lake.errors import Superseded
from headwater.lake.store import Objects
from headwater.lake.types import Ingestion, IngestionStatus, Order, Upload
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.values import Pointer
from headwater.versions.service import Versions
from tests.unit.lake.world import LAKE, REGISTRY, World
from tests.unit.versions.cases import wired

WRITERS = 10


def ingested(file: str, sequencer: str) -> Ingestion:
    """An upload whose rows are curated and not committed yet."""
    now = datetime(2026, 11, 1, tzinfo=UTC)
    upload = Upload(
        bucket=LAKE, key=f"landing/readings/{file}", version_id=f"{file}-{sequencer}", size=1, sequencer=sequencer
    )
    key = f"curated/readings/{upload.path}"
    put = CLIENTS("s3").put_object(
        Bucket=LAKE, Key=key, Body=b"x", ChecksumAlgorithm="SHA256", Metadata=Order(now, upload.order).metadata
    )
    curated = Pointer(bucket=LAKE, key=key, version_id=put["VersionId"])
    return Ingestion(
        source="readings", file=file, upload=upload, status=IngestionStatus.INGESTED, curated=curated, at=now
    )


def test_a_burst_of_files_and_of_versions_of_one_file_ends_in_the_log_each_once(world: World) -> None:
    wired("s3", "dynamodb")
    files = [ingested(f"{number}.csv", "A1") for number in range(WRITERS)]
    versions = [ingested("again.csv", f"A{number}") for number in range(1, 5)]

    def commit(one: Ingestion) -> str | None:
        mine = Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS, pause=lambda _: None)
        try:
            return Committing(mine, Objects(LAKE, CLIENTS), pause=lambda _: None).commit(one)
        except Superseded:
            return None

    # Every event comes twice.
    with ThreadPoolExecutor(WRITERS) as pool:
        made = list(pool.map(commit, [*files, *versions, *versions, *files]))
    dataset = Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("sources/readings")
    logged = {entry.id: entry.commit.meta["upload_id"] for entry in dataset.log()}
    assert len(set(logged.values())) == len(logged)
    assert {one.upload.id for one in files} | {versions[-1].upload.id} <= set(logged.values())
    assert {commit for commit in made if commit} == set(logged)
    assert made[:WRITERS] == made[-WRITERS:]
    counts = {entry.path: entry.version_id for entry in dataset.files()}
    assert versions[-1].curated is not None
    assert counts["again.csv.parquet"] == versions[-1].curated.version_id
    assert len(counts) == WRITERS + 1


def test_an_event_gets_its_twins_commit_whenever_the_twin_commits(world: World) -> None:
    wire = wired("s3", "dynamodb")

    def commit(one: Ingestion) -> str:
        return Committing(
            Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS, pause=lambda _: None),
            Objects(LAKE, CLIENTS),
            pause=lambda _: None,
        ).commit(one)

    commit(ingested("first.csv", "A1"))
    counted = ingested("counted.csv", "A1")
    wire.calls = []
    commit(counted)
    for place in range(len(wire.calls)):
        one = ingested(f"{place}.csv", "A1")
        twins: list[str] = []
        calls = iter(range(1000))

        def fault(
            _: str, one: Ingestion = one, place: int = place, twins: list[str] = twins, calls: Any = calls
        ) -> None:
            if next(calls) == place:
                twins.append(commit(one))

        wire.fault = fault
        mine = commit(one)
        wire.fault = lambda _: None
        assert twins == [mine], f"the twin came before call {place}"
