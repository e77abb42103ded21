"""A landed file as DuckDB rows, whatever it is: CSV (gzipped or not), Parquet or JSON lines."""

# ruff: noqa: S608 - names in SQL are declared by products or quoted; values are parameters or literals of our own
from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import islice
from pathlib import Path

import duckdb

from headwater.lake.database import columns_of, literal
from headwater.lake.errors import FileRefused
from headwater.lake.types import SUFFIXES, Upload

DELIMITED = (".csv", ".tsv", ".txt")
JSON_LINES = (".jsonl", ".ndjson", ".json")
ROW = "__row"
"""The file's own row numbers, the first row after the header being 1."""
LONGEST_HEADER = 1 << 20


@dataclass(frozen=True, slots=True)
class MalformedLine:
    """A line of a CSV file that is no row."""

    row: int
    reason: str
    line: str


@dataclass(frozen=True, slots=True)
class Landed:
    """What `read` found; the rows themselves are the table ``raw``, numbered by the column ``__row``."""

    columns: tuple[str, ...]
    malformed: tuple[MalformedLine, ...] = field(default=())


def read(connection: duckdb.DuckDBPyConnection, upload: Upload, path: Path, missing: Sequence[str] = ("",)) -> Landed:
    """Make the table ``raw`` from the file at ``path``, which was uploaded as ``upload.file``.

    All columns of a CSV file are text: their types are the contract's to say, so that one odd value fails its row and
    not the file. Texts in ``missing`` become NULL.

    Raises
    ------
    FileRefused
        The file isn't what its name says, has no header, or another kind of name than the known ones.
    """
    if upload.suffix not in SUFFIXES:
        raise FileRefused(
            f"can't tell from the name {upload.file!r} what it holds, expected one of {', '.join(SUFFIXES)}"
        )
    if path.stat().st_size == 0:
        raise FileRefused("the file is empty")
    gzipped = upload.file.lower().endswith(".gz")
    try:
        if upload.suffix in DELIMITED:
            return _read_delimited(connection, path, gzipped=gzipped, missing=missing)
        if upload.suffix in JSON_LINES and _starts_with(b"[", path, gzipped=gzipped):
            raise FileRefused("the file is a JSON array, expected one object a line; jq -c '.[]' makes lines of it")
        reader = (
            f"read_parquet({literal(str(path))})"
            if upload.suffix == ".parquet"
            else f"read_json({literal(str(path))}, format='newline_delimited', compression="
            f"'{'gzip' if gzipped else 'none'}')"
        )
        connection.execute(f"CREATE OR REPLACE TABLE raw AS SELECT row_number() OVER () AS {ROW}, * FROM {reader}")
    except (duckdb.Error, OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        # DuckDB quotes our own SQL below its words.
        words = str(error).partition("\nLINE ")[0].replace(str(path), upload.file)
        said = " ".join(words.split())
        raise FileRefused(f"can't be read as {upload.suffix.lstrip('.')}: {said[:300]}") from error
    return Landed(tuple(name for name in columns_of(connection, "raw") if name != ROW))


def _read_delimited(
    connection: duckdb.DuckDBPyConnection, path: Path, *, gzipped: bool, missing: Sequence[str]
) -> Landed:
    header, delimiter = _header(path, gzipped=gzipped)
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise FileRefused(f"columns named more than once: {', '.join(repeated)}")
    if ROW in header or not all(header):
        raise FileRefused(f"the header has a column without a usable name: {', '.join(map(repr, header))}")
    options = {
        "auto_detect": "false",
        "header": "true",
        "delim": literal(delimiter),
        "quote": "'\"'",
        "escape": "'\"'",
        "compression": "'gzip'" if gzipped else "'none'",
        "columns": "{" + ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header) + "}",
        "nullstr": "[" + ", ".join(map(literal, missing or [""])) + "]",
        # A line that is no row is quarantined like a row that breaks the contract.
        "store_rejects": "true",
    }
    given = ", ".join(f"{name}={value}" for name, value in options.items())
    connection.execute(f"CREATE OR REPLACE TEMP TABLE parsed AS SELECT * FROM read_csv({literal(str(path))}, {given})")
    malformed = tuple(
        MalformedLine(max(line - 1, 1), message, text or "")
        for line, message, text in connection.execute(
            "SELECT line, first(error_message ORDER BY column_idx), first(csv_line ORDER BY column_idx) "
            "FROM reject_errors GROUP BY line ORDER BY line"
        ).fetchall()
    )
    # Rows keep the numbers that they have in the file: each one moves up by the malformed lines before it.
    connection.execute("CREATE OR REPLACE TEMP TABLE gaps (after BIGINT)")
    if malformed:
        connection.executemany(
            "INSERT INTO gaps VALUES (?)", [[entry.row - index - 1] for index, entry in enumerate(malformed)]
        )
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE raw AS
        SELECT position + (SELECT count(*) FROM gaps WHERE after < position) AS {ROW}, * EXCLUDE (position)
        FROM (SELECT row_number() OVER () AS position, * FROM parsed)
        """
    )
    connection.execute("DROP TABLE parsed")
    return Landed(tuple(header), malformed)


def _open(path: Path, *, gzipped: bool) -> gzip.GzipFile | BufferedReader:
    """The file's bytes as they were before they were packed."""
    return gzip.open(path, "rb") if gzipped else path.open("rb")


def _starts_with(first: bytes, path: Path, *, gzipped: bool) -> bool:
    """Whether a file's first bytes that aren't white space are ``first``."""
    with _open(path, gzipped=gzipped) as file:
        return file.read(LONGEST_HEADER).lstrip().startswith(first)


def _header(path: Path, *, gzipped: bool) -> tuple[list[str], str]:
    """The names in the first line, and what separates them."""
    with _open(path, gzipped=gzipped) as file:
        first = b"".join(islice(iter(lambda: file.readline(LONGEST_HEADER), b""), 1)).decode("utf-8-sig")
    delimiter = max(",\t;|", key=lambda letter: (first.count(letter), letter == ","))
    names = next(csv.reader([first], delimiter=delimiter, strict=True), [])
    if not any(name.strip() for name in names):
        raise FileRefused("the first line names no columns")
    return [name.strip() for name in names], delimiter
