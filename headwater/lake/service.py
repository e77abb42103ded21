"""The lake's verbs: ingest an upload, pin what counts as a snapshot, read a snapshot as tables."""

# ruff: noqa: S608 - names in SQL are declared by products or quoted; values are parameters or literals of our own
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from headwater.lake.database import columns_of, connect, literal, quoted
from headwater.lake.errors import FileRefused, NoData
from headwater.lake.ingestion import Curation, curate
from headwater.lake.store import Ledger, Objects
from headwater.lake.types import LANDING, Ingestion, IngestionStatus, PinnedFile, Pointer, Snapshot, Upload
from headwater.model import Catalog, Source

LONGEST_NAME = 800
"""Bytes of a file's name: its curated and quarantined keys are longer and S3 allows 1,024."""
SHOWN_REASONS = 20


class Lake:
    """The sources' files: landed, curated and pinned.

    Parameters
    ----------
    catalog : Catalog
        The sources that are declared.
    bucket : str
        The lake's bucket.
    table : str
        The registry table.
    now : callable
        The time, UTC, that records are stamped with.
    """

    def __init__(
        self, catalog: Catalog, *, bucket: str, table: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.catalog = catalog
        self.objects = Objects(bucket)
        self.ledger = Ledger(table)
        self._now = now

    def ingest(self, upload: Upload) -> Ingestion:
        """Validate and curate ``upload``, and let it count unless a later version of its file does.

        Calling it again for the same upload changes nothing: what was ingested stays as it is, and only a move that
        a crash left out is made good.

        Raises
        ------
        FileRefused
            No row of the file counts; what counted before still does. The registry holds the reasons.
        SourceFailed
            The source's SQL fails on good rows.
        """
        known = self.ledger.ingestion(upload)
        if known is None or known.status is not IngestionStatus.INGESTED:
            known = self.ledger.record(self._ingest(upload))
        assert known.curated is not None  # noqa: S101 - an ingested file has its rows somewhere
        counts = self.ledger.move(upload, known.curated)
        return known.model_copy(update={"counts": counts})

    def _ingest(self, upload: Upload) -> Ingestion:
        outcome = Ingestion(
            source=upload.source, file=upload.file, upload=upload, status=IngestionStatus.REFUSED, at=self._now()
        )
        with TemporaryDirectory(prefix="headwater-ingest-") as scratch:
            folder, done = Path(scratch), None
            try:
                source = self._source(upload)
                landed = folder / "landed"
                self.objects.fetch(_landed(upload), landed)
                done = curate(source, upload, landed, folder)
                outcome = self._with_quarantine(outcome, upload, done)
                if done.refusal:
                    raise FileRefused(done.refusal)
                curated = self.objects.put(f"curated/{upload.source}/{upload.stem}.parquet", done.curated)
            except FileRefused as error:
                raise self._refused(outcome, error) from error
        return outcome.model_copy(update={"status": IngestionStatus.INGESTED, "curated": curated})

    def _source(self, upload: Upload) -> Source:
        if not upload.key.startswith(f"{LANDING}/") or not upload.source or not upload.file:
            raise FileRefused(f"an upload's key must be {LANDING}/<source>/<file>")
        if upload.source not in self.catalog.sources:
            declared = ", ".join(sorted(self.catalog.sources)) or "none"
            raise FileRefused(f"unknown source. Declared: {declared}")
        if len(upload.file.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
            raise FileRefused(f"the file's name is longer than {LONGEST_NAME} bytes")
        return self.catalog.source(upload.source)

    def _with_quarantine(self, outcome: Ingestion, upload: Upload, done: Curation) -> Ingestion:
        quarantine = None
        if done.quarantine is not None:
            key = f"quarantine/{upload.source}/{upload.stem}/{upload.version_id}.parquet"
            quarantine = self.objects.put(key, done.quarantine)
        return outcome.model_copy(
            update={
                "rows_in": done.rows_in,
                "rows_out": 0 if done.refusal else done.rows_out,
                "rows_rejected": done.rows_rejected,
                "rows_repeated": done.rows_repeated,
                "reasons": done.reasons[:SHOWN_REASONS],
                "quarantine": quarantine,
            }
        )

    def _refused(self, outcome: Ingestion, error: FileRefused) -> FileRefused:
        where = f" -> {outcome.quarantine.key}" if outcome.quarantine else ""
        message = f"source {outcome.source!r}: {outcome.file}: {error.message}{where}"
        self.ledger.record(outcome.model_copy(update={"reasons": (message, *outcome.reasons)}))
        return FileRefused(message, next_steps=["correct the file and upload it again"])

    def snapshot(self, sources: Sequence[str]) -> Snapshot:
        """Pin the version of every file of ``sources`` that counts right now.

        Raises
        ------
        NoData
            A source has none.
        """
        names = tuple(sorted(set(sources)))
        files = [entry for name in names for entry in self.ledger.files(name)]
        present = Counter(entry.source for entry in files)
        if lacking := [name for name in names if not present[name]]:
            raise NoData(
                f"no data for source {', '.join(map(repr, lacking))}: nothing was uploaded yet, or it was refused",
                next_steps=[f"headwater upload {lacking[0]} FILE.csv"],
            )
        return Snapshot(sources=names, files=tuple(files))

    @contextmanager
    def tables(self, snapshot: Snapshot) -> Iterator[duckdb.DuckDBPyConnection]:
        """A database with a view of each source's curated rows, from the pinned versions alone.

        Files are put together by column name; a column that a file lacks is NULL. Of rows in several files with the
        same keys, the one whose file was ingested last is seen.
        """
        with TemporaryDirectory(prefix="headwater-lake-") as scratch:
            folder = Path(scratch)
            connection = connect(folder / "spill")
            try:
                for source in snapshot.sources:
                    # By revision: a later file's rows come later.
                    files = sorted((entry for entry in snapshot.files if entry.source == source), key=_by_revision)
                    parts = folder / source
                    parts.mkdir()
                    paths = self.objects.fetch_all([entry.at for entry in files], parts)
                    self._view(connection, source, paths)
                yield connection
            finally:
                connection.close()

    def _view(self, connection: duckdb.DuckDBPyConnection, source: str, paths: list[Path]) -> None:
        names = ", ".join(literal(str(path)) for path in paths)
        rows = f"SELECT * FROM read_parquet([{names}], union_by_name = true)"
        connection.execute(f"CREATE VIEW {quoted(source)} AS {rows}")
        keys = self.catalog.source(source).keys
        columns = columns_of(connection, source)
        if len(paths) > 1 and keys and all(key in columns for key in keys):
            # File names are numbered by revision, so the last one is the one that was ingested last.
            by = ", ".join(map(quoted, keys))
            connection.execute(
                f"CREATE OR REPLACE VIEW {quoted(source)} AS SELECT * EXCLUDE (filename, file_row_number) FROM "
                f"read_parquet([{names}], union_by_name = true, filename = true, file_row_number = true) "
                f"QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY filename DESC, file_row_number) = 1"
            )


def _by_revision(entry: PinnedFile) -> tuple[int, str]:
    return entry.revision, entry.file


def _landed(upload: Upload) -> Pointer:
    return Pointer(bucket=upload.bucket, key=upload.key, version_id=upload.version_id)
