"""Inspects a user's file, all of its rows, so that `headwater init --from` can declare it.

What is written is a beginning to be edited: types and missing values are facts of the file, while which column is the
label, and which columns a request can carry, are a guess that the command tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import duckdb

from headwater.declare import Source
from headwater.errors import InvalidRequest
from headwater.lake.database import connect, literal, quoted
from headwater.lake.reading import DELIMITED, read
from headwater.lake.times import iso_time
from headwater.lake.types import Upload

Kind = Literal["int", "float", "bool", "time", "text"]

SAMPLE_ROWS = 500
"""Rows of the file, evenly spaced, that become the product's sample."""
MOST_CATEGORIES = 200
"""A text column with more values is a name, an id or prose: no category of a request."""
_WHOLE, _NUMBER = r"[+-]?(0|[1-9][0-9]{0,17})", r"[+-]?(0|[1-9][0-9]*|)(\.[0-9]*)?([eE][+-]?[0-9]+)?"
_DIGIT, _TRUTH, _DAY = r".*[0-9].*", r"(?i)true|false", r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*"


class NotATable(InvalidRequest):
    """A product can't be made from the file."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the file, by all of its rows."""

    name: str
    kind: Kind
    missing: int
    """Rows without a value."""
    values: int
    """Distinct values."""
    example: str
    """A value that is there."""
    pair: tuple[str, ...]
    """Both values of a column with two, the less frequent one first; else nothing."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A file, inspected."""

    rows: int
    columns: tuple[Column, ...]
    sample: tuple[tuple[str, ...], ...]
    """Some rows as they stand in the file, in the columns' order."""

    def is_input(self, column: Column) -> bool:
        """Whether a request may carry it: not what names a row, nor what is prose."""
        names_a_row = column.values == self.rows > 2 and column.kind in ("int", "text")
        return column.values > 0 and not names_a_row and (column.kind != "text" or column.values <= MOST_CATEGORIES)

    def may_be_label(self, column: Column) -> bool:
        """Whether a model can answer with it: two values, or numbers."""
        return column.values == 2 or (column.kind in ("int", "float") and self.is_input(column))


def inspect(path: Path) -> Table:
    """Read a delimited file whole.

    Raises
    ------
    NotATable
        It isn't one, or has no rows.
    FileRefused
        Ingestion couldn't read it either; the message says what it is.
    """
    suffix = path.suffix.lower()
    if suffix not in DELIMITED:
        raise NotATable(f"{path.name}: expected a file that ends in {', '.join(DELIMITED)}")
    if not path.is_file():
        raise NotATable(f"there is no file {path}")
    upload = Upload(
        bucket="from", key=f"landing/rows/{path.name}", version_id="1", size=path.stat().st_size, sequencer="1"
    )
    with TemporaryDirectory(prefix="headwater-init-") as scratch:
        connection = connect(Path(scratch) / "spill")
        try:
            landed = read(connection, upload, path, Source(name="rows", contract="a:b"), _Anything(), Path(scratch))
            if landed.malformed:
                first = landed.malformed[0]
                raise NotATable(f"{path.name} row {first.row}: {first.reason}")
            return _table(connection, path, landed.columns)
        finally:
            connection.close()


class _Anything:
    """A contract that takes every column (`headwater.lake.reading.landed.Wanted`)."""

    drops_others = False

    def named(self, present: Sequence[str]) -> Sequence[str]:
        return present

    def required(self) -> Sequence[str]:
        return ()

    def written_as_text(self) -> Mapping[str, str]:
        return {}

    def refuse_columns(self, present: Sequence[str]) -> None:
        pass


def _table(connection: duckdb.DuckDBPyConnection, path: Path, names: Sequence[str]) -> Table:
    (rows,) = connection.execute("SELECT count(*) FROM raw").fetchall()[0]
    if not rows:
        raise NotATable(f"{path.name} has a header and no rows")
    every = max(1, -(-rows // SAMPLE_ROWS))
    listed = ", ".join(f"coalesce({quoted(name)}, '')" for name in names)
    some = f"SELECT {listed} FROM raw WHERE __row % {every} = 1 % {every} ORDER BY __row"  # noqa: S608
    sample = connection.execute(some).fetchall()
    return Table(rows=rows, columns=tuple(_column(connection, name) for name in names), sample=tuple(sample))


def _column(connection: duckdb.DuckDBPyConnection, name: str) -> Column:
    cell = f"nullif({quoted(name)}, '')"
    whole, number, digit, truth, day = (
        f"bool_and(regexp_full_match({cell}, {literal(pattern)}))"
        for pattern in (_WHOLE, _NUMBER, _DIGIT, _TRUTH, _DAY)
    )
    counted = f"""
        SELECT count(*) - count({cell}), count(DISTINCT {cell}), coalesce(min({cell}), ''),
               {whole}, {number} AND {digit}, {truth}, {day}
        FROM raw"""  # noqa: S608
    missing, values, example, is_whole, is_number, is_truth, is_day = connection.execute(counted).fetchall()[0]
    kind: Kind = "text"
    if is_whole:
        kind = "int"
    elif is_number:
        kind = "float"
    elif is_truth:
        kind = "bool"
    elif is_day and _are_times(connection, cell):
        kind = "time"
    pair: tuple[str, ...] = ()
    if values == 2:
        order = f"SELECT {cell} FROM raw WHERE {cell} IS NOT NULL GROUP BY 1 ORDER BY count(*), 1"  # noqa: S608
        pair = tuple(value for (value,) in connection.execute(order).fetchall())
    return Column(name=name, kind=kind, missing=missing, values=values, example=example, pair=pair)


def _are_times(connection: duckdb.DuckDBPyConnection, cell: str) -> bool:
    found = connection.execute(f"SELECT DISTINCT {cell} FROM raw WHERE {cell} IS NOT NULL")  # noqa: S608
    while batch := found.fetchmany(10_000):
        if not all(_is_time(text) for (text,) in batch):
            return False
    return True


def _is_time(text: str) -> bool:
    try:
        return iso_time(text) is not None
    except ValueError:  # the 31st of February
        return False


def standard_name(column: str, taken: Sequence[str] = ()) -> str:
    """The name that a request input or a label may have (`headwater.declare.Name`), and that isn't taken."""
    name = re.sub(r"[^a-z0-9]+", "_", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", column).lower()).strip("_")[:40].strip("_")
    name = name if re.match(r"[a-z]", name) else f"column_{name}".strip("_")
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    return unique
