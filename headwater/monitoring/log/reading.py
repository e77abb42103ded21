"""Logged predictions as frames: from the parts where they are compacted, from the records where they aren't yet.

One hour is read at a time, in the order in which its requests were received, so memory holds a frame, and the disk an
hour.
"""

# ruff: noqa: S608 - what stands in the SQL are the columns of our own and quoted paths
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import duckdb
import pandas

from headwater.errors import InvalidRequest
from headwater.lake.database import literal
from headwater.monitoring.log.compaction import batches, ids_in, write_part
from headwater.monitoring.log.records import COLUMNS, TIMES, Record, Torn, read, request_in
from headwater.monitoring.log.scratch import scratch
from headwater.monitoring.log.store import CompactionStore, Listed
from headwater.monitoring.log.types import HOUR, CompactedHour, Progress, hour_of

_VECTORS = 20
"""Chunks of 2,048 rows in a frame."""
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


EVER, NEVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
"""Before and after all that can have been received."""


class NoSuchColumn(InvalidRequest):
    """A column that compacted predictions don't have."""


class BadRange(InvalidRequest):
    """Times that name no stretch of time."""


class Reader:
    """Reads logged predictions.

    Parameters
    ----------
    store : CompactionStore
    keep : bool
        Whether what isn't compacted yet is read once and kept on this disk as long as the reader lives: for questions
        that come back to the same hours, which then see them as they were.
    """

    def __init__(self, store: CompactionStore, *, keep: bool = False) -> None:
        self._store = store
        self._kept: dict[tuple[str, datetime], list[Path]] = {}
        self._folder = Path(mkdtemp(prefix="headwater-kept-")) if keep else None
        if self._folder is not None:
            finalize(self, rmtree, self._folder, ignore_errors=True)

    def frames(
        self,
        model: str,
        since: datetime,
        until: datetime,
        columns: Sequence[str] | None = None,
        *,
        torn: list[str] | None = None,
    ) -> Iterator[pandas.DataFrame]:
        """The predictions received from ``since`` to before ``until``, each once, by the time of their receipt.

        Parameters
        ----------
        model : str
        since, until : datetime
            With their time zones.
        columns : sequence of str, optional
            Some of `headwater.monitoring.log.records.COLUMNS`; by default all.
        torn : list of str, optional
            Is told key and reason of each record that can't be read and isn't in quarantine yet.

        Raises
        ------
        BadRange, NoSuchColumn
        """
        chosen = check(since, until, columns)
        with scratch() as (connection, folder):
            for hour in self._hours(model, since, until):
                with self._of_hour(hour, connection, folder, [] if torn is None else torn) as paths:
                    if paths:
                        yield from _query(connection, paths, chosen, since, until)

    @contextmanager
    def _of_hour(self, hour: _Hour, connection: Any, folder: Path, torn: list[str]) -> Iterator[list[Path]]:
        """The hour's local files, which go again unless they are kept."""
        place = hour.known.model, hour.known.hour
        if place in self._kept:
            yield self._kept[place]
            return
        if self._folder is not None and hour.pending:
            folder = self._folder / str(len(self._kept))
            folder.mkdir()
            self._kept[place] = self._files(hour, connection, folder, torn)
            yield self._kept[place]
            return
        paths = self._files(hour, connection, folder, torn)
        yield paths
        for path in paths:
            path.unlink()

    def count(self, model: str, since: datetime, until: datetime) -> int:
        """How many predictions were received from ``since`` to before ``until``; raises `BadRange`.

        Of an hour that is compacted it asks the registry alone.
        """
        check(since, until, None)
        count = 0
        with scratch() as (connection, folder):
            for hour in self._hours(model, since, until):
                if not hour.pending and since <= hour.known.hour and hour.known.hour + HOUR <= until:
                    count += hour.known.rows
                    continue
                paths = self._files(hour, connection, folder, [])
                if paths:
                    files = ", ".join(literal(str(path)) for path in paths)
                    where = _within(since, until)
                    query = f"SELECT count(*) FROM read_parquet([{files}], union_by_name = true) WHERE {where}"
                    count += int(connection.execute(query).fetchall()[0][0])
                for path in paths:
                    path.unlink()
        return count

    def unsettled(self, model: str) -> list[datetime]:
        """The hours whose records may not all be in parts yet, oldest first."""
        progress = self._store.progress(model)
        found: set[datetime] = set()
        for day in self._store.log.days(model):
            found |= {*self._pending(model, day, progress), *self._flat(model, day, progress)}
        return sorted(found)

    def _hours(self, model: str, since: datetime, until: datetime) -> Iterator[_Hour]:
        """The hours that have predictions or may have some, oldest first."""
        first = hour_of(since)
        progress, days = self._store.progress(model), set(self._store.log.days(model))
        known = {one.hour: one for one in self._store.compacted(model, first, until)}
        for day in sorted({hour.date() for hour in known} | {day for day in days if _touches(day, first, until)}):
            pending = self._pending(model, day, progress) if day in days else {}
            flat = self._flat(model, day, progress) if day in days else {}
            for hour in sorted({*(hour for hour in known if hour.date() == day), *pending, *flat}):
                if first <= hour < until:
                    empty = CompactedHour(model=model, hour=hour)
                    yield _Hour(known.get(hour, empty), hour in pending or hour in flat, flat.get(hour, ()))

    def _pending(self, model: str, day: date, progress: Progress | None) -> dict[datetime, None]:
        """The hours of a day whose records have to be listed."""
        last = datetime(day.year, day.month, day.day, 23, tzinfo=UTC)
        if progress is not None and progress.is_settled(last):
            return {}
        hours = self._store.hours(model, day)
        return {hour: None for hour in hours if progress is None or not progress.is_settled(hour)}

    def _flat(self, model: str, day: date, progress: Progress | None) -> dict[datetime, list[Listed]]:
        """The records of a day whose keys have no hour, by their hour; those that can't be read stand at midnight."""
        if progress is not None and progress.is_day_settled(day):
            return {}
        found: dict[datetime, list[Listed]] = {}
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        for listed, body in self._store.bodies(self._store.of_day(model, day)):
            try:
                hour = read(body, listed.key).hour
            except Torn:
                hour = start
            found.setdefault(hour, []).append(listed)
        return found

    def _files(self, hour: _Hour, connection: Any, folder: Path, torn: list[str]) -> list[Path]:
        """The hour's parts as local files, and behind them what no part holds yet, in parts made here."""
        paths: list[Path] = []
        for part in hour.known.parts:
            path = folder / f"{part.name}.parquet"
            if self._store.fetch(hour.known, part, path):
                paths.append(path)
            else:
                # Somebody deleted it: what is left of its records says what there is.
                hour.pending = True
        if not hour.pending:
            return paths
        held = {one for path in paths for one in ids_in(connection, path)}
        listed = [*self._store.of_hour(hour.known.model, hour.known.hour), *hour.flat]
        fresh = {request_in(one.key): one for one in listed}
        records = self._read((one for name, one in fresh.items() if name not in held), torn)
        for number, batch in enumerate(batches(records)):
            paths.append(folder / f"pending-{number}.parquet")
            write_part(connection, batch, paths[-1])
        return paths

    def _read(self, listed: Iterable[Listed], torn: list[str]) -> Iterator[Record]:
        for one, body in self._store.bodies(listed):
            try:
                yield read(body, one.key)
            except Torn as error:
                torn.append(f"{one.key}: {error}")


@dataclass
class _Hour:
    """An hour to read: the parts that count, and whether records beside them may be listed."""

    known: CompactedHour
    pending: bool
    flat: Sequence[Listed]


def check(since: datetime, until: datetime, columns: Sequence[str] | None) -> tuple[str, ...]:
    """The columns to read; raises `BadRange` and `NoSuchColumn`."""
    for name, time in (("since", since), ("until", until)):
        if time.tzinfo is None:
            raise BadRange(f"{name} {time.isoformat()} has no time zone: give one, such as {time.isoformat()}+00:00")
    if since >= until:
        raise BadRange(f"since {since.isoformat()} isn't before until {until.isoformat()}")
    if isinstance(columns, str):
        raise NoSuchColumn(f"columns {columns!r}: one text, expected a list of names, such as [{columns!r}]")
    chosen = tuple(COLUMNS if columns is None else dict.fromkeys(columns))
    if unknown := [name for name in chosen if name not in COLUMNS]:
        raise NoSuchColumn(
            f"predictions have no column {', '.join(map(repr, unknown))}. They have {', '.join(COLUMNS)}"
        )
    if not chosen:
        raise NoSuchColumn(f"columns is empty. Predictions have {', '.join(COLUMNS)}")
    return chosen


def part_frames(
    connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[str]
) -> Iterator[pandas.DataFrame]:
    """The predictions of one part that lies at ``path``."""
    return _query(connection, [path], columns, EVER, NEVER)


def empty(columns: Sequence[str]) -> pandas.DataFrame:
    """A frame without rows that has the columns and types of the others."""
    selected = ", ".join(f"CAST(NULL AS {COLUMNS[name]}) AS {name}" for name in columns)
    with scratch() as (connection, _):
        result = connection.execute(f"SELECT {_shown(columns)} FROM (SELECT {selected}) WHERE false")
        return _frame(result.fetchnumpy(), columns)


def _query(
    connection: duckdb.DuckDBPyConnection,
    paths: Iterable[Path],
    columns: Sequence[str],
    since: datetime,
    until: datetime,
) -> Iterator[pandas.DataFrame]:
    files = ", ".join(literal(str(path)) for path in paths)
    result = connection.execute(
        f"SELECT {_shown(columns)} FROM read_parquet([{files}], union_by_name = true) "
        f"WHERE {_within(since, until)} ORDER BY received_at, request_id, instance"
    )
    while len(frame := result.fetch_df_chunk(_VECTORS)):
        yield _frame(frame, columns)


def _frame(found: Any, columns: Sequence[str]) -> pandas.DataFrame:
    made = pandas.DataFrame(found)
    for name in columns:
        if name in TIMES:
            made[name] = made[name].astype("datetime64[us]").dt.tz_localize("UTC")
        elif COLUMNS[name] == "VARCHAR":
            made[name] = made[name].astype("str")
    return made


def _shown(columns: Iterable[str]) -> str:
    # pandas would ask for another package to take over a time zone.
    return ", ".join(f"timezone('UTC', {name}) AS {name}" if name in TIMES else name for name in columns)


def _within(since: datetime, until: datetime) -> str:
    first, last = ((time - _EPOCH) // _MICROSECOND for time in (since, until))
    return f"received_at >= make_timestamptz({first}) AND received_at < make_timestamptz({last})"


def _touches(day: date, since: datetime, until: datetime) -> bool:
    return since.date() <= day <= until.astimezone(UTC).date()
