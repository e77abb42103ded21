"""Finds rows of an entity in Parquet files: each value is compared as the column's type, or not at all."""

# ruff: noqa: S608 - names of columns are quoted, types are DuckDB's own words, values are parameters
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import duckdb

from headwater.features.offline.columns import entity_sql
from headwater.lake.database import connect, literal, quoted

_SCALAR = re.compile(r"[A-Z_ ]+(\(\d+,\d+\))?")
_UNCOMPARABLE = frozenset({"BLOB", "BIT", "INTERVAL"})


@dataclass(frozen=True)
class Unfit:
    """A column that can't hold the value that is looked for."""

    column: str
    kind: str
    """DuckDB's type of the column."""
    value: str
    written: str = ""
    """The same value as the column's type writes it; empty if the type has no such value."""

    def __str__(self) -> str:
        if self.written:
            return f"{self.column} is {self.kind}, which writes {self.written!r}, not {self.value!r}"
        return f"{self.column} is {self.kind}, which has no value {self.value!r}"


@dataclass(frozen=True)
class Matched:
    """Result of looking for an entity in a file."""

    rows: int = 0
    columns: tuple[str, ...] = ()
    """All columns of the file."""
    lacking: tuple[str, ...] = ()
    """Columns that are looked for and that the file doesn't have."""
    unfit: tuple[Unfit, ...] = ()
    single: tuple[str, ...] = ()
    """Columns of DOUBLE whose value isn't the same in float32's precision, which training sets are kept in."""
    unreadable: str = ""
    """Why the file can't be read as Parquet."""

    @property
    def was_compared(self) -> bool:
        """Whether the file's rows were compared with the values."""
        return not (self.lacking or self.unfit or self.unreadable)


class Matcher:
    """Compares rows with values, one file at a time, in bounded memory.

    A value is text, as somebody writes it. It fits a column if the column's type reads it and writes the same text
    again (`headwater.features.offline.columns.entity_sql`): ``04711`` is a text and no integer, and ``4711.6`` is never
    rounded to an integer that a row has.

    Parameters
    ----------
    scratch : Path
        A folder that DuckDB may spill to.
    wanted : mapping of str to str
        Value by column; a row must have all of them.
    """

    def __init__(self, scratch: Path, wanted: Mapping[str, str]) -> None:
        self._connection = connect(scratch)
        self._wanted = dict(wanted)
        self._known: dict[tuple[str, str], Unfit | None] = {}

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def match(self, path: Path) -> Matched:
        """Count the file's rows that have all of the values."""
        try:
            kinds = self._kinds(path)
            columns = tuple(kinds)
            if lacking := tuple(name for name in self._wanted if name not in kinds):
                return Matched(columns=columns, lacking=lacking)
            if unfit := tuple(found for name in self._wanted if (found := self._unfit(name, kinds[name]))):
                return Matched(columns=columns, unfit=unfit)
            query = f"SELECT count(*) FROM {_rows(path)} WHERE {self._condition(kinds)}"
            ((rows,),) = self._connection.execute(query, list(self._wanted.values())).fetchall()
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            return Matched(unreadable=" ".join(str(error).split())[:200])
        single = tuple(name for name, value in self._wanted.items() if kinds[name] == "DOUBLE" and _is_rounded(value))
        return Matched(int(rows), columns, single=single)

    def entities(self, path: Path, keys: Sequence[str], most: int) -> list[tuple[str, ...]]:
        """The different entities of the file's matching rows, by the text of their join keys; at most ``most``."""
        kinds = self._kinds(path)
        if not set(keys) <= kinds.keys():
            return []
        shown = ", ".join(f"{entity_sql(quoted(key), kinds[key])} AS k{place}" for place, key in enumerate(keys))
        filled = " AND ".join(f"k{place} IS NOT NULL" for place in range(len(keys)))
        query = (
            f"SELECT DISTINCT * FROM (SELECT {shown} FROM {_rows(path)} WHERE {self._condition(kinds)}) "
            f"WHERE {filled} ORDER BY ALL LIMIT {most}"
        )
        return [tuple(row) for row in self._connection.execute(query, list(self._wanted.values())).fetchall()]

    def _kinds(self, path: Path) -> dict[str, str]:
        found = self._connection.execute(f"DESCRIBE SELECT * FROM {_rows(path)}").fetchall()
        return {row[0]: row[1] for row in found}

    def _condition(self, kinds: Mapping[str, str]) -> str:
        return " AND ".join(f"{quoted(name)} = CAST(? AS {kinds[name]})" for name in self._wanted)

    def _unfit(self, column: str, kind: str) -> Unfit | None:
        if (column, kind) not in self._known:
            self._known[column, kind] = self._compared(column, kind, self._wanted[column])
        return self._known[column, kind]

    def _compared(self, column: str, kind: str, value: str) -> Unfit | None:
        if not _SCALAR.fullmatch(kind) or kind in _UNCOMPARABLE:
            return Unfit(column, kind, value)
        if kind == "VARCHAR":
            return None
        cast = f"TRY_CAST(? AS {kind})"
        ((written, as_kind),) = self._connection.execute(
            f"SELECT {entity_sql('v', kind)}, CAST(v AS VARCHAR) FROM (SELECT {cast} AS v)", [value]
        ).fetchall()
        if written == value:
            return None
        return Unfit(column, kind, value, written or "" if _is_same(value, as_kind) else "")


def _rows(path: Path) -> str:
    return f"read_parquet({literal(str(path))}, hive_partitioning = false)"


def _is_same(value: str, written: str | None) -> bool:
    """Whether two texts are the same value, differently written: a rounded number isn't."""
    if written is None:
        return False
    try:
        return Decimal(value) == Decimal(written)
    except InvalidOperation:
        return any(letter.isdigit() for letter in value) or value.lower() in ("t", "f", "true", "false")


def _is_rounded(value: str) -> bool:
    from headwater.features.online.encoding import single

    return single(float(value)) != float(value)
