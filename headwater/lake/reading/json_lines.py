"""JSON lines, key by key over all lines: numbers keep their digits, texts stay texts, nested values stay JSON.

Python's ``json`` reads each line. A line that is no object, has a key twice, holds ``NaN`` or can't be decoded is
rejected alone. What the contract doesn't name gets the type that all of the file's lines allow.
"""

# ruff: noqa: S608 - names in SQL are quoted; values are literals of our own
from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from headwater.declare import Source
from headwater.json_values import object_of
from headwater.lake.cells import NULL, CellFile
from headwater.lake.database import columns_of, quoted
from headwater.lake.errors import FileRefused
from headwater.lake.phrases import LONGEST_LINE, LONGEST_NAME, clipped, shown
from headwater.lake.reading.landed import ROW, Landed, MalformedLine, Wanted, kept, refuse_names
from headwater.lake.reading.text import is_utf8, open_bytes, open_text, refuse_other_mark, without_mark, wrong_byte

BATCH = 10_000
MOST_KEYS = 10_000


class Whole(str):
    """The digits of a whole number, as the file has them."""

    __slots__ = ()


class Real(str):
    """A number with a fraction or an exponent, as the file has it."""

    __slots__ = ()


_TEXTS = frozenset({str, Whole, Real})
_Kinds = defaultdict[str, set[type]]


def read(
    connection: duckdb.DuckDBPyConnection, path: Path, source: Source, wanted: Wanted, scratch: Path, *, gzipped: bool
) -> Landed:
    """Make the table ``raw`` of text from a file with a JSON object a line."""
    refuse_other_mark(path, source.encoding, gzipped=gzipped)
    _refuse_array(path, source, gzipped=gzipped)
    reading = _Reading(source, wanted, scratch, frozenset())
    reading.run(path, gzipped=gzipped)
    if mixed := reading.mixed():
        # A text among other values is told from them by its quotes.
        reading = _Reading(source, wanted, scratch, mixed)
        reading.run(path, gzipped=gzipped)
    return reading.land(connection)


class _Reading:
    """One pass over a file, which begins a new file of cells for each new key."""

    def __init__(self, source: Source, wanted: Wanted, scratch: Path, mixed: Set[str]) -> None:
        self._source, self._wanted, self._scratch, self._mixed = source, wanted, scratch, mixed
        self._text_only = wanted.written_as_text()
        self._kinds: _Kinds = defaultdict(set)
        self._inexact: set[str] = set()
        self._columns: list[str] = []
        self._named: frozenset[str] = frozenset()
        self._parts: list[CellFile] = []
        self._malformed: list[MalformedLine] = []
        self._misfits: list[MalformedLine] = []

    def run(self, path: Path, *, gzipped: bool) -> None:
        """Read every line and write its cells."""
        with ExitStack() as stack:
            lines = enumerate(self._lines(path, stack, gzipped=gzipped), start=1)
            while batch := list(islice(lines, BATCH)):
                numbers, rows = [], []
                for number, line in batch:
                    try:
                        rows.append(_object(line, self._source.encoding))
                        numbers.append(number)
                    except _NoRow as error:
                        text = line if isinstance(line, str) else line.decode("utf-8", "backslashreplace")
                        self._malformed.append(MalformedLine(number, str(error), clipped(text.strip(), LONGEST_LINE)))
                if rows:
                    self._write(numbers, rows)
            for part in self._parts:
                part.close()

    def _lines(self, path: Path, stack: ExitStack, *, gzipped: bool) -> Iterator[str | bytes]:
        if is_utf8(self._source.encoding):
            file = stack.enter_context(open_bytes(path, gzipped=gzipped))
            for number, line in enumerate(file):
                told = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
                if not told.isspace():
                    yield told
        else:
            text = stack.enter_context(open_text(path, self._source.encoding, gzipped=gzipped))
            # JSON escapes other line ends; a carriage return alone is white space.
            yield from (line for line in without_mark(text) if not line.isspace())

    def _write(self, numbers: Sequence[int], rows: Sequence[Mapping[str, Any]]) -> None:
        keys = dict.fromkeys(key for row in rows for key in row) if self._is_new(rows) else {}
        if keys:
            self._columns += [key for key in keys if key not in set(self._columns)]
            if len(self._columns) > MOST_KEYS:
                raise FileRefused(f"more than {MOST_KEYS:,} different keys: an object a line, not a table")
            self._named = frozenset(self._wanted.named(self._columns))
            if self._parts:
                self._parts[-1].close()
            self._parts.append(CellFile(self._scratch / f"rows-{len(self._parts)}.csv", [*self._columns, ROW]))
        if not self._parts:
            self._parts.append(CellFile(self._scratch / "rows-0.csv", [ROW]))
        cells = [self._cells(column, numbers, [row.get(column) for row in rows]) for column in self._columns]
        self._parts[-1].write(zip(*cells, map(str, numbers), strict=True))

    def _is_new(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        return not set().union(*rows) <= set(self._columns)

    def _cells(self, column: str, numbers: Sequence[int], values: Sequence[Any]) -> Sequence[str]:
        kinds = set(map(type, values))
        told = kinds - {type(None)}
        self._kinds[column] |= told
        if column not in self._named and Real in told:
            if not all(_is_double(value) for value in values if type(value) is Real):
                self._inexact.add(column)
        elif column in self._text_only and told - {str}:
            rule = f"{clipped(column, LONGEST_NAME)}: expected {self._text_only[column]}"
            self._misfits += [
                MalformedLine(number, f"{rule}, not {shown(_json(value))}", "", rule)
                for number, value in zip(numbers, values, strict=True)
                if value is not None and type(value) is not str
            ]
        if column in self._mixed:
            return [NULL if value is None else _json(value) for value in values]
        if kinds <= _TEXTS:
            return values
        return [
            NULL if value is None else value if type(value) in _TEXTS else _json(value) for value in values
        ]  # fmt: skip

    def mixed(self) -> frozenset[str]:
        """The columns that the contract doesn't name, and that hold texts and other values."""
        if self._wanted.drops_others:
            return frozenset()
        return frozenset(
            column
            for column, kinds in self._kinds.items()
            if column not in self._named and str in kinds and len(kinds) > 1
        )

    def land(self, connection: duckdb.DuckDBPyConnection) -> Landed:
        """Make the table ``raw`` of what was written."""
        if self._columns or not self._malformed:
            if not self._columns and not self._parts:
                raise FileRefused("the file has no rows")
            refuse_names(self._columns)
            self._wanted.refuse_columns(self._columns)
        columns = kept(self._columns, self._wanted)
        declared = ", ".join([f"{ROW} BIGINT", *(f"{quoted(name)} VARCHAR" for name in columns)])
        connection.execute(f"CREATE OR REPLACE TABLE raw ({declared})")
        for part in self._parts:
            there = [name for name in columns if name in part.names]
            selected = ", ".join([f"CAST({ROW} AS BIGINT) AS {ROW}", *map(quoted, there)])
            connection.execute(f"INSERT INTO raw BY NAME SELECT {selected} FROM {part.select()}")
            part.path.unlink()
        return Landed(
            tuple(self._columns),
            tuple(self._malformed),
            tuple(self._misfits),
            {name: self._type(connection, name) for name in columns_of(connection, "raw") if name in self._kinds},
        )

    def _type(self, connection: duckdb.DuckDBPyConnection, column: str) -> str:
        """The type of a column outside the contract: the narrowest type that holds all of its values."""
        kinds = self._kinds[column]
        if not kinds or kinds == {str}:
            return "VARCHAR"
        if kinds == {bool}:
            return "BOOLEAN"
        if kinds <= {Whole, Real}:
            if Real in kinds and column not in self._inexact and self._fits(connection, column, "DOUBLE"):
                return "DOUBLE"
            if kinds == {Whole} and self._fits(connection, column, "BIGINT"):
                return "BIGINT"
        return "JSON"

    def _fits(self, connection: duckdb.DuckDBPyConnection, column: str, kind: str) -> bool:
        cell = quoted(column)
        exact = f"TRY_CAST({cell} AS {kind})"
        if kind == "DOUBLE":
            # Whole numbers among fractions: a double holds them to 2^53.
            exact = f"CASE WHEN contains({cell}, '.') OR contains(lower({cell}), 'e') OR length({cell}) < 16 THEN 1 END"
        ((lost,),) = connection.execute(
            f"SELECT count(*) FROM raw WHERE {cell} IS NOT NULL AND {exact} IS NULL"
        ).fetchall()
        return not lost


class _NoRow(ValueError):
    """A line is no row."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found, twice = object_of(pairs)
    if twice is not None:
        raise _NoRow(f"the key {shown(twice)} comes twice in one object")
    return found


def _constant(name: str) -> Any:
    raise _NoRow(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=Whole, parse_float=Real, parse_constant=_constant)


def _object(line: str | bytes, encoding: str) -> dict[str, Any]:
    try:
        text = line.decode("utf-8") if isinstance(line, bytes) else line
        found = _DECODER.decode(text.strip(" \t\r\n"))
        if "\\ud" in text or "\\uD" in text:
            _json(found).encode("utf-8")
    except UnicodeDecodeError as error:
        raise _NoRow(wrong_byte(error, encoding)) from error
    except UnicodeEncodeError as error:
        raise _NoRow("half of a surrogate pair is no character") from error
    except json.JSONDecodeError as error:
        raise _NoRow(f"no JSON: {error.msg} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise _NoRow("nested too deeply") from error
    if not isinstance(found, dict):
        raise _NoRow(f"no object: {shown(_json(found))}")
    return found


def _json(value: Any) -> str:
    """A value as JSON again, without white space, its numbers as they were."""
    if isinstance(value, (Whole, Real)):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_json(key)}:{_json(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _is_double(digits: str) -> bool:
    """Whether a double's shortest text is the same number."""
    number = float(digits)
    return repr(number) == digits or (number - number == 0 and Decimal(repr(number)) == Decimal(digits))


def _refuse_array(path: Path, source: Source, *, gzipped: bool) -> None:
    encoding = "utf-8-sig" if is_utf8(source.encoding) else source.encoding
    with open_bytes(path, gzipped=gzipped) as file:
        start = file.read(1 << 16).decode(encoding, "replace").lstrip("\ufeff \t\r\n")
    if not start.startswith("["):
        return
    first, _, rest = start.partition("\n")
    try:
        json.loads(first)
        is_line = bool(rest.strip())
    except ValueError:
        is_line = False
    if not is_line:
        raise FileRefused("the file is a JSON array, expected one object a line; jq -c '.[]' makes lines of it")
