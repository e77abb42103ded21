"""CSV as Python's ``csv`` reads it: each cell is text as it stands in the file.

A file without quotes is left to DuckDB's reader, which is faster and can't read it otherwise; of any other file the
``csv`` module reads the rows, and DuckDB takes them from there (`headwater.lake.cells`).
"""

# ruff: noqa: S608 - names in SQL are quoted; values are literals of our own
from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import duckdb

from headwater.declare import Source
from headwater.lake.cells import CellFile, reader_options
from headwater.lake.database import literal, quoted
from headwater.lake.errors import FileRefused
from headwater.lake.phrases import LONGEST_LINE, clipped, shown
from headwater.lake.reading.landed import ROW, Landed, MalformedLine, Wanted, kept, refuse_names
from headwater.lake.reading.text import (
    is_utf8,
    open_bytes,
    open_text,
    refuse_other_mark,
    row_of_wrong_byte,
    without_mark,
)

DELIMITERS = (",", ";", "\t", "|")
TRIED = 200
"""Lines in which each delimiter is tried; the header decides, unless several delimiters read it as well."""
LONGEST_CELL = 2**31 - 1

csv.field_size_limit(LONGEST_CELL)


def read(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    source: Source,
    wanted: Wanted,
    scratch: Path,
    *,
    tabs: bool,
    gzipped: bool,
) -> Landed:
    """Make the table ``raw`` of text from a CSV file."""
    refuse_other_mark(path, source.encoding, gzipped=gzipped)
    dialect = _Dialect.of(source, path, wanted, tabs=tabs, gzipped=gzipped)
    try:
        names = _usable(dialect.header(path, gzipped=gzipped), wanted)
        wanted.refuse_columns(names)
        file = _File(path, dialect, names, kept(names, wanted), gzipped)
        return _read_plainly(connection, file) or _read_rows(connection, file, scratch)
    except UnicodeDecodeError:
        before = source.skiprows + (not source.names)
        refused = row_of_wrong_byte(path, source.encoding, gzipped=gzipped, lines_before=before)
        raise refused from None
    except UnicodeError as error:
        raise FileRefused(f"can't be read: the file isn't {source.encoding} as its source declares: {error}") from error


@dataclass
class _Record:
    """The lines of the record that is being read."""

    lines: list[str] = field(default_factory=list)

    def of(self, file: Iterator[str], comment: str | None) -> Iterator[str]:
        """Yield a file's lines, but for comments between records."""
        keep = self.lines.append
        for line in file:
            if comment and not self.lines and line.startswith(comment):
                continue
            keep(line)
            yield line

    @property
    def text(self) -> str:
        return clipped("".join(self.lines).rstrip("\r\n"), LONGEST_LINE)


@dataclass(frozen=True)
class _Dialect:
    """The dialect of a CSV file."""

    delimiter: str
    source: Source

    @classmethod
    def of(cls, source: Source, path: Path, wanted: Wanted, *, tabs: bool, gzipped: bool) -> _Dialect:
        """The declared dialect; a missing delimiter is found from the file's header."""
        if source.delimiter or tabs:
            return cls(source.delimiter or "\t", source)
        try:
            with open_text(path, source.encoding, gzipped=gzipped) as file:
                lines = list(islice(without_mark(file), source.skiprows + TRIED))
        except UnicodeDecodeError:
            # Of a file in another encoding the row is told by who reads the rest; ASCII is read as well without it.
            with open_text(path, "latin-1", gzipped=gzipped) as file:
                lines = list(islice(file, source.skiprows + TRIED))
        candidates = [cls(delimiter, source) for delimiter in DELIMITERS]
        return max(candidates, key=lambda candidate: candidate._fit(lines, wanted))

    def _fit(self, lines: Sequence[str], wanted: Wanted) -> tuple[int, bool, float, int]:
        rows = [row for row in self.reader(iter(lines[self.source.skiprows :]), _Record(), strict=False) if row]
        names = list(self.source.names) or (rows[0] if rows else [])
        body = rows if self.source.names else rows[1:]
        stripped = {name.strip() for name in names} | set(names)
        found = len(set(wanted.required()) & stripped)
        if len(names) < 2:
            return found, False, 0.0, 0
        alike = sum(len(row) == len(names) for row in body) / len(body) if body else 1.0
        return found, all(stripped), alike, len(names)

    def reader(self, file: Iterator[str], record: _Record, *, strict: bool = True) -> Any:
        """Python's own reader of the file's records; ``record`` holds the lines of the one that is read."""
        quoting = {"quotechar": self.source.quotechar} if self.source.quotechar else {"quoting": csv.QUOTE_NONE}
        return csv.reader(
            record.of(file, self.source.comment),
            delimiter=self.delimiter,
            escapechar=self.source.escapechar,
            doublequote=self.source.escapechar is None,
            strict=strict,
            **quoting,
        )

    def lines(self, file: IO[str]) -> Iterator[str]:
        """A file's lines from its header on."""
        return islice(without_mark(file), self.source.skiprows, None)

    def header(self, path: Path, *, gzipped: bool) -> list[str]:
        """The names of the columns, as declared or in the file's first record."""
        if self.source.names:
            return list(self.source.names)
        with open_text(path, self.source.encoding, gzipped=gzipped) as file:
            record = _Record()
            for names in self._records(self.lines(file), record):
                if any(name.strip() for name in names):
                    return names
                break
        raise FileRefused("the first line names no columns; if the header comes later, declare skiprows")

    def _records(self, lines: Iterator[str], record: _Record) -> Iterator[list[str]]:
        try:
            for row in self.reader(lines, record):
                record.lines.clear()
                if row:
                    yield row
        except csv.Error as error:
            raise FileRefused(f"the header can't be read: {error}: {record.text[:100]!r}") from error

    @property
    def is_common(self) -> bool:
        """Whether DuckDB's reader can be trusted with files that have no quotes."""
        declared = self.source
        return (
            is_utf8(declared.encoding)
            and declared.quotechar == '"'
            and not (declared.escapechar or declared.comment or declared.skiprows or declared.names)
        )


def _usable(header: Sequence[str], wanted: Wanted) -> list[str]:
    """The header's names as columns: without white space around them, unless the contract has it."""
    named = set(wanted.named(header))
    names = [name if name in named else name.strip() for name in header]
    if not all(names):
        if not wanted.drops_others:
            number = names.index("") + 1
            raise FileRefused(f"the header has a column without a name: number {number}; strict='filter' drops it")
        # pandas' index has none; its place is its name in quarantine.
        names = [name or f"column_{number}" for number, name in enumerate(names, start=1)]
    refuse_names(names)
    return names


@dataclass(frozen=True)
class _File:
    """A CSV file whose header is known."""

    path: Path
    dialect: _Dialect
    names: Sequence[str]
    """Names of its columns."""
    columns: Sequence[str]
    """Names of the columns that are kept."""
    gzipped: bool


def _read_plainly(connection: duckdb.DuckDBPyConnection, file: _File) -> Landed | None:
    """Let DuckDB read a file in which nothing but delimiters and line ends has a meaning; None if it isn't one."""
    rows, longest = _plain_rows(file) if file.dialect.is_common else (0, 0)
    if not rows:
        return None
    options = reader_options(
        file.names,
        longest=longest,
        missing=file.dialect.source.missing,
        delimiter=file.dialect.delimiter,
        compression="gzip" if file.gzipped else "none",
    )
    selected = ", ".join(map(quoted, file.columns))
    try:
        connection.execute(
            f"CREATE OR REPLACE TABLE raw AS SELECT row_number() OVER () AS {ROW}, {selected} "
            f"FROM read_csv({literal(str(file.path))}, header=true, {options})"
        )
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        return None
    ((read_rows,),) = connection.execute("SELECT count(*) FROM raw").fetchall()
    return Landed(tuple(file.names)) if read_rows == rows else None


def _plain_rows(plain: _File) -> tuple[int, int]:
    """How many rows a file has whose lines are all rows of cells without quotes, and the longest in bytes.

    Of a file with other lines, 0 and 0.
    """
    delimiter, delimiters = plain.dialect.delimiter.encode(), len(plain.names) - 1
    rows, longest = -1, 0
    with open_bytes(plain.path, gzipped=plain.gzipped) as file:
        end = b"\r\n" if file.readline().endswith(b"\r\n") else b"\n"
        file.seek(0)
        returns = len(end) - 1
        for line in file:
            if (
                line.count(delimiter) != delimiters
                or b'"' in line
                or b"\0" in line
                or line.count(b"\r") != returns
                or not line.endswith(end)
                or line == end
            ):
                return 0, 0
            rows += 1
            longest = max(longest, len(line))
    return rows, longest


def _read_rows(connection: duckdb.DuckDBPyConnection, file: _File, scratch: Path) -> Landed:
    source, names, columns = file.dialect.source, file.names, file.columns
    malformed: list[MalformedLine] = []
    places = [names.index(name) for name in columns]
    with (
        open_text(file.path, source.encoding, gzipped=file.gzipped) as opened,
        CellFile(scratch / "rows.csv", [*columns, ROW]) as cells,
    ):
        rows = _rows(file.dialect, opened, len(names), malformed)
        if len(columns) < len(names):
            pick = itemgetter(*places, -1)
            rows = (pick(row) for row in rows)
        cells.write(rows)
    absent = ", ".join(map(literal, source.missing))
    cell = "CASE WHEN {0} IN (" + absent + ") THEN NULL ELSE {0} END AS {0}" if absent else "{0}"
    selected = ", ".join(cell.format(quoted(name)) for name in columns)
    connection.execute(
        f"CREATE OR REPLACE TABLE raw AS SELECT CAST({ROW} AS BIGINT) AS {ROW}, {selected} FROM {cells.select()}"
    )
    cells.path.unlink()
    return Landed(tuple(names), tuple(malformed))


def _rows(dialect: _Dialect, file: IO[str], width: int, malformed: list[MalformedLine]) -> Iterator[list[str]]:
    """Yield each row with its number behind its cells; lines that are no rows go to ``malformed``."""
    record = _Record()
    reader = dialect.reader(dialect.lines(file), record)
    header, number, lines = not dialect.source.names, 0, record.lines
    while True:
        try:
            for row in reader:
                if not row:
                    lines.clear()
                    continue
                if header:
                    header = False
                    lines.clear()
                    continue
                number += 1
                if len(row) == width:
                    row.append(str(number))
                    yield row
                else:
                    malformed.append(MalformedLine(number, f"expected {width} values, found {len(row)}", record.text))
                lines.clear()
            return
        except csv.Error as error:
            # Where a record ends is unknown: each of its lines counts as one that is no row.
            opened = shown(lines[0].rstrip("\r\n")) if lines else "''"
            for line in list(lines):
                number += 1
                text = clipped(line.rstrip("\r\n"), LONGEST_LINE)
                malformed.append(MalformedLine(number, f"{_words(error)} (from {opened} on)", text))
            lines.clear()


def _words(error: csv.Error) -> str:
    words = str(error)
    if words == "unexpected end of data":
        return "a quote is opened and never closed"
    return f"what follows a closing quote is no delimiter: {words}" if "expected after" in words else words
