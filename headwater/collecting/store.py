"""A collector's items in the registry, and its files on their way to landing; the only calls to AWS of the core.

Items under ``COLLECTOR#<name>``: ``STATE``, ``SETTINGS``, ``BATCH#<number>``, ``FILE#<name>``, ``RUN#<time>#<run>``.
Files that were fetched lie under ``collected/files/`` of the lake until they count and have landed, memories under
``collected/memory/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from botocore.exceptions import ClientError
from pydantic import BaseModel

from headwater.collecting.types import BatchRecord, CollectionRun, CollectorSettings, CollectorState, FileRecord
from headwater.lake.types import COLLECTED
from headwater.storage.clients import Clients, error_code
from headwater.storage.objects import Bucket, ObjectGone
from headwater.storage.table import ABSENT, Table
from headwater.values import Pointer, Stored

V = TypeVar("V", bound=Stored)
W = TypeVar("W", CollectorState, CollectorSettings)

STAGED, MEMORY = "collected/files/", "collected/memory/"
STATE, SETTINGS, BATCHES, FILES, RUNS = "STATE", "SETTINGS", "BATCH#", "FILE#", "RUN#"
_NOT_FIRST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class Commit(NamedTuple):
    """The writes of one conditional step."""

    state: CollectorState
    before: CollectorState | None
    batch: BatchRecord | None = None
    file: FileRecord | None = None
    """The record of the batch's file, if batches replace it."""
    run: CollectionRun | None = None


class Landed(NamedTuple):
    """An object in landing."""

    pointer: Pointer
    etag: str
    batch: str
    """The batch that it is, as `CollectedFiles.land` was told; empty if somebody else uploaded it."""


class CollectorStore:
    """One collector's items."""

    def __init__(self, table: Table, collector: str) -> None:
        self._table, self._pk = table, f"COLLECTOR#{collector}"

    def state(self) -> CollectorState | None:
        """How far it is; None before its first run."""
        return self._get(STATE, CollectorState)

    def settings(self) -> CollectorSettings | None:
        """The values that the stack has for itself; None if nobody ever set one."""
        return self._get(SETTINGS, CollectorSettings)

    def set(self, settings: CollectorSettings, before: CollectorSettings | None) -> bool:
        """Write the stack's own values, unless they aren't what they were before."""
        return self._table.write(self._put_over(SETTINGS, settings, before))

    def batch(self, sequence: int) -> BatchRecord | None:
        """A batch that counts."""
        return self._get(_batch_key(sequence), BatchRecord)

    def file(self, name: str) -> FileRecord | None:
        """The newest batch of a file that batches replace."""
        return self._get(f"{FILES}{name}", FileRecord)

    def run(self, key: str) -> CollectionRun | None:
        """A run by its sort key."""
        return self._get(key, CollectionRun)

    def runs(self, number: int) -> list[CollectionRun]:
        """The last runs, newest first."""
        return self._table.last_documents(self._pk, RUNS, CollectionRun, number)

    def batches(self) -> Iterator[BatchRecord]:
        """Every batch that counts, newest first."""
        for item in self._table.newest_first(self._pk, BATCHES):
            yield BatchRecord.model_validate_json(item["document"])

    def commit(self, commit: Commit) -> bool:
        """Write all or nothing, unless the state isn't what it was before.

        Returns
        -------
        bool
            False if others wrote first, or nobody knows: read again. A state that is there with this one's write id is
            this very write.
        """
        state, before = commit.state, commit.before
        writes = [self._put_over(STATE, state, before)]
        if commit.batch is not None:
            writes.append(self._put(_batch_key(commit.batch.sequence), commit.batch, only_if=ABSENT))
            if commit.file is not None:
                newer = f"{ABSENT} OR ticket <= :ticket"
                more = {"ticket": commit.file.ticket}
                writes.append(
                    self._put(
                        f"{FILES}{commit.batch.file}", commit.file, more, only_if=newer, ticket=commit.file.ticket
                    )
                )
        if commit.run is not None:
            writes.append(self._put(commit.run.key, commit.run))
        return self._table.applied(writes)

    def settle(self, state: CollectorState, before: CollectorState, batches: Sequence[BatchRecord]) -> bool:
        """Write a state and batches that have landed, on the same condition as `commit`."""
        writes = [
            self._put_over(STATE, state, before),
            *(self._put(_batch_key(batch.sequence), batch) for batch in batches),
        ]
        return self._table.applied(writes)

    def put_run(self, run: CollectionRun) -> None:
        """Write how a run stands; nothing depends on it."""
        self._table.write(self._put(run.key, run))

    def _get(self, sk: str, kind: type[V]) -> V | None:
        return self._table.document(self._pk, sk, kind)

    def _put_over(self, sk: str, value: W, before: W | None) -> dict[str, Any]:
        item = {"pk": self._pk, "sk": sk, "document": value.model_dump_json(), "write_id": value.write}
        return self._table.put_over(item, "write_id", before.write if before else None)

    def _put(self, sk: str, value: BaseModel, more: dict[str, Any] | None = None, **condition: Any) -> dict[str, Any]:
        return self._table.put(
            {"pk": self._pk, "sk": sk, "document": value.model_dump_json(), **(more or {})}, **condition
        )


class CollectedFiles:
    """Files on their way in the lake's bucket: staged first, landed once they count."""

    def __init__(self, bucket: str, clients: Clients) -> None:
        self._bucket, self._s3 = Bucket(bucket, clients), clients("s3")

    def stage(self, collector: str, name: str, path: Path) -> Pointer:
        """Keep a file that doesn't count yet."""
        with path.open("rb") as body:
            return self._bucket.put(f"{STAGED}{collector}/{name}", body)

    def fetch(self, staged: Pointer, path: Path) -> None:
        """Bring a staged file back to disk; raises `ObjectGone`."""
        self._bucket.download(staged, path)

    def landed(self, key: str) -> Landed | None:
        """The newest version of ``key``; None if there is none."""
        try:
            found = self._bucket.head(key)
        except ObjectGone:
            return None
        pointer = Pointer(bucket=self._bucket.name, key=key, version_id=found["VersionId"])
        return Landed(pointer, found["ETag"], found.get("Metadata", {}).get(COLLECTED, ""))

    def land(self, key: str, path: Path, *, batch: str, over: str | None) -> Pointer | None:
        """Put a file at ``key`` if its newest version has the ETag ``over``, or if there is none and ``over`` is None.

        Returns
        -------
        Pointer or None
            None if somebody else came first.
        """
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}
        try:
            with path.open("rb") as body:
                return self._bucket.put(key, body, Metadata={COLLECTED: batch}, **condition)
        except ClientError as error:
            if error_code(error) in _NOT_FIRST:
                return None
            raise

    def remember(self, collector: str, memory: bytes, name: str) -> Pointer:
        """Keep a batch's memory."""
        return self._bucket.put(f"{MEMORY}{collector}/{name}", memory)

    def memory(self, kept: Pointer) -> bytes:
        """A batch's memory; raises `ObjectGone`."""
        return self._bucket.read(kept)

    def old(self, collector: str, before: datetime) -> Iterator[Pointer]:
        """Files and memories of a collector that were written before a time."""
        pages = self._s3.get_paginator("list_object_versions")
        for kind in (STAGED, MEMORY):
            for page in pages.paginate(Bucket=self._bucket.name, Prefix=f"{kind}{collector}/"):
                for one in page.get("Versions", ()):
                    if one["LastModified"] < before:
                        yield Pointer(bucket=self._bucket.name, key=one["Key"], version_id=one["VersionId"])

    def forget(self, pointer: Pointer) -> None:
        """Delete a staged file that has landed, a memory that a newer one replaced, or what a killed run left."""
        self._s3.delete_object(Bucket=pointer.bucket, Key=pointer.key, VersionId=pointer.version_id)


def _batch_key(sequence: int) -> str:
    return f"{BATCHES}{sequence:012}"
