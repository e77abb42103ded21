"""The feature store's verbs: offline rows of a view for a data version, and the newest values online."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

import duckdb

from headwater.clock import Clock, utc_now
from headwater.declare import Catalog, FeatureView
from headwater.errors import InvalidRequest, NotFound, Refused
from headwater.features.definitions import Definitions
from headwater.features.errors import InvalidEntityRows, NeedsSpark, SparkFailed, WaitsForSpark
from headwater.features.offline.checks import check_values
from headwater.features.offline.counting import keep_statistics
from headwater.features.offline.engine import DuckDB, engine_for
from headwater.features.offline.entities import ENTITY_ROWS, take, views_of
from headwater.features.offline.point_in_time import ROW, historical
from headwater.features.offline.rows import add_streamed, compute, needed, offline_key, table_of
from headwater.features.online.materialising import AS_USUAL, MaterialiseOptions, Materialiser
from headwater.features.online.records import Materialised
from headwater.features.online.sharding import Assignment, Sharding, Split
from headwater.features.online.store import OnlineStore
from headwater.features.spark.runs import SparkRuns
from headwater.lake.database import literal, quoted, scratch_of, write_parquet
from headwater.lake.errors import NoData
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion, streamed_of, streamed_table
from headwater.storage.table import Table
from headwater.versions.types import MAIN

if TYPE_CHECKING:
    import pyarrow

    from headwater.features.offline.entities import EntityRows

AsOf: TypeAlias = "str | datetime | Mapping[str, str] | DataVersion"


@dataclass(frozen=True)
class Features:
    """Computes, keeps and materialises feature views."""

    catalog: Catalog
    lake: Lake
    """Where the sources' rows come from and the offline rows are kept."""
    _: KW_ONLY
    online: OnlineStore | None = None
    """Where the newest values go; only `materialise` needs it."""
    served: Callable[[], Set[tuple[str, str]]] = frozenset
    """The views and versions of their definitions that serving models look up (`Uses.served`)."""
    spark: SparkRuns | None = None
    """Starts Spark for views that outgrow one machine."""
    now: Clock = utc_now
    """The time, UTC: what becomes available later isn't materialised yet."""

    def ensure(self, connection: duckdb.DuckDBPyConnection, view: FeatureView, version: DataVersion) -> str:
        """Make a table of the view's offline rows for ``version``, computing and keeping rows that aren't kept yet.

        They are made from the sources and, where the version pins them, from the streamed rows. Their statistics are
        kept with them (`headwater.features.offline.statistics`).

        Parameters
        ----------
        connection : DuckDBPyConnection
            With the version's tables (`Lake.tables`), at least those that `to_read` names.
        view : FeatureView
        version : DataVersion
            Of the view's sources and streamed rows, and maybe more.

        Returns
        -------
        str
            Name of the table, valid while the database is open; the rows' numbers are in column ``__row``.

        Raises
        ------
        InvalidView
            They can't be computed, or fail a check.
        """
        table = self._offline(connection, view, version.of(view), table_of(view))
        keep_statistics(self.lake.objects, connection, view, version, table)
        return table

    def _offline(
        self, connection: duckdb.DuckDBPyConnection, view: FeatureView, version: DataVersion, table: str
    ) -> str:
        """Make a table of the rows for a data version that holds the parts of this view alone."""
        key, computed = offline_key(view, version), version.only(view.sources)
        known = self.lake.objects.newest(key)
        # This file lives as long as the sources' files, so only the needed columns are read from it.
        path = scratch_of(connection) / f"{table}.parquet"
        if known is not None:
            self.lake.objects.fetch(known, path)
        else:
            if streamed_of(view.name) in version.commits:
                rows = self._offline(connection, view, computed, f"__computed_{view.name}")
                add_streamed(DuckDB(connection), view, rows, streamed_table(view.name), table)
            else:
                compute(connection, view, table)
            write_parquet(connection, f"SELECT * FROM {quoted(table)}", path, encodings=2)
            connection.execute(f"DROP TABLE {quoted(table)}")
            self.lake.objects.put(key, path)
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {quoted(table)} AS SELECT * EXCLUDE (file_row_number), "
            f"file_row_number AS {ROW} FROM read_parquet({literal(str(path))}, file_row_number = true)"
        )
        if known is not None:
            # The declared checks may be newer than the kept rows.
            check_values(DuckDB(connection), view, table)
        return table

    def to_read(self, views: Iterable[FeatureView], version: DataVersion) -> set[str]:
        """The parts of a data version that `ensure` needs for ``views``: none for rows that are kept.

        Raises
        ------
        WaitsForSpark
            Rows aren't kept yet, and Spark computes them: the run was started, now or before.
        NeedsSpark
            The rows are for Spark to compute, and this process has no Spark.
        SparkFailed
            It couldn't compute them.
        """
        parts = [(view, needed(self.lake.objects, view, version)) for view in views]
        # All runs of Spark are started before the first of them is waited for or fails.
        left = [
            self._left_to_spark(view, used)
            for view, names in parts
            if not set(view.sources).isdisjoint(names)
            and engine_for(view, self.lake.size(used := version.only(view.sources))) == "spark"
        ]
        if left:
            raise left[0]
        return {name for _, names in parts for name in names}

    def _left_to_spark(self, view: FeatureView, version: DataVersion) -> NeedsSpark | SparkFailed:
        """The error that says that Spark computes the view. Starts the run unless it failed before or Spark isn't
        deployed."""
        where = f"feature view {view.name!r} is computed by Spark and its rows for data version {version.id[:12]}"
        if self.spark is None:
            return NeedsSpark(
                f"{where} aren't kept yet; nothing starts Spark here", next_steps=["docs/how-to/outgrow-one-machine.md"]
            )
        try:
            return WaitsForSpark(f"{where} aren't kept yet: run {self.spark.start(view, version)} computes them")
        except SparkFailed as failed:
            return failed

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
            time is where ``main`` pointed then. By default what counts now. Streamed rows are those of the same
            revision (`Lake.at`).
        as_known_at : datetime, optional
            Builds the frame as on that day: from the data of that time, unless `as_of` names others, without rows that
            became known later. UTC if the time has no zone.

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
        views = views_of(self.catalog, features)
        if as_known_at is not None and as_known_at.tzinfo is None:
            as_known_at = as_known_at.replace(tzinfo=UTC)
        version = self._version(views, as_known_at if as_of is None else as_of)
        with self.lake.tables(version, self.to_read(views.values(), version)) as connection:
            asked = take(connection, entity_rows, views, features)
            offline = {name: self.ensure(connection, view, version) for name, view in views.items()}
            joined = historical(connection, ENTITY_ROWS, views, offline, features, asked=asked, as_known_at=as_known_at)
            try:
                frame: pyarrow.Table = joined.to_arrow_table()
            except ImportError as error:
                raise InvalidEntityRows("the frame is an Arrow table", next_steps=["pip install pyarrow"]) from error
            return frame

    def _version(self, views: Mapping[str, FeatureView], as_of: AsOf | None) -> DataVersion:
        sources = sorted({source for view in views.values() for source in view.sources})
        if as_of is None:
            return self.lake.pin(sources, list(views))
        if isinstance(as_of, DataVersion):
            if lacking := [source for source in sources if source not in as_of.commits]:
                raise NoData(f"data version {as_of.id[:12]} pins no commit of source {', '.join(map(repr, lacking))}")
            return as_of
        if isinstance(as_of, datetime):
            as_of = f"{MAIN}@{{{as_of.isoformat()}}}"
        return self.lake.at(sources, as_of, list(views))

    def materialise_source(self, source: str, options: MaterialiseOptions = AS_USUAL) -> list[Materialised]:
        """Materialise every view that reads ``source``. A view whose other sources have no data yet has to wait.

        Includes earlier definitions that a serving model was trained with, as long as they can be computed. The answer
        says which definitions couldn't be computed, and why.
        """
        return self._materialise(lambda view: source in view.sources, options)

    def materialise_all(self, options: MaterialiseOptions = AS_USUAL) -> list[Materialised]:
        """Materialise every view, as `materialise_source` does: for rows that became known since, and for new
        definitions."""
        return self._materialise(lambda _: True, options)

    def _materialise(self, wanted: Callable[[FeatureView], bool], options: MaterialiseOptions) -> list[Materialised]:
        done: list[Materialised] = []
        for view in filter(wanted, self.catalog.views.values()):
            if options.stop() and not options.is_late:
                return [*done, Materialised(view=view.name, version=view.version, complete=False)]
            with suppress(NoData):
                done.append(self.materialise_view(view.name, options=options))
        declared = {(view.name, view.version) for view in self.catalog.views.values()}
        for name, version in sorted(self.served() - declared):
            if options.stop() and not options.is_late:
                return [*done, Materialised(view=name, version=version, complete=False)]
            try:
                view = self._definitions.get(name, version)
                if wanted(view):
                    done.append(self._materialiser.materialise(view, options))
            except NoData:
                continue
            except (NotFound, Refused, InvalidRequest) as error:
                done.append(Materialised(view=name, version=version, skipped=error.message))
        return done

    def materialise_view(
        self, name: str, version: str | None = None, *, options: MaterialiseOptions = AS_USUAL
    ) -> Materialised:
        """Materialise one view, or its definition ``version`` if that definition is declared or served.

        A view that waits for Spark is skipped: Spark's run materialises the view once the rows are kept.
        """
        declared = self.catalog.views.get(name)
        wanted = version or self.catalog.view(name).version
        try:
            if declared is not None and declared.version == wanted:
                return self.materialise(name, options=options)
            if (name, wanted) not in self.served():
                said = "this definition is neither declared nor served any more"
                return Materialised(view=name, version=wanted, skipped=said)
            return self._materialiser.materialise(self._definitions.get(name, wanted), options)
        except (NeedsSpark, SparkFailed) as error:
            # Other views needn't wait for Spark.
            return Materialised(view=name, version=wanted, skipped=error.message)

    def materialise(self, name: str, *, options: MaterialiseOptions = AS_USUAL) -> Materialised:
        """Bring the newest available value of each of a view's entities online.

        Only entities whose newest row changed since the last run are written. Without new data or newly known rows
        nothing is computed. The call may run twice, concurrently or late: an item only ever gives way to a newer one,
        so all orders end the same. A killed run is resumed from its last checkpoint.

        Parameters
        ----------
        name : str
            The view, as it is declared now.
        options : MaterialiseOptions
            Options of the run.

        Raises
        ------
        NoData
            A source of the view has no rows yet.
        OnlineStoreBusy, RegistryBusy
            Throttled until all retries were spent. Written items stay; another call writes the rest.
        InvalidView, ItemTooLarge
            The view can't be computed, or an entity's values don't fit an item.
        """
        view = self.catalog.view(name)
        self._definitions.remember(view, [self.catalog.source(source) for source in view.sources])
        return self._materialiser.materialise(view, options)

    def split(self, given: Assignment, *, shard_entities: int) -> Split:
        """Split a run that was handed over into shards (`headwater.features.online.sharding.Sharding.split`).

        Raises
        ------
        NoData, InvalidView, NeedsSpark, UnknownViewVersion, DefinitionChanged
            The view's rows can't be had.
        """
        view = self._definitions.view(self.catalog.views.get(given.view), given.view, given.version)
        sharding = Sharding(self._registry, self.lake.objects)
        return sharding.split(given, view, self.lake, self.ensure, self.to_read, shard_entities=shard_entities)

    @property
    def _registry(self) -> Table:
        return self.lake.table

    @property
    def _definitions(self) -> Definitions:
        return Definitions(self._registry, now=self.now)

    @property
    def _materialiser(self) -> Materialiser:
        if self.online is None:
            raise ValueError("these features were made without an online store")
        return Materialiser(self.lake, self.online, self._registry, self.ensure, self.to_read, now=self.now)
