"""The lake's verbs: ingest an upload, pin the current commits, read pinned commits as tables."""

# ruff: noqa: S608 - names in SQL are declared by products or quoted; values are parameters or literals of our own
from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import duckdb

from headwater.declare import Catalog
from headwater.lake.committing import AUTHOR, Committing
from headwater.lake.database import columns_of, connect, literal, quoted
from headwater.lake.errors import FileRefused, NoData, Superseded, UnknownSource
from headwater.lake.judging import Judging
from headwater.lake.making import Making, Refusal
from headwater.lake.reingesting import Reingesting
from headwater.lake.store import Arrivals, IngestionLog, Objects
from headwater.lake.types import (
    STREAMED,
    DataVersion,
    Ingestion,
    IngestionStatus,
    PinnedCommit,
    Reingestion,
    ReingestOrder,
    Upload,
    dataset_of,
    digest_in,
    streamed_of,
    streamed_table,
)
from headwater.registry.errors import RegistryBusy
from headwater.settings import LakeSettings
from headwater.storage.clients import Clients
from headwater.storage.table import Table
from headwater.values import Pointer
from headwater.versions.errors import DatasetNotFound, HookRefused, RevisionNotFound
from headwater.versions.refs import Ref, Refs
from headwater.versions.service import Versions
from headwater.versions.types import MAIN, Entry

_PINS = 20
"""Times that branches are read before pinning is given up because they move too fast."""


class Lake:
    """The sources' files: landed, curated, committed and pinned.

    Parameters
    ----------
    catalog : Catalog
        The sources that are declared.
    clients : Clients
    bucket : str
        The lake's bucket.
    table : Table
        The registry table.
    code_version : str
        Version of the ingesting code; stored with each commit.
    now : callable
        The time, UTC, that records are stamped with.
    pause : callable
        Called with seconds before a contended write is tried again.
    deployed : bool
        Whether ``catalog`` holds the sources as they are deployed now; see `headwater.lake.judging.Judging`.
    """

    def __init__(
        self,
        catalog: Catalog,
        clients: Clients,
        *,
        bucket: str,
        table: Table,
        code_version: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
        deployed: bool = True,
    ) -> None:
        self.catalog = catalog
        self.objects = Objects(bucket, clients)
        self.arrivals = Arrivals(bucket, clients)
        self.table = table
        self.ingestion_log = IngestionLog(table)
        self.versions = Versions(bucket, table, clients, now=now, pause=pause)
        self._committing = Committing(self.versions, self.objects, pause=pause)
        self._judging = Judging(catalog, self.ingestion_log, deployed=deployed)
        self._making = Making(catalog, self.objects, self.ingestion_log, code_version=code_version, now=now)
        self._reingesting = Reingesting(
            self.versions, self.objects, self.ingestion_log, self._making,
            refs=lambda name: Refs(table, name), now=now, pause=pause,
        )  # fmt: skip

    @classmethod
    def from_settings(
        cls, catalog: Catalog, settings: LakeSettings, clients: Clients, *, code_version: str = ""
    ) -> Self:
        """The lake that ``settings`` lead to."""
        table = Table(settings.registry_table, clients)
        return cls(catalog, clients, bucket=settings.lake_bucket, table=table, code_version=code_version)

    def ingest(self, upload: Upload) -> Ingestion:
        """Validate and curate ``upload``, and commit it unless a later version of its file is committed already.

        A repeated call for the same upload changes nothing, except that it makes a commit which a crash left out.

        Raises
        ------
        FileRefused
            No row of the file counts; rows that counted before still do. The registry has the reasons.
        SourceFailed
            The source's SQL fails on good rows.
        RefsBusy
            Other writers kept coming first, so the commit couldn't be made; another call makes it.
        """
        known = self.ingestion_log.ingestion(upload)
        if known is None or known.status is not IngestionStatus.INGESTED:
            try:
                made = self._making.make(upload)
            except Refusal as refusal:
                raise self._refused(refusal) from refusal.__cause__
            known = self.ingestion_log.record(made)
        if known.settled:
            return known
        try:
            known = known.model_copy(update={"commit": self._committing.commit(known)})
        except Superseded:
            known = known.model_copy(update={"superseded": True})
        except HookRefused as error:
            refused = known.model_copy(update={"status": IngestionStatus.REFUSED, "curated": None, "rows_out": 0})
            raise self._refused(self._making.refusal(refused, FileRefused(error.message))) from error
        return self.ingestion_log.record(known)

    def _refused(self, refusal: Refusal) -> FileRefused:
        self.ingestion_log.record(refusal.outcome)
        return refusal.error

    def reingest(self, order: ReingestOrder, run_id: str, *, small: bool = False) -> Reingestion | None:
        """Make files of older definitions again from landing and switch the source over by one commit.

        See `headwater.lake.reingesting.Reingesting.run`; raises `UnknownSource` as well.
        """
        if order.source not in self.catalog.sources:
            declared = ", ".join(sorted(self.catalog.sources)) or "none"
            raise UnknownSource(f"no source {order.source!r}. Declared: {declared}")
        return self._reingesting.run(order, run_id, small=small)

    def catch_up(self, source: str, run_id: str) -> Reingestion | None:
        """Make files of older definitions again if they are few and small; None if there are none or too many.

        Raises
        ------
        ReingestBlocked, RefsBusy
            As `reingest`.
        """
        head = self._heads([dataset_of(source)])[dataset_of(source)]
        files = self.versions.dataset(dataset_of(source)).files(head.commit) if head else ()
        digest = self._making.definition(source).digest
        if all(digest_in(source, entry.key) in (digest, None) for entry in files):
            return None
        return self._reingesting.run(ReingestOrder(source=source, by=AUTHOR), run_id, small=True)

    def pin(self, sources: Sequence[str], views: Sequence[str] = ()) -> DataVersion:
        """Pin the commit of each of ``sources`` that its branch points at right now.

        Parameters
        ----------
        sources : sequence of str
        views : sequence of str
            Views whose streamed rows are pinned as well; views without streamed rows are left out.

        Raises
        ------
        NoData
            A source has no commit, or its commit holds no file.
        OlderDefinition
            A source's definition changed, and files of the older definition weren't made again yet.
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
                self._judging.check(source, head.commit, self._files(source, head.commit))
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
        """The commits of the main branches at one moment, so that of two data versions one is older in every part."""

        def read() -> dict[str, Ref | None]:
            # Branch and revision in one read: neither may be older than the other.
            return {name: Refs(self.table, name).get("branch", MAIN) for name in datasets}

        heads = read()
        if len(datasets) == 1:
            return heads
        for _ in range(_PINS):
            # Two equal reads mean that nothing changed in between, since a sequence number never repeats.
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
            As in `headwater.versions.revisions`: ``main@{2026-11-01}``, a tag; or a mapping by source. A source that
            the mapping leaves out is pinned at its current commit.
        views : sequence of str
            Views whose streamed rows are pinned as well, at the same revision, or at the mapping's for `streamed_of`.
            If streamed rows lack a revision that is given for all (a tag of the sources, an early time), they are left
            out.

        Raises
        ------
        RevisionNotFound, InvalidRevision, AmbiguousRevision
            A source has no such commit.
        NoData
            It holds no file.
        OlderDefinition
            It holds files of several definitions.
        """
        commits: dict[str, PinnedCommit] = {}
        for source in sorted(set(sources)):
            named = revision if isinstance(revision, str) else revision.get(source, MAIN)
            dataset = self.versions.dataset(dataset_of(source))
            commit = dataset.resolve(named)
            if not dataset.tree(commit).rows:
                raise NoData(f"source {source!r} held no file at {named!r}")
            self._judging.check(source, commit, self._files(source, commit), past=named != MAIN)
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
        """Write the pinned commits' files to a folder for each part of a data version, in the order in which they
        landed.

        ``names`` are the wanted parts: sources, and `streamed_of` views; by default all.
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

        Files are combined by column name; a column that a file lacks is NULL. Of rows with the same keys in several
        files, the row of the file that landed last is visible. Streamed rows of views are the tables `streamed_table`.

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
    # A commit may hold no file, if all were removed.
    rows = f"SELECT * FROM read_parquet([{names}], union_by_name = true)" if paths else "SELECT NULL AS none LIMIT 0"
    connection.execute(f"CREATE VIEW {quoted(streamed_table(view))} AS {rows}")
