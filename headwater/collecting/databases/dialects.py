"""PostgreSQL and MySQL, as far as they differ: sessions, the rows' text, the cursor's type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from sqlalchemy import Connection

from headwater.collecting.databases.cursors import CursorColumn, Kind, moment_of
from headwater.json_values import dumps, loads

Described = Sequence[Any]
"""A column as drivers describe it: its name and the code of its type."""


class Dialect(Protocol):
    """One database's way."""

    def prepare(self, seconds: float) -> Sequence[str]:
        """Statements that make a session read one state of the data, in UTC, for so long."""

    def quoted(self, name: str) -> str:
        """A name as SQL writes it."""

    def kind_of(self, code: int) -> tuple[Kind, str] | None:
        """The kind of cursor that a column of a type can be, and the type's name; None if it can't be one."""

    def selected(self, columns: Sequence[str], cursor: str | None) -> str:
        """Columns to select from ``q`` for `row`."""

    def row(self, values: Sequence[Any], columns: Sequence[Described]) -> tuple[str, str]:
        """A row as a line of JSON, and its cursor's value; empty without a cursor."""

    def literal(self, column: CursorColumn, parameter: str) -> str:
        """A parameter as a value of the cursor's type."""

    def now(self, column: CursorColumn) -> str:
        """The time as a value of the cursor's type."""

    def left_unread(self, connection: Connection) -> AbstractContextManager[None]:
        """In which rows are streamed, so that whoever leaves it early needn't read the others."""


class PostgreSQL:
    """PostgreSQL writes each row as JSON itself: no driver comes between, and every type it has keeps its digits."""

    _KINDS: ClassVar[dict[int, tuple[Kind, str]]] = {
        20: ("number", "bigint"),
        21: ("number", "smallint"),
        23: ("number", "integer"),
        1700: ("number", "numeric"),
        1082: ("date", "date"),
        1114: ("timestamp", "timestamp"),
        1184: ("timestamptz", "timestamptz"),
    }

    def prepare(self, seconds: float) -> Sequence[str]:
        """A transaction that only reads, and sees one state of the data."""
        return (
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
            "SET LOCAL TIME ZONE 'UTC'",
            "SET LOCAL DateStyle = 'ISO'",
            "SET LOCAL IntervalStyle = 'iso_8601'",
            "SET LOCAL bytea_output = 'hex'",
            # Before version 12 a float is written with 15 digits otherwise.
            "SET LOCAL extra_float_digits = 3",
            f"SET LOCAL statement_timeout = {int(seconds * 1000)}",
        )

    def quoted(self, name: str) -> str:
        """In double quotes."""
        escaped = name.replace('"', '""')
        return f'"{escaped}"'

    def kind_of(self, code: int) -> tuple[Kind, str] | None:
        """By the type's OID."""
        return self._KINDS.get(code)

    def selected(self, columns: Sequence[str], cursor: str | None) -> str:  # noqa: ARG002 -- of the protocol
        """The row as JSON, and the cursor as text."""
        return f"row_to_json(q)::text, {f'q.{self.quoted(cursor)}::text' if cursor else 'NULL'}"

    def row(self, values: Sequence[Any], columns: Sequence[Described]) -> tuple[str, str]:  # noqa: ARG002
        """As it came: a line break can stand between the parts of a value of type json alone."""
        return values[0].replace("\n", " ").replace("\r", " "), values[1] or ""

    def literal(self, column: CursorColumn, parameter: str) -> str:
        """A cast of the text."""
        # Not as a number of any type: PostgreSQL would use no index.
        kind = "bigint" if column.is_whole else column.type
        return f"CAST(CAST(:{parameter} AS text) AS {kind})"

    def now(self, column: CursorColumn) -> str:
        """The transaction's beginning."""
        return f"CAST(now() AS {column.type})"

    def left_unread(self, connection: Connection) -> AbstractContextManager[None]:  # noqa: ARG002 -- of the protocol
        """Nothing: rows are fetched by a cursor on the server."""
        return nullcontext()


class MySQL:
    """MySQL: the driver's values are written as JSON, exactly."""

    _KINDS: ClassVar[dict[int, tuple[Kind, str]]] = {
        1: ("number", "tinyint"),
        2: ("number", "smallint"),
        3: ("number", "int"),
        8: ("number", "bigint"),
        9: ("number", "mediumint"),
        0: ("number", "decimal"),
        246: ("number", "decimal"),
        10: ("date", "date"),
        12: ("timestamp", "datetime"),
        7: ("timestamp", "timestamp"),
    }
    _JSON = 245

    def prepare(self, seconds: float) -> Sequence[str]:
        """A transaction that only reads, and sees one state of the data; TIMESTAMP is read as UTC."""
        milliseconds = int(seconds * 1000)
        return (
            "SET SESSION time_zone = '+00:00'",
            # Each reads what the other takes for a comment: MySQL counts milliseconds, MariaDB seconds.
            f"SET SESSION /*!50708 max_execution_time = {milliseconds} */ /*M! max_statement_time = {seconds:.3f} */",
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        )

    def quoted(self, name: str) -> str:
        """In backquotes."""
        return f"`{name.replace('`', '``')}`"

    def kind_of(self, code: int) -> tuple[Kind, str] | None:
        """By the protocol's code."""
        return self._KINDS.get(code)

    def selected(self, columns: Sequence[str], cursor: str | None) -> str:
        """All columns, and the cursor once more at the end."""
        return ", ".join(f"q.{self.quoted(name)}" for name in columns) + (
            f", q.{self.quoted(cursor)}" if cursor else ", NULL"
        )

    def row(self, values: Sequence[Any], columns: Sequence[Described]) -> tuple[str, str]:
        """Each value by its type."""
        *cells, last = values
        named = {
            column[0]: _value(cell, is_json=column[1] == self._JSON)
            for column, cell in zip(columns, cells, strict=True)
        }
        return dumps(named), "" if last is None else moment_of(last)

    def literal(self, column: CursorColumn, parameter: str) -> str:
        """A cast of the text."""
        cast = {"number": "DECIMAL(65, 20)", "date": "DATE", "timestamp": "DATETIME(6)"}[column.kind]
        return f"CAST(:{parameter} AS {cast})"

    def now(self, column: CursorColumn) -> str:
        """The time in UTC."""
        return "UTC_DATE()" if column.kind == "date" else "UTC_TIMESTAMP(6)"

    @contextmanager
    def left_unread(self, connection: Connection) -> Iterator[None]:
        """Hang up: PyMySQL would read a table to its end before it closes, which nobody has time for."""
        try:
            yield
        except BaseException:
            raw: Any = connection.connection.dbapi_connection
            if raw is not None and raw._result is not None:
                raw._result.unbuffered_active = False
            connection.invalidate()
            raise


def _value(value: Any, *, is_json: bool) -> Any:
    """A driver's value as JSON holds it: bytes as PostgreSQL writes them, ``\\x`` and hexadecimal digits."""
    if is_json and isinstance(value, str):
        return loads(value)
    if isinstance(value, bytes | bytearray):
        return f"\\x{value.hex()}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _clock(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if value is None or isinstance(value, str | bool | int | float | Decimal):
        return value
    raise TypeError(f"a value of type {type(value).__name__} has no form in JSON")


def _clock(value: timedelta) -> str:
    """MySQL's TIME, which may be negative and longer than a day."""
    whole = abs(value)
    seconds, sign = whole.days * 86400 + whole.seconds, "-" if value < timedelta(0) else ""
    fraction = f".{whole.microseconds:06}" if whole.microseconds else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
