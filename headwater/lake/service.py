"""The lake's verbs: ingest an upload, pin what counts right now, read what was pinned as tables."""

# ruff: noqa: S608 - names in SQL are declared by products or quoted; values are parameters or literals of our own
from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from headwater.lake.committing import Committing
from headwater.lake.database import columns_of, connect, literal, quoted
from headwater.lake.errors import FileRefused, NoData, Superseded
from headwater.lake.ingestion import Curation, curate
from headwater.lake.store import Ledger, Objects
from headwater.lake.types import (
    LANDING,
    STREAMED,
    DataVersion,
    Ingestion,
    IngestionStatus,
    PinnedCommit,
    Pointer,
    Upload,
    dataset_of,
    streamed_of,
    streamed_table,
)
from headwater.model import Catalog, Source
from headwater.registry.errors import RegistryBusy
from headwater.registry.store import RegistryStore
from headwater.versions.errors import DatasetNotFound, HookRefused, RevisionNotFound
from headwater.versions.refs import Ref, Refs
from headwater.versions.service import Versions
from headwater.versions.types import MAIN, Entry

LONGEST_NAME = 800
"""Bytes of a file's name: its curated and quarantined keys are longer and S3 allows 1,024."""
_PINS = 20
"""Times that branches are read again before they are moving too fast to be pinned."""
SHOWN_REASONS = 20


class Lake:
    """The sources' files: landed, curated, committed and pinned.

    Parameters
    ----------
    catalog : Catalog
        The sources that are declared.
    bucket : str
        The lake's bucket.
    table : str
        The registry table.
    code_version : str
        What ingests; kept with each commit.
    now : callable
        The time, UTC, that records are stamped with.
    pause : callable
        Called with seconds before a contended write is tried again.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        bucket: str,
        table: str,
        code_version: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.catalog = catalog
        self.objects = Objects(bucket)
        self.ledger = Ledger(table)
        self._registry = RegistryStore(table)
        self.versions = Versions(bucket, self._registry, now=now, pause=pause)
        self._committing = Committing(self.versions, self.objects, pause=pause)
        self._code_version = code_version
        self._now = now

    def ingest(self, upload: Upload) -> Ingestion:
        """Validate and curate ``upload``, and commit it unless a later version of its file is committed already.

        Calling it again for the same upload changes nothing: what was ingested stays as it is, and only a commit that
        a crash left out is made good.

        Raises
        ------
        FileRefused
            No row of the file counts; what counted before still does. The registry holds the reasons.
        SourceFailed
            The source's SQL fails on good rows.
        RefsBusy
            The commit couldn't be made for others that kept coming first; calling it again does the rest.
        """
        known = self.ledger.ingestion(upload)
        if known is None or known.status is not IngestionStatus.INGESTED:
            known = self.ledger.record(self._ingest(upload))
        if known.settled:
            return known
        try:
            known = known.model_copy(update={"commit": self._committing.commit(known)})
        except Superseded:
            known = known.model_copy(update={"superseded": True})
        except HookRefused as error:
            refused = known.model_copy(update={"status": IngestionStatus.REFUSED, "curated": None, "rows_out": 0})
            raise self._refused(refused, FileRefused(error.message)) from error
        return self.ledger.record(known)

    def _ingest(self, upload: Upload) -> Ingestion:
        outcome = Ingestion(
            source=upload.source,
            file=upload.file,
            upload=upload,
            status=IngestionStatus.REFUSED,
            code_version=self._code_version,
            at=self._now(),
        )
        with TemporaryDirectory(prefix="headwater-ingest-") as scratch:
            folder, done = Path(scratch), None
            try:
                source = self._source(upload)
                landed = folder / "landed"
                order = self.objects.fetch(_landed(upload), landed)._replace(sequencer=upload.order)
                done = curate(source, upload, landed, folder)
                outcome = self._with_quarantine(outcome, upload, done)
                if done.refusal:
                    raise FileRefused(done.refusal)
                key = f"curated/{upload.source}/{upload.path}"
                curated = self.objects.put(key, done.curated, order.metadata)
            except FileRefused as error:
                raise self._refused(outcome, error) from error
        return outcome.model_copy(
            update={"status": IngestionStatus.INGESTED, "curated": curated, "contract": _contract(source)}
        )

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

    def pin(self, sources: Sequence[str], views: Sequence[str] = ()) -> DataVersion:
        """Pin the commit of each of ``sources`` that its branch points at right now.

        Parameters
        ----------
        sources : sequence of str
        views : sequence of str
            Views whose streamed rows are pinned as well; one that nothing was ever streamed to isn't mentioned.

        Raises
        ------
        NoData
            A source has none, or it holds no file.
        RegistryBusy
            Commits kept coming while the branches were read.
        """
        commits: dict[str, PinnedCommit] = {}
        lacking = []
        heads = self._heads([*map(dataset_of, sources), *map(streamed_of, views)])
        for source in sorted(set(sources)):
            name = dataset_of(source)
            head = heads[name]
            if head is not None and self.versions.dataset(name).tree(head.commit).rows:
                commits[source] = PinnedCommit(commit=head.commit, revision=head.sequence)
            else:
                lacking.append(source)
        if lacking:
            raise NoData(
                f"no data for source {', '.join(map(repr, lacking))}: nothing was uploaded yet, or it was refused",
                next_steps=[f"headwater upload {lacking[0]} FILE.csv"],
            )
        for name in map(streamed_of, views):
            if (head := heads[name]) is not None:
                commits[name] = PinnedCommit(commit=head.commit, revision=head.sequence)
        return DataVersion(commits=commits)

    def _heads(self, datasets: Sequence[str]) -> dict[str, Ref | None]:
        """Where the main branches point, all at one moment: of two data versions one is the older, in every part."""

        def read() -> dict[str, Ref | None]:
            # Branch and revision in one read: neither may be older than the other.
            return {name: Refs(self._registry, name).get("branch", MAIN) for name in datasets}

        heads = read()
        if len(datasets) == 1:
            return heads
        for _ in range(_PINS):
            # What reads alike twice was so in between, for a sequence never comes back.
            if (again := read()) == heads:
                return heads
            heads = again
        raise RegistryBusy(f"{', '.join(datasets)}: branches moved {_PINS} times while they were read; run it again")

    def at(self, sources: Sequence[str], revision: str | Mapping[str, str], views: Sequence[str] = ()) -> DataVersion:
        """Pin the commit that ``revision`` names in each of ``sources``, or that named for each.

        Parameters
        ----------
        sources : sequence of str
        revision : str or mapping of str to str
            As in `headwater.versions.revisions`: ``main@{2026-11-01}``, a tag; by source where they differ. A source
            that a mapping leaves out is pinned as it is now.
        views : sequence of str
            Views whose streamed rows are pinned as well, by the same revision, or by that which a mapping has for
            `streamed_of`. A revision for all that they don't have is none of them: a tag of the sources, a time before
            the first.

        Raises
        ------
        RevisionNotFound, InvalidRevision, AmbiguousRevision
            A source has no such commit.
        NoData
            It holds no file.
        """
        commits: dict[str, PinnedCommit] = {}
        for source in sorted(set(sources)):
            named = revision if isinstance(revision, str) else revision.get(source, MAIN)
            dataset = self.versions.dataset(dataset_of(source))
            commit = dataset.resolve(named)
            if not dataset.tree(commit).rows:
                raise NoData(f"source {source!r} held no file at {named!r}")
            commits[source] = PinnedCommit(commit=commit, revision=1)
        for name in map(streamed_of, views):
            named = revision if isinstance(revision, str) else revision.get(name, MAIN)
            try:
                commits[name] = PinnedCommit(commit=self.versions.dataset(name).resolve(named), revision=1)
            except (RevisionNotFound, DatasetNotFound):
                if not isinstance(revision, str) and name in revision:
                    raise
        return DataVersion(commits=commits)

    def size(self, version: DataVersion) -> int:
        """Bytes of the files of a data version."""
        return sum(entry.size for source, commit in version.ids.items() for entry in self._files(source, commit))

    def fetch(self, version: DataVersion, folder: Path, names: Collection[str] | None = None) -> dict[str, list[Path]]:
        """Write the pinned commits' files to a folder for each part of a data version; its files as they landed.

        ``names`` are the parts that are wanted: sources, and `streamed_of` views; by default all.
        """
        fetched = {}
        for source, commit in version.ids.items():
            if names is not None and source not in names:
                continue
            parts = folder / source
            parts.mkdir(parents=True)
            fetched[source] = self.objects.fetch_in_order(self._pinned(source, commit), parts)
        return fetched

    def files(self, version: DataVersion) -> dict[str, list[Pointer]]:
        """The pinned commits' curated files, by source, as they landed."""
        return {source: self.objects.in_order(self._pinned(source, commit)) for source, commit in version.ids.items()}

    def _pinned(self, source: str, commit: str) -> list[Pointer]:
        return [
            Pointer(bucket=entry.bucket, key=entry.key, version_id=entry.version_id)
            for entry in self._files(source, commit)
        ]

    def _files(self, source: str, commit: str) -> Iterator[Entry]:
        return self.versions.dataset(dataset_of(source)).files(commit)

    @contextmanager
    def tables(self, version: DataVersion, names: Collection[str] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A database with a view of each source's curated rows, from the pinned commits alone.

        Files are put together by column name; a column that a file lacks is NULL. Of rows in several files with the
        same keys, the one whose file landed last is seen. Views' streamed rows are `streamed_table`, as they came.

        Parameters
        ----------
        version : DataVersion
        names : collection of str, optional
            The parts of it that are wanted, as in `fetch`.
        """
        with TemporaryDirectory(prefix="headwater-lake-") as scratch:
            folder = Path(scratch)
            connection = connect(folder / "spill")
            try:
                for name, paths in self.fetch(version, folder, names).items():
                    if name.startswith(f"{STREAMED}/"):
                        _streamed(connection, name.removeprefix(f"{STREAMED}/"), paths)
                    else:
                        self._view(connection, name, paths)
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
            # File names are numbered as the files landed.
            by = ", ".join(map(quoted, keys))
            connection.execute(
                f"CREATE OR REPLACE VIEW {quoted(source)} AS SELECT * EXCLUDE (filename, file_row_number) FROM "
                f"read_parquet([{names}], union_by_name = true, filename = true, file_row_number = true) "
                f"QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY filename DESC, file_row_number) = 1"
            )


def _streamed(connection: duckdb.DuckDBPyConnection, view: str, paths: list[Path]) -> None:
    names = ", ".join(literal(str(path)) for path in paths)
    # A commit may hold none: all were taken back.
    rows = f"SELECT * FROM read_parquet([{names}], union_by_name = true)" if paths else "SELECT NULL AS none LIMIT 0"
    connection.execute(f"CREATE VIEW {quoted(streamed_table(view))} AS {rows}")


def _contract(source: Source) -> str:
    """Which rules the rows kept: the contract's place, and a hash of all that the source declares."""
    return f"{source.contract} {hashlib.sha256(source.model_dump_json().encode()).hexdigest()[:12]}"


def _landed(upload: Upload) -> Pointer:
    return Pointer(bucket=upload.bucket, key=upload.key, version_id=upload.version_id)
