"""Inspects a user's file, all of its rows, so that `headwater init --from` can declare it.

What is written is a beginning to be edited: types and missing values are facts of the file, while which column is the
label, and which columns a request can carry, are a guess that the command tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import duckdb

from headwater.declare import Source
from headwater.errors import InvalidRequest
from headwater.lake.database import connect, literal, quoted
from headwater.lake.errors import FileRefused
from headwater.lake.reading import DELIMITED, read
from headwater.lake.reading.text import likely_encoding
from headwater.lake.times import iso_time
from headwater.lake.types import SUFFIXES, Upload
from headwater.templates.writing import DIGIT, ISO_DAY, TRUTH, Writing, epochs, find_writing, late_times

Kind = Literal["int", "float", "bool", "time", "text"]

SAMPLE_ROWS = 500
"""Rows of the file, evenly spaced, that become the product's sample."""
MOST_CATEGORIES = 200
"""A text column with more values is a name, an id or prose: no category of a request."""
FEWEST_ROWS = 10
"""Fewer rows tell neither types nor what may be missing, and nothing can be learnt from them."""
SCARCE = 20
"""A column with a value in less than one row of so many is empty in part of a split: nothing is learnt from it."""
EXACT = 2**53
"""The whole numbers up to here are floating-point numbers too, which is what models compute with."""
LARGEST = 3.4e38
"""Models are compiled to numbers of 32 bits."""
_USUAL_TIME = (
    r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
    r"([T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])?)?"
)
"""Times that SQL reads as Python does, and a hundred times faster."""


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
    largest: float = 0
    """The number that is farthest from 0, without its sign."""
    example: str
    """A value that is there."""
    pair: tuple[str, ...]
    """Both values of a column with two, the less frequent one first; else nothing."""
    rarer: int = 0
    """Rows with the first of the pair."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A file, inspected."""

    rows: int
    columns: tuple[Column, ...]
    sample: tuple[tuple[str, ...], ...]
    """Some rows as they stand in the file, in the columns' order."""
    writing: Writing = field(default_factory=Writing)
    unnamed: tuple[int, ...] = ()
    """Numbers of the file's columns whose header is empty, such as pandas' index; from 1 on."""

    def is_input(self, column: Column) -> bool:
        """Whether a request may carry it: not what names a row, is prose, says nothing, or is scarcely there."""
        names_a_row = column.values == self.rows > 2 and column.kind in ("int", "text")
        scarce = (self.rows - column.missing) * SCARCE < self.rows
        return (
            not (names_a_row or scarce or column.largest > (EXACT if column.kind == "int" else LARGEST))
            and column.values > (0 if column.missing else 1)
            and (column.kind != "text" or column.values <= MOST_CATEGORIES)
        )

    def may_be_label(self, column: Column) -> bool:
        """Whether a model can answer with it: two values, or numbers."""
        if column.kind == "time":
            return False
        return column.values == 2 or (column.kind in ("int", "float") and column.values > 1 and self.is_input(column))


def inspect(path: Path) -> Table:
    """Read a delimited file whole.

    Raises
    ------
    NotATable
        It isn't one, or has too few rows.
    FileRefused
        Ingestion couldn't read it either; the message says what it is.
    """
    gzipped = path.suffix.lower() == ".gz"
    if path.is_dir():
        raise NotATable(f"{path} is a folder: expected a file that ends in {', '.join(DELIMITED)}")
    if not path.name.lower().removesuffix(".gz").endswith(DELIMITED):
        raise NotATable(f"{path.name}: expected a file that ends in {', '.join(DELIMITED)}{_instead(path)}")
    if not path.is_file():
        raise NotATable(f"there is no file {path}")
    upload = Upload(
        bucket="from", key=f"landing/rows/{path.name}", version_id="1", size=path.stat().st_size, sequencer="1"
    )
    with TemporaryDirectory(prefix="headwater-init-") as scratch:
        connection = connect(Path(scratch) / "spill")
        try:
            encoding, wanted = likely_encoding(path, gzipped=gzipped), _Anything()
            source = Source(name="rows", contract="a:b", encoding=encoding)
            landed = read(connection, upload, path, source, wanted, Path(scratch))
            if landed.malformed:
                first = landed.malformed[0]
                raise NotATable(f"{path.name} row {first.row}: {first.reason}")
            return _table(connection, path, landed.columns, encoding, wanted.unnamed)
        except FileRefused as refused:
            then = ["change the file, for uploads of it would be refused as well"]
            raise FileRefused(f"{path.name}: {refused.message}", next_steps=then) from refused
        finally:
            connection.close()


def _instead(path: Path) -> str:
    """The way to a product for a file of another kind."""
    if any(path.name.lower().endswith(suffix) for suffix in SUFFIXES):
        return "; such files can be uploaded, but the product is written for houses: headwater init NAME, and edit it"
    if path.suffix.lower() in (".xlsx", ".xls", ".ods"):
        return ": save the table as CSV"
    return ""


class _Anything:
    """A contract that takes every column with a name (`headwater.lake.reading.landed.Wanted`)."""

    drops_others = True

    def __init__(self) -> None:
        self.unnamed: tuple[int, ...] = ()

    def named(self, present: Sequence[str]) -> Sequence[str]:
        self.unnamed = tuple(number for number, name in enumerate(present, start=1) if not name.strip())
        return [stripped for name in present if (stripped := name.strip())]

    def required(self) -> Sequence[str]:
        return ()

    def written_as_text(self) -> Mapping[str, str]:
        return {}

    def refuse_columns(self, present: Sequence[str]) -> None:
        pass


def _table(
    connection: duckdb.DuckDBPyConnection, path: Path, landed: Sequence[str], encoding: str, unnamed: tuple[int, ...]
) -> Table:
    names = [name for number, name in enumerate(landed, start=1) if number not in unnamed]
    (rows,) = connection.execute("SELECT count(*) FROM raw").fetchall()[0]
    if not rows:
        raise NotATable(f"{path.name} has a header and no rows")
    every = max(1, -(-rows // SAMPLE_ROWS))
    listed = ", ".join(f"coalesce({quoted(name)}, '')" for name in names)
    some = f"SELECT {listed} FROM raw WHERE __row % {every} = 1 % {every} ORDER BY __row"  # noqa: S608
    sample = connection.execute(some).fetchall()
    columns = [_column(connection, name, Writing(encoding=encoding)) for name in names]
    of_kind = {kind: [column.name for column in columns if column.kind == kind] for kind in ("text", "float")}
    writing = find_writing(connection, of_kind["text"], of_kind["float"], encoding)
    if writing != Writing(encoding=encoding, doubts=writing.doubts):
        columns = [_column(connection, name, writing) for name in names]
    doubts = [line for column in columns if column.kind == "int" for line in epochs(column.name, column.example)]
    doubts += [line for column in columns if column.kind == "text" for line in late_times(column.name, column.example)]
    writing = replace(writing, doubts=(*writing.doubts, *doubts))
    return Table(rows=rows, columns=tuple(columns), sample=tuple(sample), writing=writing, unnamed=unnamed)


def _column(connection: duckdb.DuckDBPyConnection, name: str, writing: Writing) -> Column:
    cell, way = writing.cell(name), writing.numbers
    whole, number, digit, truth, day = (
        f"bool_and(regexp_full_match(trim({cell}), {literal(pattern)}))"
        for pattern in (way.whole, way.any, DIGIT, TRUTH, ISO_DAY)
    )
    plain = f"ltrim(trim({cell}), '+')"
    if way.thousands:
        plain = f"replace({plain}, {literal(way.thousands)}, '')"
    size = f"abs(TRY_CAST({plain} AS HUGEINT))"
    real = f"abs(TRY_CAST(replace({plain}, {literal(way.decimal)}, '.') AS DOUBLE))"
    counted = f"""
        SELECT count(*) - count({cell}), count(DISTINCT {cell}), coalesce(min({cell}), ''),
               {whole}, bool_and({cell} IS NULL OR coalesce({size} < {2**63}, false)), max({size}), max({real}),
               {number} AND {digit}, {truth}, {day}
        FROM raw"""  # noqa: S608
    missing, values, example, *looks = connection.execute(counted).fetchall()[0]
    is_whole, fits, largest, farthest, is_number, is_truth, is_day = looks
    kind: Kind = "text"
    if is_whole:
        kind = "int" if fits else "text"  # a number of 20 digits is a name: as a float it would be another one
    elif is_number:
        kind = "float"
    elif is_truth:
        kind = "bool"
    elif name in writing.times or (is_day and _are_times(connection, cell)):
        kind = "time"
    pair: tuple[str, ...] = ()
    rarer = 0
    if values == 2:
        order = f"SELECT {cell}, count(*) FROM raw WHERE {cell} IS NOT NULL GROUP BY 1 ORDER BY 2, 1"  # noqa: S608
        ((first, rarer), (second, _)) = connection.execute(order).fetchall()
        pair = (first, second)
    return Column(
        name=name,
        kind=kind,
        missing=missing,
        values=values,
        largest={"int": largest, "float": farthest}.get(kind) or 0,
        example=example,
        pair=pair,
        rarer=rarer,
    )


def _are_times(connection: duckdb.DuckDBPyConnection, cell: str) -> bool:
    usual = f"regexp_full_match({cell}, {literal(_USUAL_TIME)}) AND TRY_CAST({cell} AS TIMESTAMPTZ) IS NOT NULL"
    found = connection.execute(f"SELECT DISTINCT {cell} FROM raw WHERE {cell} IS NOT NULL AND NOT ({usual})")  # noqa: S608
    while batch := found.fetchmany(10_000):
        if not all(_is_time(text) for (text,) in batch):
            return False
    return True


def _is_time(text: str) -> bool:
    try:
        return iso_time(text) is not None
    except ValueError:  # the 31st of February
        return False
