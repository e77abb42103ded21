"""Brings the newest values of a view's entities online: what changed since last time, taken up where it broke off."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from pydantic import BaseModel, ConfigDict

from headwater.features.columns import AVAILABLE, EVENT, KNOWN
from headwater.features.encoding import pack_all, text_places
from headwater.features.errors import InvalidView
from headwater.features.offline import offline_key
from headwater.features.online import EPOCH, entity_of, microseconds, online_key
from headwater.features.progress import ProgressOf, Run
from headwater.features.records import Materialisation, Materialisations
from headwater.features.store import GRACE, OnlineStore, OnlineWrite
from headwater.lake.database import literal, quoted
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion
from headwater.model import FeatureView
from headwater.registry.errors import RegistryBusy
from headwater.registry.store import RegistryStore

NOTED = 100_000
"""Entities after which the place is written down that a run which dies is taken up from."""
_VECTORS = 8
"""Of DuckDB's, 2,048 rows each, that are encoded at once."""
_ROUNDS = 5

Ensure = Callable[[duckdb.DuckDBPyConnection, FeatureView, DataVersion], str]
ToRead = Callable[[Iterable[FeatureView], DataVersion], Collection[str]]


class Materialised(BaseModel):
    """What a materialisation did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: str
    version: str = ""
    """Of the view's definition."""
    data_version: str = ""
    rows: int = 0
    """Offline rows of the view."""
    entities: int = 0
    """Entities with a row that is available by now."""
    written: int = 0
    """Online items that it changed."""
    complete: bool = True
    """False if it was told to stop before its end: the same call goes on from there."""
    skipped: str = ""
    """Why nothing could be done, if so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """How a materialisation is to go about it.

    Attributes
    ----------
    full : bool
        Whether to look at every entity, also at those that haven't changed since the last materialisation: after a
        table was restored from a backup.
    progress : callable
        Called with the view's name, how many entities are done and how many there are to do.
    stop : callable
        Answers whether to break off soon (a function's time is running out).
    """

    full: bool = False
    progress: Callable[[str, int, int], None] = lambda _view, _done, _all: None
    stop: Callable[[], bool] = lambda: False


AS_USUAL = Doing()


class Materialiser:
    """Materialises definitions of views.

    Two of one definition at once, one that is killed, an old one that wakes up late: whatever happens, the online
    values end as one undisturbed run leaves them, for an item only ever gives way to a newer value.

    Parameters
    ----------
    lake : Lake
    online : OnlineStore
    registry : RegistryStore
        The registry table.
    ensure, to_read : callable
        Makes the table of a view's offline rows, and says of which sources (`headwater.features.service.Features`).
    now : callable
        The time, UTC.
    """

    def __init__(
        self,
        lake: Lake,
        online: OnlineStore,
        registry: RegistryStore,
        ensure: Ensure,
        to_read: ToRead,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._lake, self._online, self._registry, self._now = lake, online, registry, now
        self._ensure, self._to_read = ensure, to_read

    def materialise(self, view: FeatureView, doing: Doing) -> Materialised:
        """Bring the view's values online; see `headwater.features.service.Features.materialise`."""
        progress, written = ProgressOf(self._registry, view.name, view.version), 0
        for _ in range(_ROUNDS):
            version, moment = self._lake.pin(view.sources, [view.name]), microseconds(self._now())
            if not doing.full and progress.read().is_done(version, moment):
                return self._unchanged(view, version, moment, written)
            # Before anything is begun, or fetched: rows that Spark has to compute first aren't there.
            sources = self._to_read([view], version)
            run = Run(
                data_version=version.id, revision=version.revision, commits=version.ids, moment=moment, full=doing.full
            )
            begun = progress.begin(run)
            if begun is None:
                continue  # somebody read newer data: so shall we
            mine, others = begun
            baselines = [] if doing.full or not others.completed else [others.completed, *others.under_way]
            done = self._run(view, version, sources, mine, baselines, progress, doing)
            written += done.written
            if not done.complete or mine.moment == moment:
                return done.model_copy(update={"written": written})
            # A run that was begun earlier is ended; what became known since is next.
            doing = replace(doing, full=False)
        raise RegistryBusy(f"feature view {view.name!r}: newer data kept coming; run it again")

    def _unchanged(self, view: FeatureView, version: DataVersion, moment: int, written: int) -> Materialised:
        record = Materialisations(self._registry).newest(view.name, view.version)
        counted = {"rows": record.rows, "entities": record.entities} if record else {}
        if record is not None and record.data_version == version.id:
            Materialisations(self._registry).record(record.model_copy(update={"last_at": _time(moment)}))
        return Materialised(view=view.name, version=view.version, data_version=version.id, written=written, **counted)

    def _run(
        self,
        view: FeatureView,
        version: DataVersion,
        sources: Collection[str],
        run: Run,
        baselines: Sequence[Run],
        progress: ProgressOf,
        doing: Doing,
    ) -> Materialised:
        with (
            TemporaryDirectory(prefix="headwater-materialise-") as scratch,
            self._lake.tables(version, sources) as connection,
        ):
            table = self._ensure(connection, view, version)
            connection.execute(f"CREATE TEMP TABLE __newest AS {_newest(view, quoted(table))}", [run.moment])
            due = self._due(connection, view, run, baselines, Path(scratch))
            written, complete = self._write(connection, view, run, due, progress, doing)
            ((rows, next_known),) = connection.execute(
                f"SELECT count(*), epoch_us(min({KNOWN}) FILTER (WHERE {KNOWN} > make_timestamp(?))) "
                f"FROM {quoted(table)}",
                [run.moment],
            ).fetchall()
            ((entities, newest_event),) = connection.execute(
                f"SELECT count(*), max({EVENT}) FROM __newest"
            ).fetchall()  # fmt: skip
        if complete:
            at = _time(run.moment)
            # Known to people before the run counts as completed: a death between the two repeats both.
            Materialisations(self._registry).record(
                Materialisation(
                    view=view.name,
                    version=view.version,
                    data_version=version.id,
                    commits=version.ids,
                    revision=version.revision,
                    rows=rows,
                    entities=entities,
                    written=written,
                    newest_event=newest_event and newest_event.replace(tzinfo=UTC),
                    at=at,
                    last_at=at,
                )
            )
            progress.end(run, next_known)
        return Materialised(
            view=view.name,
            version=view.version,
            data_version=version.id,
            rows=rows,
            entities=entities,
            written=written,
            complete=complete,
        )

    def _due(
        self,
        connection: duckdb.DuckDBPyConnection,
        view: FeatureView,
        run: Run,
        baselines: Sequence[Run],
        scratch: Path,
    ) -> str:
        """A query for the rows that may have to be written: what is in every baseline needn't be."""
        same: list[str] = []
        for number, baseline in enumerate(baselines):
            key = offline_key(view, baseline.version)
            kept = self._lake.objects.newest(key)
            if kept is None:
                same = []
                break
            path = scratch / f"before-{number}.parquet"
            self._lake.objects.fetch(kept, path)
            rows = f"read_parquet({literal(str(path))})"
            connection.execute(
                f"CREATE TEMP TABLE __before_{number} AS {_newest(view, rows)}", [baseline.moment]
            )  # fmt: skip
            same.append(f"SELECT * FROM __before_{number}")
        query = "SELECT * FROM __newest"
        if same:
            query += f" EXCEPT ({' INTERSECT '.join(same)})"
        keys = ", ".join(map(quoted, view.entity))
        beyond = f"WHERE ({keys}) > ({', '.join(literal(part) for part in run.after)})" if run.after else ""
        return f"SELECT * FROM ({query}) AS due {beyond} ORDER BY {keys}"

    def _write(
        self,
        connection: duckdb.DuckDBPyConnection,
        view: FeatureView,
        run: Run,
        due: str,
        progress: ProgressOf,
        doing: Doing,
    ) -> tuple[int, bool]:
        connection.execute(f"CREATE TEMP TABLE __due AS {due}")
        ((total,),) = connection.execute("SELECT count(*) FROM __due").fetchall()
        tracker = _Tracker(view, run, total, progress, doing)
        changed = self._online.write(view.version, _writes(connection, view, run.revision), written=tracker)
        if tracker.stopped:
            progress.note(run, tracker.last)
        return changed, not tracker.stopped


@dataclass(slots=True)
class _Tracker:
    """Follows the writing: tells of it, notes from where it may be taken up, and says when to stop."""

    view: FeatureView
    run: Run
    total: int
    progress: ProgressOf
    doing: Doing
    done: int = 0
    noted: int = 0
    last: tuple[str, ...] = ()
    stopped: bool = False

    def __call__(self, last: OnlineWrite, count: int) -> bool:
        self.done += count
        self.last = entity_of(last.key)
        self.doing.progress(self.view.name, self.done, self.total)
        if self.done - self.noted >= NOTED:
            self.noted = self.done
            self.progress.note(self.run, self.last)
        self.stopped = self.done < self.total and self.doing.stop()
        return not self.stopped


def _newest(view: FeatureView, rows: str) -> str:
    """A query for each entity's newest row of those known at a moment; needs that as a parameter.

    No two kept rows of an entity have one event time and one available time.
    """
    keys = ", ".join(map(quoted, view.entity))
    columns = ", ".join([keys, EVENT, AVAILABLE, *(quoted(feature.name) for feature in view.features)])
    return (
        f"SELECT {columns} FROM {rows} WHERE {KNOWN} <= make_timestamp(?) "
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {EVENT} DESC, {AVAILABLE} DESC) = 1"
    )


def _writes(connection: duckdb.DuckDBPyConnection, view: FeatureView, revision: int) -> Iterator[OnlineWrite]:
    values = ", ".join(
        quoted(feature.name) if feature.is_text else f"CAST({quoted(feature.name)} AS DOUBLE)"
        for feature in view.features
    )
    keys = ", ".join(map(quoted, view.entity))
    result = connection.execute(
        f"SELECT {keys}, epoch_us({EVENT}), epoch_us({AVAILABLE}), {values} FROM __due ORDER BY {keys}"
    )
    texts = text_places(view)
    width, lasts = len(view.entity), round(view.ttl.total_seconds()) + GRACE
    while len(frame := result.fetch_df_chunk(_VECTORS)):
        columns = [frame.iloc[:, place].to_numpy() for place in range(frame.shape[1])]
        events, available = columns[width], columns[width + 1]
        packed = pack_all(events, available, revision, columns[width + 2 :], texts)
        for value, expires, *entity in zip(
            packed, (events // 1_000_000 + lasts).tolist(), *columns[:width], strict=True
        ):
            key = online_key(view.entity, entity)
            if key is None:
                raise InvalidView(f"feature view {view.name!r}: the key of entity {str(entity)[:200]} is too long")
            yield OnlineWrite(key, value, expires)


def _time(moment: int) -> datetime:
    return EPOCH + timedelta(microseconds=moment)
