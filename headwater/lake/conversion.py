"""Converts cells to the contract's types, exactly, or rejects the row with the cell and the reason.

The table ``typed`` is made from ``raw``: a column that the contract types is converted, any other keeps the file's
type. Nothing is rounded: ``2.5`` is no whole number, ``1.005`` no ``Decimal(18, 2)``, ``04/02/2026`` no ISO date.
"""

# ruff: noqa: S608 - names in SQL are quoted; values are literals of our own
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import duckdb

from headwater.declare import Source
from headwater.lake import casts
from headwater.lake.casts import Cast
from headwater.lake.cells import CellFile
from headwater.lake.contract import Column
from headwater.lake.database import columns_of, quoted
from headwater.lake.phrases import LONGEST_NAME, clipped, shown
from headwater.lake.reading import ROW
from headwater.lake.reasons import Reason, Reasons

BATCH = 50_000
LONGEST_SHOWN = 200


@dataclass(frozen=True)
class _Converted:
    """The conversion of one column."""

    column: Column
    cast: Cast
    is_text: bool
    """Whether the file holds its cells as text."""
    mapped: str | None = None
    """The table of texts that Python converted."""

    @property
    def name(self) -> str:
        return quoted(self.column.name)

    @property
    def value(self) -> str:
        """The converted cell in SQL."""
        plain = casts.at(self.cast.sql, f"r.{self.name}")
        if self.mapped is None:
            return plain
        return f"coalesce({plain}, TRY_CAST({self.mapped}.value AS {self.cast.kind}))"


def convert(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[str, Column],
    types: Mapping[str, str],
    source: Source,
    reasons: Reasons,
    scratch: Path,
    *,
    delimited: bool,
) -> None:
    """Make the table ``typed`` from ``raw``, and say in ``reasons`` which cells can't be converted or are missing.

    Parameters
    ----------
    connection : DuckDBPyConnection
    columns : mapping of str to Column
        The contract's demands on each column.
    types : mapping of str to str
        Of columns that are text in ``raw`` but not in the file, the file's types.
    source : Source
        The source, which declares how numbers and times are written.
    reasons : Reasons
    scratch : Path
        A folder for files that are needed meanwhile.
    delimited : bool
        Whether the file is CSV: its numbers are written as the source declares.
    """
    raw = columns_of(connection, "raw")
    converted = []
    for number, (name, column) in enumerate(columns.items()):
        if name not in raw:
            continue
        cast = casts.cast_of(column, raw[name], types.get(name), source, delimited=delimited)
        entry = _Converted(column, cast, raw[name] == "VARCHAR")
        if cast.python is not None:
            entry = _with_python(connection, entry, cast.python, f"__mapped_{number}", scratch)
        converted.append(entry)
    selected = ", ".join([f"r.{ROW}", *(f"{entry.value} AS {entry.name}" for entry in converted)])
    joined = "".join(
        f" LEFT JOIN {entry.mapped} ON {entry.mapped}.text = CAST(r.{entry.name} AS VARCHAR)"
        for entry in converted
        if entry.mapped
    )
    ordered = f" ORDER BY r.{ROW}" if joined else ""
    connection.execute(f"CREATE OR REPLACE TABLE typed AS SELECT {selected} FROM raw r{joined}{ordered}")
    for entry in converted:
        if entry.mapped:
            connection.execute(f"DROP TABLE {entry.mapped}")
    _say_what_failed(connection, converted, reasons)


def _with_python(
    connection: duckdb.DuckDBPyConnection,
    entry: _Converted,
    read: Callable[[str], str | None],
    table: str,
    scratch: Path,
) -> _Converted:
    """Have Python read the texts that SQL doesn't, each once."""
    cell = f"r.{entry.name}"
    left = f"{cell} IS NOT NULL AND {casts.at(entry.cast.sql, cell)} IS NULL"
    if entry.cast.python_when:
        left += f" AND {casts.at(entry.cast.python_when, cell)}"
    found = connection.execute(f"SELECT DISTINCT CAST({cell} AS VARCHAR) FROM raw r WHERE {left}")
    with CellFile(scratch / f"{table}.csv", ["text", "value"]) as cells:
        some = False
        while batch := found.fetchmany(BATCH):
            pairs = [(text, value) for (text,) in batch if (value := read(text)) is not None]
            cells.write(pairs)
            some = some or bool(pairs)
    if some:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT text, value FROM {cells.select()}")
    cells.path.unlink()
    return _Converted(entry.column, entry.cast, entry.is_text, table) if some else entry


def _say_what_failed(connection: duckdb.DuckDBPyConnection, converted: Sequence[_Converted], reasons: Reasons) -> None:
    conditions: list[tuple[_Converted, str, bool]] = []
    for entry in converted:
        raw, value = f"r.{entry.name}", f"t.{entry.name}"
        if entry.cast.can_fail:
            conditions.append((entry, f"{raw} IS NOT NULL AND {value} IS NULL", False))
        if not entry.column.nullable:
            nan = f" OR isnan({value})" if entry.column.kind.family == "float" else ""
            conditions.append((entry, f"({raw} IS NULL{nan})", True))
    if not conditions:
        return
    together = f"FROM raw r JOIN typed t ON r.{ROW} = t.{ROW}"
    counted = ", ".join(f"count(*) FILTER (WHERE {condition})" for _, condition, _ in conditions)
    misfits = reasons.told()
    (counts,) = connection.execute(f"SELECT {counted} {together}").fetchall()
    for count, (entry, condition, is_missing) in zip(counts, conditions, strict=True):
        if count:
            found = connection.execute(
                f"SELECT r.{ROW}, left(CAST(r.{entry.name} AS VARCHAR), {LONGEST_SHOWN}) {together} "
                f"WHERE {condition} ORDER BY r.{ROW}"
            ).fetchall()
            reasons.add(_missing(entry, found) if is_missing else _failed(entry, found, misfits))


def _missing(entry: _Converted, rows: Sequence[tuple[int, str]]) -> Iterator[Reason]:
    said = f"{clipped(entry.column.name, LONGEST_NAME)} is missing"
    return (Reason(row, said, said) for row, _ in rows)


def _failed(entry: _Converted, rows: Sequence[tuple[int, str]], known: Set[tuple[int, str]]) -> Iterator[Reason]:
    name = clipped(entry.column.name, LONGEST_NAME)
    for row, text in rows:
        rule = f"{name}: expected {casts.expected(entry.column.kind, entry.cast, text)}"
        if (row, rule) in known:
            continue
        told = shown(text) if entry.is_text else clipped(text, LONGEST_NAME)
        yield Reason(row, f"{rule}, not {told}", rule)
