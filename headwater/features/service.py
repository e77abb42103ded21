"""The feature store's verbs: offline rows of a view for a data version, and the newest values online."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

import duckdb
from pydantic import BaseModel, ConfigDict

from headwater.features.checks import check_values
from headwater.features.columns import AVAILABLE, EVENT, newest_last
from headwater.features.engine import DuckDB, engine_for
from headwater.features.entities import ENTITY_ROWS, take, views_of
from headwater.features.errors import InvalidEntityRows, InvalidView, NeedsSpark
from headwater.features.history import ROW, historical
from headwater.features.jobs import Files, Job
from headwater.features.offline import compute, offline_key, table_of
from headwater.features.online import OnlineItem, microseconds, online_key
from headwater.features.store import OnlineStore, OnlineWrite
from headwater.lake.database import columns_of, connect, literal, quoted, scratch_of, write_parquet
from headwater.lake.errors import NoData
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion
from headwater.model import Catalog, FeatureView
from headwater.versions.types import MAIN

if TYPE_CHECKING:
    import pyarrow

    from headwater.features.entities import EntityRows

AsOf: TypeAlias = "str | datetime | Mapping[str, str] | DataVersion"
BATCH = 5_000
GRACE = 7 * 24 * 3600
"""Seconds that an expired item stays, for questions about the recent past."""


class Materialised(BaseModel):
    """What a materialisation did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: str
    data_version: str
    rows: int
    """Offline rows of the view."""
    entities: int
    """Entities with a row that is available by now."""
    written: int
    """Online items that it changed."""


class Features:
    """Computes, keeps and materialises feature views.

    Parameters
    ----------
    catalog : Catalog
    lake : Lake
        Where the sources' rows come from and the offline rows are kept.
    online : OnlineStore, optional
        Where the newest values go; only `materialise` needs it.
    now : callable
        The time, UTC: what becomes available later isn't materialised yet.
    """

    def __init__(
        self,
        catalog: Catalog,
        lake: Lake,
        *,
        online: OnlineStore | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalog = catalog
        self._lake = lake
        self._online = online
        self._now = now

    def ensure(self, connection: duckdb.DuckDBPyConnection, view: FeatureView, version: DataVersion) -> str:
        """The view's offline rows for ``version``: those that are kept already, else computed and kept.

        Parameters
        ----------
        connection : DuckDBPyConnection
            With the version's tables (`Lake.tables`).
        view : FeatureView
        version : DataVersion
            Of the view's sources, and maybe more.

        Returns
        -------
        str
            What they are called in the database, for as long as it is open; with their numbers as ``__row``.

        Raises
        ------
        InvalidView
            They can't be computed, or fail a check.
        NeedsSpark
            They aren't kept and are for Spark to compute (`job`, `keep`).
        """
        key, table = offline_key(view, version), table_of(view)
        known = self._lake.objects.newest(key)
        # As long as the sources' files are there, this one is too: only what is asked of it is read.
        path = scratch_of(connection) / f"{table}.parquet"
        if known is not None:
            self._lake.objects.fetch(known, path)
        else:
            used = version.only(view.sources)
            if engine_for(view, self._lake.size(used)) == "spark":
                raise NeedsSpark(
                    f"feature view {view.name!r} is computed by Spark and its rows for data version {used.id[:12]} "
                    "aren't kept yet",
                    next_steps=["docs/how-to/outgrow-one-machine.md"],
                )
            compute(connection, view, table)
            write_parquet(connection, f"SELECT * FROM {quoted(table)}", path, encodings=2)
            connection.execute(f"DROP TABLE {quoted(table)}")
            self._lake.objects.put(key, path)
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {quoted(table)} AS SELECT * EXCLUDE (file_row_number), "
            f"file_row_number AS {ROW} FROM read_parquet({literal(str(path))}, file_row_number = true)"
        )
        if known is not None:
            # What is checked may have been declared since.
            check_values(DuckDB(connection), view, table)
        return table

    def job(self, name: str, version: DataVersion, folder: Path) -> Job:
        """What Spark is told to compute a view's rows for ``version``; the curated files are written to ``folder``.

        Where the cluster can't read the folder, copy it and change the paths.
        """
        view = self._catalog.view(name)
        fetched = self._lake.fetch(version.only(view.sources), folder)
        sources = {
            source: Files(paths=tuple(map(str, paths)), keys=self._catalog.source(source).keys)
            for source, paths in fetched.items()
        }
        return Job(sources=sources, views=(view,), offline=str(folder / "offline"))

    def keep(self, name: str, version: DataVersion, folder: Path) -> int:
        """Keep the rows that Spark left in ``folder`` as the view's for ``version``; how many they are.

        Raises
        ------
        InvalidView
            They aren't this view's, or fail a check.
        """
        view = self._catalog.view(name)
        wanted = [*view.entity, EVENT, AVAILABLE, *(feature.name for feature in view.features)]
        with TemporaryDirectory(prefix="headwater-keep-") as scratch, connect(Path(scratch, "spill")) as connection:
            # Files are named in the order of their rows.
            parts = ", ".join(literal(str(part)) for part in sorted(folder.glob("*.parquet")))
            if not parts:
                raise InvalidView(f"feature view {name!r}: no Parquet in {folder}")
            connection.execute(f"CREATE VIEW rows AS SELECT * FROM read_parquet([{parts}])")
            if (columns := list(columns_of(connection, "rows"))) != wanted:
                raise InvalidView(
                    f"feature view {name!r}: {folder} holds {', '.join(columns)}, expected {', '.join(wanted)}"
                )
            check_values(DuckDB(connection), view, "rows")
            path = Path(scratch, "rows.parquet")
            write_parquet(connection, "SELECT * FROM rows", path, encodings=2)
            self._lake.objects.put(offline_key(view, version), path)
            return int(connection.execute("SELECT count(*) FROM rows").fetchall()[0][0])

    def historical(
        self,
        entity_rows: EntityRows,
        features: Sequence[str],
        *,
        as_of: AsOf | None = None,
        as_known_at: datetime | None = None,
    ) -> pyarrow.Table:
        """The point-in-time-correct frame: for each entity row what was known of its entity at its time.

        Parameters
        ----------
        entity_rows : pandas.DataFrame, pyarrow.Table or DuckDBPyRelation
            A column for each join key of the features' views and ``asked_at`` (or ``event_timestamp``): timestamps,
            with a zone or in UTC. Other columns are handed through.
        features : sequence of str
            ``view.feature`` each.
        as_of : str, datetime, mapping or DataVersion, optional
            The data to read: a revision that each source has (``"main@{2026-11-01}"``, a tag), or one by source; a
            time is where ``main`` pointed then. By default what counts now.
        as_known_at : datetime, optional
            The frame as it would have been built then: the data as of then, if `as_of` names no other, and of them
            nothing that became known later. UTC if it has no zone.

        Returns
        -------
        pyarrow.Table
            Every entity row, in order, repeats and all, with a column ``view__feature`` for each feature; missing where
            nothing was known within the view's TTL.

        Raises
        ------
        UnknownFeature
            A feature isn't declared.
        InvalidEntityRows
            Keys or times are missing or of the wrong type.
        RevisionNotFound, NoData
            A source has no such commit, or no data.
        """
        views = views_of(self._catalog, features)
        sources = sorted({source for view in views.values() for source in view.sources})
        if as_known_at is not None and as_known_at.tzinfo is None:
            as_known_at = as_known_at.replace(tzinfo=UTC)
        version = self._version(sources, as_known_at if as_of is None else as_of)
        with self._lake.tables(version) as connection:
            asked = take(connection, entity_rows, views, features)
            offline = {name: self.ensure(connection, view, version) for name, view in views.items()}
            joined = historical(connection, ENTITY_ROWS, views, offline, features, asked=asked, as_known_at=as_known_at)
            try:
                frame: pyarrow.Table = joined.to_arrow_table()
            except ImportError as error:
                raise InvalidEntityRows("the frame is an Arrow table", next_steps=["pip install pyarrow"]) from error
            return frame

    def _version(self, sources: Sequence[str], as_of: AsOf | None) -> DataVersion:
        if as_of is None:
            return self._lake.pin(sources)
        if isinstance(as_of, DataVersion):
            if lacking := [source for source in sources if source not in as_of.commits]:
                raise NoData(f"data version {as_of.id[:12]} pins no commit of source {', '.join(map(repr, lacking))}")
            return as_of.only(sources)
        if isinstance(as_of, datetime):
            return self._lake.at(sources, f"{MAIN}@{{{as_of.isoformat()}}}")
        return self._lake.at(sources, as_of)

    def materialise_source(self, source: str) -> list[Materialised]:
        """Materialise every view that stands on ``source``; one whose other sources have no data yet has to wait."""
        done = []
        for view in self._catalog.views_of(source):
            try:
                done.append(self.materialise(view.name))
            except NoData:
                continue
        return done

    def materialise(self, name: str) -> Materialised:
        """Bring the newest available value of each of a view's entities online.

        May run twice, beside itself, or late: an item only ever gives way to a newer one, so all orders end the same.

        Raises
        ------
        NoData
            A source of the view has no rows yet.
        OnlineStoreBusy
            Throttled until all retries were spent; what was written stays, and running it again does the rest.
        """
        if self._online is None:
            raise ValueError("these features were made without an online store")
        view = self._catalog.view(name)
        version = self._lake.pin(view.sources)
        with self._lake.tables(version) as connection:
            table = self.ensure(connection, view, version)
            newest = f"__newest_{view.name}"
            connection.execute(
                f"CREATE TEMP TABLE {quoted(newest)} AS SELECT * FROM {quoted(table)} "
                f"WHERE greatest({EVENT}, {AVAILABLE}) <= make_timestamp(?) QUALIFY row_number() OVER "
                f"(PARTITION BY {', '.join(map(quoted, view.entity))} ORDER BY {_descending(view)}) = 1",
                [microseconds(self._now())],
            )
            written = self._online.write(_writes(connection, view, newest, version.revision))
            rows, entities = (
                int((connection.execute(f"SELECT count(*) FROM {quoted(counted)}").fetchone() or (0,))[0])
                for counted in (table, newest)
            )
        return Materialised(view=name, data_version=version.id, rows=rows, entities=entities, written=written)


def _descending(view: FeatureView) -> str:
    return ", ".join(
        f"{part.removesuffix(' NULLS FIRST')} DESC{' NULLS LAST' if part.endswith('NULLS FIRST') else ''}"
        for part in newest_last(view).split(", ")
    )


def _writes(
    connection: duckdb.DuckDBPyConnection, view: FeatureView, table: str, revision: int
) -> Iterator[OnlineWrite]:
    names = [feature.name for feature in view.features]
    result = connection.execute(
        f"SELECT {', '.join(map(quoted, view.entity))}, epoch_us({EVENT}), epoch_us({AVAILABLE}), "
        f"{', '.join(map(quoted, names))} FROM {quoted(table)}"
    )
    width, ttl = len(view.entity), round(view.ttl.total_seconds())
    while rows := result.fetchmany(BATCH):
        for row in rows:
            entity, event, available, values = row[:width], row[width], row[width + 1], row[width + 2 :]
            key = online_key(view.name, entity)
            if key is None:
                raise InvalidView(f"feature view {view.name!r}: the key of entity {str(entity)[:200]} is too long")
            yield OnlineWrite(
                key=key,
                item=OnlineItem(event, available, dict(zip(names, values, strict=True))),
                revision=revision,
                expires=event // 1_000_000 + ttl + GRACE,
            )
