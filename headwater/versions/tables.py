"""A commit's files as rows: fetched at their pinned versions, read by DuckDB."""

# ruff: noqa: S608 - file names in SQL are quoted
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from headwater.errors import HeadwaterError
from headwater.versions.errors import PathNotFound
from headwater.versions.ranges import literal
from headwater.versions.store import Objects, ordered
from headwater.versions.types import Entry

if TYPE_CHECKING:
    import duckdb
    import pandas
    import pyarrow

_READERS = {
    ".parquet": "read_parquet([{files}], union_by_name = true)",
    ".csv": "read_csv([{files}], union_by_name = true)",
    ".jsonl": "read_json([{files}], union_by_name = true, format = 'newline_delimited')",
    ".ndjson": "read_json([{files}], union_by_name = true, format = 'newline_delimited')",
}


class NotATable(HeadwaterError):
    """The files of a commit aren't rows of one table."""

    exit_code = 2


def to_duckdb(
    objects: Objects, entries: Iterable[Entry], connection: duckdb.DuckDBPyConnection, table: str, folder: Path
) -> None:
    """Make ``table`` from files of one format, in the order of their paths; columns are matched by name."""
    wanted = [entry for entry in entries if entry.size]
    if not wanted:
        raise PathNotFound("the commit has no file there to read rows from")
    suffixes = {Path(entry.path).suffix.lower() for entry in wanted}
    if len(suffixes) > 1 or not suffixes <= _READERS.keys():
        raise NotATable(
            f"files ending in {', '.join(sorted(suffixes))}: rows are read from files of one kind, of "
            f"{', '.join(_READERS)}; choose them by a path"
        )

    def fetch(numbered: tuple[int, Entry]) -> Path:
        number, entry = numbered
        path = folder / f"{number:07}{Path(entry.path).suffix}"
        with path.open("wb") as file:
            for chunk in objects.stream(entry):
                file.write(chunk)
        return path

    files = ", ".join(literal(path) for path in ordered(fetch, enumerate(wanted)))
    rows = _READERS[suffixes.pop()].format(files=files)
    quoted = '"' + table.replace('"', '""') + '"'
    connection.execute(f"CREATE OR REPLACE TABLE {quoted} AS SELECT * FROM {rows}")


def to_arrow(objects: Objects, entries: Iterable[Entry]) -> pyarrow.Table:
    """The rows as an Arrow table."""
    import duckdb

    with duckdb.connect() as connection, TemporaryDirectory(prefix="headwater-rows-") as folder:
        to_duckdb(objects, entries, connection, "rows", Path(folder))
        try:
            table: pyarrow.Table = connection.sql("SELECT * FROM rows").to_arrow_table()
        except ImportError as error:
            raise NotATable("Arrow tables need pyarrow", next_steps=["pip install pyarrow"]) from error
        return table


def to_pandas(objects: Objects, entries: Iterable[Entry]) -> pandas.DataFrame:
    """The rows as a pandas frame."""
    import duckdb

    with duckdb.connect() as connection, TemporaryDirectory(prefix="headwater-rows-") as folder:
        to_duckdb(objects, entries, connection, "rows", Path(folder))
        frame: pandas.DataFrame = connection.execute("SELECT * FROM rows").df()
        return frame
