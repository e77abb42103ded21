"""Batches of labels in the predictions bucket, and which of them count in the registry table: all calls to AWS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from botocore.exceptions import ClientError

from headwater.monitoring.labels.types import LabelBatch, words
from headwater.serving.store import LABELLED
from headwater.storage.clients import client, error_code
from headwater.storage.http.connection import connection
from headwater.storage.objects import GONE
from headwater.storage.table import ABSENT, Item, Table, WriteRefused

PREFIX = "LABEL#"
_BATCH, _NAME = "BATCH#", "NAME#"
_TOGETHER = 64
"""Batches that are read at once."""


class LabelStore:
    """Written labels.

    Parameters
    ----------
    bucket : str
        The predictions bucket.
    table : Table
        The registry table.
    """

    def __init__(self, bucket: str, table: Table) -> None:
        self.bucket, self._table = bucket, table
        self._s3, self._wire = client("s3"), connection("s3")

    def known(self, model: str, name: str) -> LabelBatch | None:
        """A batch that counts; None if there is none of that name."""
        item = self._table.get(PREFIX + model, f"{_NAME}{name}")
        return LabelBatch.model_validate_json(item["batch"]) if item else None

    def put(self, batch: LabelBatch, body: bytes) -> None:
        """Store a batch's bytes; it counts once it is noted."""
        self._s3.put_object(Bucket=self.bucket, Key=batch.key, Body=body)

    def put_file(self, batch: LabelBatch, path: Path) -> None:
        """Store a batch's file; it counts once it is noted."""
        with path.open("rb") as file:
            self._s3.put_object(Bucket=self.bucket, Key=batch.key, Body=file)

    def note(self, batch: LabelBatch) -> tuple[LabelBatch, bool]:
        """Let a stored batch count; the batch as it was noted first, and whether that was now.

        Raises
        ------
        WriteRefused
            The write wasn't acknowledged; sending the labels again is safe.
        """
        pk, document = PREFIX + batch.model, batch.model_dump_json()
        named: Item = {"pk": pk, "sk": f"{_NAME}{batch.name}", "batch": document}
        listed: Item = {"pk": pk, "sk": f"{_BATCH}{words(batch.received_at)}#{batch.name}", "batch": document}
        try:
            self._table.transact([self._table.put(named, only_if=ABSENT), self._table.put(listed, only_if=ABSENT)])
        except WriteRefused:
            # Noted already, or the answer to our own write was lost.
            there = self.known(batch.model, batch.name)
            if there is None:
                raise
            return there, there.received_at == batch.received_at
        return batch, True

    def batches(self, model: str, since: datetime, until: datetime) -> Iterator[LabelBatch]:
        """The batches received from ``since`` to ``until``, both included, by the time of their receipt."""
        # What is asked for comes after it.
        before = f"{_BATCH}{words(since)}"
        last = f"{_BATCH}{words(until)}#\U0010ffff"
        for item in self._table.query(PREFIX + model, _BATCH, after=before):
            if item["sk"] > last:
                return
            yield LabelBatch.model_validate_json(item["batch"])

    def newest(self, model: str) -> LabelBatch | None:
        """The batch that was received last; None if there is none."""
        item = self._table.newest(PREFIX + model, _BATCH)
        return LabelBatch.model_validate_json(item["batch"]) if item else None

    def stored(self, model: str) -> Iterator[tuple[str, str]]:
        """Key and ETag of each batch that lies in the bucket, also of one that doesn't count."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{LABELLED}{model}/")
        for page in pages:
            for entry in page.get("Contents", ()):
                yield entry["Key"], entry["ETag"].strip('"')

    def version_of(self, batch: LabelBatch) -> str | None:
        """The version of a batch's object in S3; None if somebody deleted it."""
        try:
            answer = self._s3.head_object(Bucket=self.bucket, Key=batch.key)
        except ClientError as error:
            if error_code(error) not in GONE:
                raise
            return None
        return str(answer.get("VersionId") or "null")

    def bodies(self, batches: Sequence[LabelBatch]) -> Iterator[tuple[LabelBatch, bytes]]:
        """The bytes of batches, many read at once; one that somebody deleted is left out."""
        for first in range(0, len(batches), _TOGETHER):
            some = batches[first : first + _TOGETHER]
            asked = [(batch.key, ()) for batch in some]
            for batch, answer in zip(some, self._wire.request_all("GetObject", "GET", self.bucket, asked), strict=True):
                if not isinstance(answer, ClientError):
                    yield batch, answer.body
                elif error_code(answer) not in GONE:
                    raise answer

    def fetch(self, batch: LabelBatch, path: Path) -> bool:
        """Write a batch's bytes to ``path``; False if somebody deleted the batch."""
        try:
            body = self._s3.get_object(Bucket=self.bucket, Key=batch.key)["Body"]
        except ClientError as error:
            if error_code(error) not in GONE:
                raise
            return False
        with path.open("wb") as file:
            for chunk in body.iter_chunks(1 << 20):
                file.write(chunk)
        return True


BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Before any label."""
