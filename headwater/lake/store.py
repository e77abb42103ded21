"""The lake's objects in S3 and its items in the registry table: the only calls to AWS of this package."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from botocore.exceptions import ClientError
from pydantic import BaseModel

from headwater.lake.errors import LakeBusy
from headwater.lake.types import COLLECTED, Definition, Ingestion, IngestionStatus, Order, Reingestion, Upload
from headwater.storage.clients import Clients, error_code
from headwater.storage.objects import Bucket, ObjectGone
from headwater.storage.table import ABSENT, Scalar, Table
from headwater.values import Pointer
from headwater.versions.errors import VersionGone

V = TypeVar("V", bound=BaseModel)

ARRIVED = "arrived/"
"""Prefix of streamed rows that aren't committed yet, a folder for each view and version of its definition."""
DELETED_AT_ONCE = 1000
FIRST, LATEST = "FIRSTDEFINITION", "LATESTDEFINITION"
BUSY = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "503", "500"})


class Objects:
    """Versioned objects of one bucket."""

    def __init__(self, bucket: str, clients: Clients) -> None:
        self.bucket = bucket
        self._s3 = clients("s3")
        self._objects = Bucket(bucket, clients)

    def fetch(self, pointer: Pointer, path: Path) -> Order:
        """Write the bytes that ``pointer`` names to ``path``. Returns when they landed; raises `VersionGone`."""
        return self._fetch(pointer, path)[0]

    def fetch_landed(self, pointer: Pointer, path: Path) -> tuple[Order, str]:
        """Write an upload's bytes to ``path``. Returns when they landed and `Ingestion.collected`; raises
        `VersionGone`."""
        order, metadata = self._fetch(pointer, path)
        return order, metadata.get(COLLECTED, "")

    def _fetch(self, pointer: Pointer, path: Path) -> tuple[Order, Mapping[str, str]]:
        with _kept(pointer):
            answer = self._objects.download(pointer, path)
        metadata = answer["Metadata"]
        return Order.of(metadata, answer["LastModified"]), metadata

    def tail(self, pointer: Pointer, count: int) -> bytes:
        """The last ``count`` bytes of the object that ``pointer`` names, or all if there are fewer; raises
        `VersionGone`."""
        with _kept(pointer):
            read: bytes = self._objects.get(pointer, Range=f"bytes=-{count}")["Body"].read()
        return read

    def gone(self, pointers: Sequence[Pointer]) -> list[bool]:
        """For each pointer whether its object was deleted."""

        def is_gone(pointer: Pointer) -> bool:
            try:
                self._objects.head(pointer)
            except ObjectGone:
                return True
            return False

        with ThreadPoolExecutor(16, thread_name_prefix="gone") as pool:
            return list(pool.map(is_gone, pointers))

    def order(self, pointer: Pointer) -> Order:
        """When the file that ``pointer`` names landed; raises `VersionGone`."""
        with _kept(pointer):
            answer = self._objects.head(pointer)
        return Order.of(answer["Metadata"], answer["LastModified"])

    def in_order(self, pointers: Sequence[Pointer]) -> list[Pointer]:
        """The pointers in the order in which their files landed; files that landed at the same moment keep their
        order."""
        with ThreadPoolExecutor(16, thread_name_prefix="order") as pool:
            orders = list(pool.map(self.order, pointers))
        return [pointers[number] for number in sorted(range(len(pointers)), key=orders.__getitem__)]

    def fetch_in_order(self, pointers: Sequence[Pointer], folder: Path) -> list[Path]:
        """Write each pointer's bytes to a file of its own in ``folder``. Returns the files in the order in which they
        landed.

        Files that landed at the same moment keep the order of ``pointers``.
        """
        fetched = [folder / f"fetched-{number}" for number in range(len(pointers))]
        with ThreadPoolExecutor(8, thread_name_prefix="fetch") as pool:
            orders = list(pool.map(self.fetch, pointers, fetched))
        in_order = sorted(range(len(pointers)), key=orders.__getitem__)
        return [fetched[number].rename(folder / f"{place:06}.parquet") for place, number in enumerate(in_order)]

    def put(self, key: str, path: Path, metadata: Mapping[str, str] | None = None) -> Pointer:
        """Store a file's bytes as a new version of ``key``, with a checksum that stands for them."""
        with path.open("rb") as body:
            return self._objects.put(key, body, Metadata=dict(metadata or {}))

    def newest(self, key: str) -> Pointer | None:
        """The version of ``key`` that was written last; None if there is none."""
        try:
            return self._objects.newest(key)
        except ObjectGone:
            return None

    def landed(self, prefix: str) -> Iterator[tuple[datetime, Upload]]:
        """The newest version of each object under ``prefix`` that isn't deleted, and when it landed.

        A listing has no sequencers, which would order two versions of one second; the time orders all others.
        """
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
        for page in pages:
            for found in page.get("Versions", ()):
                if found["IsLatest"]:
                    key, version_id, size = found["Key"], found["VersionId"], found["Size"]
                    upload = Upload(bucket=self.bucket, key=key, version_id=version_id, size=size, sequencer="0")
                    yield found["LastModified"], upload


class Arrivals:
    """Streamed rows that aren't committed yet: a small object for each call, named by the hash of its content.

    The same rows sent again have the same key. An object is deleted by version id, so that the deleted version is the
    one that was read, and rows that are sent again later are committed again.

    Parameters
    ----------
    bucket : str
        The lake's, which keeps versions.
    """

    def __init__(self, bucket: str, clients: Clients) -> None:
        self.bucket = bucket
        self._s3 = clients("s3")
        self._objects = Bucket(bucket, clients)

    def put(self, view: str, version: str, body: bytes) -> str:
        """Keep a call's rows, lines of JSON, for a version of a view's definition. Returns the object's key.

        Raises
        ------
        LakeBusy
            S3 throttled; calling again is safe.
        """
        key = f"{ARRIVED}{view}/{version}/{hashlib.sha256(body).hexdigest()}.jsonl"
        try:
            self._objects.put(key, body)
        except ClientError as error:
            if error_code(error) in BUSY:
                raise LakeBusy(f"s3://{self.bucket}/{ARRIVED}: throttled until all retries were spent") from error
            raise
        return key

    def views(self) -> tuple[str, ...]:
        """The views that have arrived rows, in order."""
        return tuple(self._objects.folders(ARRIVED))

    def waiting(self, view: str) -> Iterator[Pointer]:
        """The arrived objects of a view, every version, by key. Objects may be deleted while this iterates."""
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=f"{ARRIVED}{view}/"
        )  # fmt: skip
        for page in pages:
            # A delete marker means that a person deleted the object; the versions below it count.
            for entry in page.get("Versions", ()):
                yield Pointer(bucket=self.bucket, key=entry["Key"], version_id=entry["VersionId"])

    def fetch(self, pointer: Pointer, path: Path) -> bool:
        """Write a call's rows to a file; False if they were committed and deleted meanwhile."""
        return self._objects.fetch(pointer, path)

    def delete(self, pointers: Sequence[Pointer]) -> None:
        """Delete committed objects for ever; a missing object is no error.

        Raises
        ------
        ClientError
            Some objects weren't deleted: they are committed a second time, which changes no answer.
        """
        for start in range(0, len(pointers), DELETED_AT_ONCE):
            some = pointers[start : start + DELETED_AT_ONCE]
            answer = self._s3.delete_objects(
                Bucket=self.bucket,
                Delete={"Objects": [{"Key": one.key, "VersionId": one.version_id} for one in some], "Quiet": True},
            )
            for error in answer.get("Errors", ()):
                raise ClientError({"Error": error}, "DeleteObjects")


class IngestionLog:
    """The registry table's items about uploads.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def ingestion(self, upload: Upload) -> Ingestion | None:
        """The ingestion of ``upload``; None if nothing is known."""
        return self._document(upload.source, _ingestion(upload), Ingestion)

    def ingestions(self, source: str) -> tuple[Ingestion, ...]:
        """The ingestion of every upload to ``source``, the newest first."""
        found = self._documents(source, "INGESTION#", Ingestion)
        return tuple(sorted(found, key=lambda entry: entry.at, reverse=True))

    def record(self, ingestion: Ingestion) -> Ingestion:
        """Store the ingestion of an upload.

        A final success (committed or superseded) is never replaced. Of two successes that aren't final the first stays.
        Everything else is replaced.

        Returns
        -------
        Ingestion
            The stored ingestion: the given one, or a concurrent run's.
        """
        item = _item(ingestion.source, _ingestion(ingestion.upload), ingestion, status=ingestion.status.value)
        condition = {"only_if": "attribute_not_exists(settled)"}
        if ingestion.settled:
            item["settled"] = 1
        elif ingestion.status is IngestionStatus.INGESTED:
            condition = {"only_if": f"{ABSENT} OR #status <> :ingested", "ingested": IngestionStatus.INGESTED.value}
        if self._table.write(self._table.put(item, **condition)):
            return ingestion
        # Also after a successful write whose answer was lost: the stored item is then our own.
        present = self.ingestion(ingestion.upload)
        assert present is not None  # noqa: S101 - the condition failed, so there is one, and none is ever deleted
        return present

    def remember(self, definition: Definition) -> None:
        """Store a definition when it is first used, and which definitions are the source's first and latest."""
        for name in (f"DEFINITION#{definition.digest}", FIRST):
            self._table.write(self._table.put(_item(definition.source, name, definition), only_if=ABSENT))
        self._table.write(self._table.put(_item(definition.source, LATEST, definition)))

    def definitions(self, source: str) -> tuple[Definition, ...]:
        """The definitions under which files were ingested, the oldest first."""
        found = self._documents(source, "DEFINITION#", Definition)
        return tuple(sorted(found, key=lambda entry: (entry.at is not None, entry.at)))

    def first_definition(self, source: str) -> str | None:
        """The digest of the source's first recorded definition."""
        return self._digest(source, FIRST)

    def latest_definition(self, source: str) -> str | None:
        """The digest of the definition that was last used, to ingest or to look for files of older definitions."""
        return self._digest(source, LATEST)

    def _digest(self, source: str, name: str) -> str | None:
        found = self._document(source, name, Definition)
        return found.digest if found else None

    def remade(self, source: str, digest: str | None = None) -> tuple[Ingestion, ...]:
        """The reingested uploads of a source, under one definition or under any."""
        return tuple(self._documents(source, f"REMADE#{digest}#" if digest else "REMADE#", Ingestion))

    def keep_remade(self, made: Ingestion) -> Ingestion:
        """Store the result of an upload under another definition; of two successes the first stays.

        Returns
        -------
        Ingestion
            The stored ingestion.
        """
        name = f"REMADE#{made.definition}#{made.upload.version_id}#{_fitting(made.file)}"
        item = _item(made.source, name, made, status=made.status.value)
        put = self._table.put(item, only_if=f"{ABSENT} OR #status = :over", over=IngestionStatus.REFUSED.value)
        if self._table.write(put):
            return made
        return self._document(made.source, name, Ingestion) or made

    def record_reingestion(self, done: Reingestion) -> None:
        """Store the end of a reingestion or of its last attempt."""
        self._table.write(self._table.put(_item(done.source, f"REINGESTION#{done.run_id}", done)))

    def reingestion(self, source: str, run_id: str) -> Reingestion | None:
        """The end of a reingestion; None if it hasn't ended."""
        return self._document(source, f"REINGESTION#{run_id}", Reingestion)

    def _document(self, source: str, sk: str, kind: type[V]) -> V | None:
        return self._table.document(_source(source), sk, kind)

    def _documents(self, source: str, prefix: str, kind: type[V]) -> list[V]:
        return list(self._table.documents(_source(source), prefix, kind))


@contextmanager
def _kept(pointer: Pointer) -> Iterator[None]:
    try:
        yield
    except ObjectGone as error:
        raise VersionGone(
            f"s3://{pointer.bucket}/{pointer.key} has no version {pointer.version_id} (any more)"
        ) from error


def _item(source: str, sk: str, value: BaseModel, **more: Scalar) -> dict[str, Scalar]:
    return {"pk": _source(source), "sk": sk, **more, "document": value.model_dump_json()}


def _source(source: str) -> str:
    return f"SOURCE#{source}"


def _ingestion(upload: Upload) -> str:
    return f"INGESTION#{upload.version_id}#{_fitting(upload.file)}"


def _fitting(file: str) -> str:
    """A file's name in a sort key, of which DynamoDB allows 1,024 bytes: a longer one is named by its hash."""
    name = file.encode("utf-8", "surrogatepass")
    return file if len(name) <= 900 else hashlib.sha256(name).hexdigest()
