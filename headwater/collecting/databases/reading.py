"""Reads a table or a query: by a cursor, by the tick's interval, or whole."""

# ruff: noqa: S608 - the query is the project's own; names are quoted and values are parameters
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from headwater.collecting.databases.connecting import connected
from headwater.collecting.databases.cursors import CursorColumn, Known, Point
from headwater.collecting.databases.dialects import Dialect
from headwater.collecting.errors import CollectFailed
from headwater.collecting.files import JSON_LINES, MOST_BYTES, LinesFile
from headwater.collecting.types import Batch, Request
from headwater.declare import Sql

CHUNK = 2_000
"""Rows that are fetched at a time, by a cursor on the server: memory doesn't grow with the table."""
ENOUGH = 45.0
"""Seconds that are left when a file is closed early, so that it still lands."""
FILE_BYTES = 512 * 2**20
"""Bytes of rows, uncompressed, after which a file with a cursor is closed."""
_PLACE = re.compile(r"(?<![:\w\\]):(?=\w)(?!(since|until)\b)")


class _Reading(NamedTuple):
    connection: Connection
    dialect: Dialect
    reads: Sql
    request: Request
    query: str
    """The rows to read, as a SELECT."""
    parameters: Mapping[str, Any]
    columns: Sequence[Any]
    """As the driver describes them."""


def read_sql(reads: Sql, request: Request, *, ports: frozenset[int] = frozenset()) -> Iterator[Batch]:
    """Batches of a database's rows; raises `CollectFailed`.

    Parameters
    ----------
    reads : Sql
    request : Request
    ports : frozenset of int
        Ports that can be reached; empty if all can.
    """
    patience = max(30.0, request.seconds_left() - ENOUGH)
    with connected(request.secret(reads.url_secret), patience, ports=ports) as (connection, dialect):
        reading = _described(connection, dialect, reads, request)
        if reads.cursor is not None:
            yield from _by_cursor(reading, _cursor_column(reading, reads.cursor))
        else:
            yield _whole(reading)


def _described(connection: Connection, dialect: Dialect, reads: Sql, request: Request) -> _Reading:
    if reads.table is not None:
        query = f"SELECT * FROM {'.'.join(map(dialect.quoted, reads.table.split('.')))}"
    else:
        assert reads.query is not None  # noqa: S101 -- the declaration checks it
        query = reads.query
    # A colon that is no parameter of ours: a format of times, a slice, a literal.
    query, parameters = _PLACE.sub(r"\:", query), {}
    if reads.by_interval:
        if request.since is None:
            raise CollectFailed("nobody knows where the tick's interval begins: run a tick of the schedule")
        parameters = {"since": _time(request.since, dialect), "until": _time(request.until, dialect)}
    found = connection.execute(text(f"SELECT * FROM ({query}\n) q LIMIT 0"), parameters)
    described = found.cursor.description if found.cursor is not None else ()
    found.close()
    names = Counter(column[0] for column in described or ())
    if twice := [name for name, times in names.items() if times > 1]:
        raise CollectFailed(f"two columns are called {twice[0]!r}: give each a name of its own")
    return _Reading(connection, dialect, reads, request, query, parameters, list(described or ()))


def _time(moment: datetime, dialect: Dialect) -> datetime:
    from headwater.collecting.databases.dialects import MySQL

    return moment.astimezone(UTC).replace(tzinfo=None) if isinstance(dialect, MySQL) else moment


def _cursor_column(reading: _Reading, name: str) -> CursorColumn:
    codes = {column[0]: column[1] for column in reading.columns}
    if name not in codes:
        raise CollectFailed(f"there is no column {name!r} to be the cursor: it has {', '.join(map(str, codes))}")
    kind = reading.dialect.kind_of(codes[name])
    if kind is None:
        raise CollectFailed(
            f"column {name!r} can't be the cursor: expected whole or decimal numbers, a date, or a timestamp "
            "(a cast in a query makes one)"
        )
    return CursorColumn(name, *kind)


def _by_cursor(reading: _Reading, column: CursorColumn) -> Iterator[Batch]:
    """Rows that haven't landed, in the order of the cursor, a file after the other."""
    _refuse_nulls(reading, column)
    last, above = column.last(reading.request.cursor)
    overlap = reading.reads.overlap, reading.reads.overlap_by
    lower = None if last is None else column.before(column.point(last), *overlap)
    with closing(_rows(reading, column, lower, None if above is None else column.point(above))) as rows:
        for batch, at in _files(reading, column, rows, last):
            yield replace(batch, cursor=column.kept(at, above))


def _files(
    reading: _Reading, column: CursorColumn, rows: Iterator[tuple[str, str]], last: str | None
) -> Iterator[tuple[Batch, str]]:
    """Batches, each with the last cursor that it has."""
    reads, request, overlap = reading.reads, reading.request, (reading.reads.overlap, reading.reads.overlap_by)
    known, at, is_over = Known(request.memory), last, False
    while not is_over:
        moved = False
        with LinesFile(request.folder) as file:
            for line, value in rows:
                point = column.point(value)
                if known.is_new(line, point, column.before(point, *overlap)):
                    file.write(line)
                moved, at = True, value
                if file.rows >= reads.batch_rows or file.size >= FILE_BYTES:
                    break
                if file.rows % CHUNK == 0 and request.seconds_left() < ENOUGH:
                    break
            else:
                is_over = True
        if moved and at is not None:
            yield Batch(file=file.path, suffix=JSON_LINES, count=file.rows, memory=known.dump()), at


def _refuse_nulls(reading: _Reading, column: CursorColumn) -> None:
    if reading.reads.null_cursors == "leave":
        return
    where = f"q.{reading.dialect.quoted(column.name)} IS NULL"
    found = reading.connection.execute(text(f"SELECT 1 FROM ({reading.query}\n) q WHERE {where} LIMIT 1"))
    if found.first() is not None:
        raise CollectFailed(
            f"rows have no value in cursor {column.name!r}, and no run would ever read them: give them one, or declare "
            "null_cursors='leave'"
        )


def _rows(
    reading: _Reading, column: CursorColumn | None, lower: Point | None, above: Point | None = None
) -> Generator[tuple[str, str], None, None]:
    """Each row as a line of JSON with its cursor, streamed from one state of the data."""
    dialect, parameters = reading.dialect, dict(reading.parameters)
    names = [entry[0] for entry in reading.columns]
    query = f"SELECT {dialect.selected(names, column.name if column else None)} FROM ({reading.query}\n) q"
    if column is not None:
        quoted = f"q.{dialect.quoted(column.name)}"
        where = [f"{quoted} IS NOT NULL"]
        if lower is not None:
            where.append(f"{quoted} >= {dialect.literal(column, 'lower')}")
            parameters["lower"] = column.text(lower)
        if above is not None:
            where.append(f"{quoted} > {dialect.literal(column, 'above')}")
            parameters["above"] = column.text(above)
        if column.kind != "number":
            # A time to come would be the last cursor for as long, and nothing be read until then.
            where.append(f"{quoted} <= {dialect.now(column)}")
        query += f" WHERE {' AND '.join(where)} ORDER BY {quoted}"
    streaming = {"stream_results": True, "yield_per": CHUNK}
    with (
        reading.connection.execute(text(query), parameters, execution_options=streaming) as result,
        dialect.left_unread(reading.connection),
    ):
        for values in result:
            yield dialect.row(values, reading.columns)


def _whole(reading: _Reading) -> Batch:
    """All rows as one file: of the tick's interval, or of the table."""
    request = reading.request
    with LinesFile(request.folder) as file, closing(_rows(reading, None, None)) as rows:
        for line, _ in rows:
            file.write(line)
            if file.rows % CHUNK:
                continue
            if file.written > MOST_BYTES:
                raise CollectFailed(
                    f"{file.rows:,} rows are {file.written:,} bytes, gzipped, S3 takes {MOST_BYTES:,} as one file, and "
                    "there are more: declare a cursor, or read by :since and :until"
                )
            if request.seconds_left() < ENOUGH:
                raise CollectFailed(
                    f"{file.rows:,} rows were read in the time of one call, and there are more: declare a cursor, or "
                    "runs_in='container', or read by :since and :until"
                )
    if not file.rows and not reading.reads.by_interval:
        raise CollectFailed("there are no rows, and no file can say so: what landed before still counts")
    name = f"{request.until:%Y-%m-%dT%H%M%SZ}" if reading.reads.by_interval else "all"
    return Batch(file=file.path, suffix=JSON_LINES, count=file.rows, name=name)
