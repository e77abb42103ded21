"""Makes curated and quarantined rows of one landed file; `headwater.lake.committing` decides whether they count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from headwater.declare import Catalog, Source
from headwater.lake.definitions import definition_of
from headwater.lake.errors import FileRefused
from headwater.lake.ingestion import Curation, curate
from headwater.lake.store import IngestionLog, Objects
from headwater.lake.types import LANDING, Definition, Ingestion, IngestionStatus, Upload, cut
from headwater.values import Pointer

LONGEST_NAME = 800
"""Bytes of a file's name: its curated and quarantined keys are longer and S3 allows 1,024."""
LONGEST_REFUSAL = 4000
"""Characters of a refusal's message; it travels through Step Functions and the registry."""


class Refusal(Exception):
    """A file was refused: carries the ingestion for the registry, and the error for the caller."""

    def __init__(self, outcome: Ingestion, error: FileRefused) -> None:
        super().__init__(error.message)
        self.outcome, self.error = outcome, error


class Making:
    """Makes curated files of landed ones, under the declared definitions.

    Parameters
    ----------
    catalog : Catalog
    objects : Objects
    ingestion_log : IngestionLog
        Remembers each definition when it is first used.
    code_version : str
    now : callable
    """

    def __init__(
        self,
        catalog: Catalog,
        objects: Objects,
        ingestion_log: IngestionLog,
        *,
        code_version: str,
        now: Callable[[], datetime],
    ) -> None:
        self._catalog, self._objects, self._ingestion_log = catalog, objects, ingestion_log
        self._code_version, self._now = code_version, now
        self._definitions: dict[str, Definition] = {}

    def definition(self, source: str) -> Definition:
        """The declared definition of a source, which is also stored in the registry."""
        if source not in self._definitions:
            made = definition_of(self._catalog.source(source)).model_copy(update={"at": self._now()})
            self._ingestion_log.remember(made)
            self._definitions[source] = made
        return self._definitions[source]

    def make(self, upload: Upload) -> Ingestion:
        """Validate a landed file and store its curated rows, without recording or committing anything.

        Raises
        ------
        Refusal
            None of its rows may count.
        SourceFailed, VersionGone
        """
        outcome = Ingestion(
            source=upload.source,
            file=upload.file,
            upload=upload,
            status=IngestionStatus.REFUSED,
            code_version=self._code_version,
            at=self._now(),
        )
        with TemporaryDirectory(prefix="headwater-ingest-") as scratch:
            folder = Path(scratch)
            try:
                source = self._source(upload)
                definition = self.definition(source.name)
                outcome = outcome.model_copy(
                    update={"definition": definition.digest, "contract": f"{source.contract} {definition.digest}"}
                )
                landed = folder / "landed"
                order, collected = self._objects.fetch_landed(landed_of(upload), landed)
                order = order._replace(sequencer=upload.order)
                outcome = outcome.model_copy(update={"collected": collected})
                done = curate(source, upload, landed, folder)
                outcome = self._with_quarantine(outcome, done)
                if done.refusal:
                    raise FileRefused(done.refusal)
            except FileRefused as error:
                raise self.refusal(outcome, error) from error
            curated = self._objects.put(f"{definition.place}{upload.path}", done.curated, order.metadata)
        return outcome.model_copy(update={"status": IngestionStatus.INGESTED, "curated": curated})

    def refusal(self, outcome: Ingestion, error: FileRefused) -> Refusal:
        """The refusal of a file, whose message names the file and the location of its rejected rows."""
        where = f" -> {outcome.quarantine.key}" if outcome.quarantine else ""
        named = f"source {outcome.source!r}" if outcome.source else "no source"
        message = f"{named}: {cut(outcome.file, 300)}: {cut(error.message, LONGEST_REFUSAL)}{where}"
        steps = list(error.next_steps) or ["correct the file and upload it again"]
        return Refusal(outcome.because(message, *outcome.reasons), FileRefused(message, next_steps=steps))

    def _source(self, upload: Upload) -> Source:
        declared = ", ".join(sorted(self._catalog.sources)) or "none"
        if not upload.key.startswith(f"{LANDING}/") or not upload.source or not upload.file:
            raise FileRefused(
                f"an upload's key must be {LANDING}/<source>/<file>, not {cut(upload.key, 300)}. Declared: {declared}",
                next_steps=["headwater upload SOURCE FILE puts a file where its source is read from"],
            )
        if upload.source not in self._catalog.sources:
            raise FileRefused(f"unknown source. Declared: {declared}")
        if len(upload.file.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
            raise FileRefused(f"the file's name is longer than {LONGEST_NAME} bytes")
        return self._catalog.source(upload.source)

    def _with_quarantine(self, outcome: Ingestion, done: Curation) -> Ingestion:
        upload, quarantine = outcome.upload, None
        if done.quarantine is not None:
            key = f"quarantine/{upload.source}/{upload.stem}/{upload.version_id}.parquet"
            quarantine = self._objects.put(key, done.quarantine)
        return outcome.because(*done.reasons).model_copy(
            update={
                "rows_in": done.rows_in,
                "rows_out": 0 if done.refusal else done.rows_out,
                "rows_rejected": done.rows_rejected,
                "rows_repeated": done.rows_repeated,
                "quarantine": quarantine,
            }
        )


def landed_of(upload: Upload) -> Pointer:
    """The version that landed."""
    return Pointer(bucket=upload.bucket, key=upload.key, version_id=upload.version_id)
