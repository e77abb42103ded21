"""Batches of labels in the predictions bucket, and which of them count in the registry table: all calls to AWS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from headwater.monitoring.labels.types import LabelBatch, words
from headwater.serving.store import LABELLED
from headwater.storage.clients import Clients
from headwater.storage.objects import Bucket, ObjectGone
from headwater.storage.table import ABSENT, Item, Table, WriteRefused

PREFIX = "LABEL#"
_BATCH, _NAME = "BATCH#", "NAME#"


class LabelStore:
    """Written labels, in the predictions bucket and the registry table."""

    def __init__(self, bucket: str, table: Table, clients: Clients) -> None:
        self.bucket, self._table = bucket, table
        self._objects, self._s3 = Bucket(bucket, clients), clients("s3")

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
        for entry in self._objects.listed(f"{LABELLED}{model}/"):
            yield entry["Key"], entry["ETag"].strip('"')

    def version_of(self, batch: LabelBatch) -> str | None:
        """The version of a batch's object in S3; None if somebody deleted it."""
        try:
            return str(self._objects.head(batch.key).get("VersionId") or "null")
        except ObjectGone:
            return None

    def bodies(self, batches: Sequence[LabelBatch]) -> Iterator[tuple[LabelBatch, bytes]]:
        """The bytes of batches, many read at once; one that somebody deleted is left out."""
        for batch, answer in self._objects.read_all(batches, lambda one: one.key):
            yield batch, answer.body

    def fetch(self, batch: LabelBatch, path: Path) -> bool:
        """Write a batch's bytes to ``path``; False if somebody deleted the batch."""
        return self._objects.fetch(batch.key, path)


BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Before any label."""
