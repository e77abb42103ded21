"""Rows to try the products' queries on: of a product's sample where it has one, else made from the contracts' types."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from headwater.declare import Source
from headwater.errors import HeadwaterError
from headwater.lake.database import columns_of, literal, quoted
from headwater.lake.errors import NotKept
from headwater.lake.ingestion import curate
from headwater.lake.reading.delimited import DELIMITERS
from headwater.lake.reading.text import is_utf8
from headwater.lake.types import Upload

SAMPLE = "sample.csv"
"""Beside a product's ``product.py``: rows as they are uploaded."""
SAMPLED = 200
"""Rows of it that are tried."""
HEADER = 100
"""Lines that a sample's header may have, quoted names with line ends in them."""
NUMBER = "__number"
MADE = 5
"""Rows that are made for each source."""
TEXTS = (" aB", "07", "2020-02-03 04:05:06.123456", "Zz ", "2021-03-04")
"""Text that trimming, folding case and reading as a number or a time would change."""
DECIMALS = (1.25, -7.75, 123.5, 3.5, 0.25)
INTEGERS = (1, 7, 123, 3, 2)
TIMES = (
    "2020-02-03 04:05:06.123456", "2020-07-08 09:10:11.121314", "2021-03-04 15:16:17.181920",
    "2021-11-12 21:22:23.242526", "2022-05-06 07:08:09.101112",
)  # fmt: skip
INTERVALS = ("1 day 02:03:04.5", "90 minutes", "3 days", "-2 hours", "400 days")
LATER = "400 days"
SHARES = (0.5, 0.4, 0.6, 0.25, 0.75)
"""Where made numbers lie between their limits: extremes seldom go together."""
Types = Mapping[str, str]
"""Columns and DuckDB's types of them, such as `headwater.lake.contract.landed_types` tells."""


def empty_row(types: Types) -> str:
    """A query for no row of these columns."""
    columns = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in types.items())
    return f"SELECT {columns} LIMIT 0"


def made_rows(types: Types, schema: Any, event_time: str | None) -> Iterator[str]:
    """Queries for a row of plausible values each, which the contract's checks needn't let through.

    In every second one all times but the event time are long after it: which comes first no type tells.
    """
    values = {
        name: _allowed(schema.columns[name]) or _plausible(name, kind, place)
        for place, (name, kind) in enumerate(types.items())
    }
    for row in range(MADE):
        columns = []
        for name, kind in types.items():
            value = f"TRY_CAST({literal(str(values[name][row]))} AS {kind})"
            if row % 2 and name != event_time and kind.startswith("TIMESTAMP"):
                value = f"({value} + INTERVAL '{LATER}')"
            columns.append(f"{value} AS {quoted(name)}")
        yield f"SELECT {', '.join(columns)}"


def _allowed(column: Any) -> Sequence[Any]:
    """Values that the contract's own checks name."""
    for check in column.checks or ():
        given = dict(getattr(check, "statistics", None) or {})
        if values := list(given.get("allowed_values") or ()):
            return [values[row % len(values)] for row in range(MADE)]
        low, high = given.get("min_value"), given.get("max_value")
        if isinstance(low, int | float) and isinstance(high, int | float):
            steps = [low + (high - low) * share for share in SHARES]
            return [int(step) for step in steps] if isinstance(low, int) and isinstance(high, int) else steps
    return ()


def _plausible(name: str, kind: str, place: int) -> Sequence[Any]:
    """Values of a type, others in each row; texts differ from column to column too."""
    if kind == "BOOLEAN":
        return ["true", "false", "true", "false", "true"]
    if kind.startswith(("TIMESTAMP", "DATE")):
        return TIMES
    if kind == "INTERVAL":
        return INTERVALS
    if kind.endswith("INT") or kind == "INTEGER":
        return INTEGERS
    if kind != "VARCHAR":
        return DECIMALS
    if any(word in name.lower() for word in ("date", "time", "day")) or name.lower().endswith("_at"):
        return TIMES
    return [TEXTS[(row + place) % len(TEXTS)] if row else TEXTS[0] for row in range(MADE)]


def sample_file(source: Source, schema: Any) -> Path | None:
    """The sample of the product that a source's contract belongs to, if its columns are the source's."""
    module = sys.modules.get(source.contract.partition(":")[0])
    file = Path(getattr(module, "__file__", None) or "nowhere").parent / SAMPLE
    if not file.is_file():
        return None
    try:
        with file.open(newline="", encoding=_encoding(source)) as text:
            headers = _headers(source, list(islice(text, source.skiprows, source.skiprows + HEADER)))
    except (OSError, UnicodeError, csv.Error):
        return None
    required = {name for name, column in schema.columns.items() if column.required and not column.regex}
    return file if any(required <= names for names in headers) else None


def _encoding(source: Source) -> str:
    """A sample's encoding: its source's, and Excel's mark is no part of the first name."""
    return "utf-8-sig" if is_utf8(source.encoding) else source.encoding


def _headers(source: Source, lines: Sequence[str]) -> list[set[str]]:
    """The columns that a sample may have: those that are declared, or its header's by each delimiter."""
    if source.names:
        return [set(source.names)]
    delimiters = [source.delimiter] if source.delimiter else DELIMITERS
    rows = [next(csv.reader(lines, delimiter=delimiter), []) for delimiter in delimiters]
    return [{form for name in row for form in (name, name.strip())} for row in rows]


def curated_sample(source: Source, file: Path, folder: Path) -> Path | None:
    """The curated rows of a sample's first lines, made as an upload's are; None if an upload would be refused.

    Raises
    ------
    SourceFailed
        The source's SQL fails on them.
    """
    head = folder / SAMPLE
    with file.open(encoding=_encoding(source), newline="") as text:
        head.write_bytes("".join(islice(text, source.skiprows + SAMPLED + 1)).encode(source.encoding))
    upload = Upload(
        bucket="check", key=f"landing/{source.name}/{SAMPLE}", version_id="1", size=head.stat().st_size, sequencer="1"
    )
    try:
        made = curate(source, upload, head, folder)
    except HeadwaterError as error:
        if error.__cause__ is not None and isinstance(error.__cause__, duckdb.Error | NotKept):
            raise
        return None
    return made.curated if made.rows_out else None


class Bench:
    """A database with the curated rows of sources, of which any may be put on the table.

    Parameters
    ----------
    connection : DuckDBPyConnection
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.columns: dict[str, dict[str, str]] = {}
        """The curated columns and their types of each source whose SQL works."""
        self.sampled: set[str] = set()
        """The sources whose rows are a sample's."""
        connection.execute("CREATE SCHEMA pool")

    def begin(self, source: str) -> None:
        """Know a source, whose empty table is in the database."""
        self.columns[source] = columns_of(self.connection, source)
        self.connection.execute(
            f"CREATE TABLE pool.{quoted(source)} AS SELECT *, 0 AS {NUMBER} FROM main.{quoted(source)} LIMIT 0"
        )

    def keep(self, source: str) -> None:
        """Keep the rows that are on the table for a source."""
        self._insert(source, f"FROM main.{quoted(source)}")

    def keep_sample(self, source: str, file: Path) -> None:
        """Keep the rows of a Parquet file, and no others."""
        self.connection.execute(f"DELETE FROM pool.{quoted(source)}")
        self._insert(source, f"FROM read_parquet({literal(str(file))})")
        self.sampled.add(source)

    def _insert(self, source: str, rows: str) -> None:
        pool = f"pool.{quoted(source)}"
        self.connection.execute(
            f"INSERT INTO {pool} BY NAME SELECT *, (SELECT count(*) FROM {pool}) + row_number() OVER () - 1 "
            f"AS {NUMBER} FROM ({rows})"
        )

    def has(self, sources: Iterable[str]) -> bool:
        """Whether all of these sources' SQL works."""
        return self.columns.keys() >= set(sources)

    def count(self, source: str) -> int:
        """Rows of a source that are kept."""
        return int(self.connection.execute(f"SELECT count(*) FROM pool.{quoted(source)}").fetchall()[0][0])

    def put(self, sources: Iterable[str], condition: str = "true") -> None:
        """Put the rows of sources on the table for which an SQL condition holds, and no others."""
        for source in sources:
            self.connection.execute(f"DELETE FROM main.{quoted(source)}")
            self.connection.execute(
                f"INSERT INTO main.{quoted(source)} BY NAME SELECT * EXCLUDE ({NUMBER}) FROM pool.{quoted(source)} "
                f"WHERE {condition} ORDER BY {NUMBER}"
            )

    def clear(self, sources: Iterable[str]) -> None:
        """Take all rows from the table."""
        self.put(sources, "false")

    def change(self, source: str, column: str, value: str) -> bool:
        """Write an SQL expression into a column of the rows on the table; whether that could be done."""
        try:
            self.connection.execute(f"UPDATE main.{quoted(source)} SET {quoted(column)} = {value}")
        except duckdb.Error:
            return False
        return True

    def values(self, source: str, column: str) -> list[str]:
        """Some other values for a column, as SQL: those of the rows that are kept, and of its type."""
        kind = self.columns[source][column]
        rows = self.connection.execute(
            f"SELECT DISTINCT CAST({quoted(column)} AS VARCHAR) AS v FROM pool.{quoted(source)} "
            f"WHERE {quoted(column)} IS NOT NULL ORDER BY v LIMIT 4"
        ).fetchall()
        found = [f"CAST({literal(value)} AS {kind})" for (value,) in rows]
        if kind == "BOOLEAN":
            found += ["true", "false"]
        elif kind == "VARCHAR":
            found += ["'other'"]
        elif not kind.startswith(("TIMESTAMP", "DATE", "TIME", "STRUCT", "MAP")) and not kind.endswith("]"):
            found += ["0", "1", "100000", "-100"]
        return list(dict.fromkeys(found))
