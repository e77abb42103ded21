"""Parquet with the file's own types: decimals, 64-bit integers, zones, lists and structs stay what they are."""

# ruff: noqa: S608 - names in SQL are quoted; values are literals of our own
from __future__ import annotations

from pathlib import Path

import duckdb

from headwater.lake.database import literal, quoted
from headwater.lake.errors import FileRefused
from headwater.lake.reading.landed import ROW, Landed, Wanted, kept, refuse_names


def read(connection: duckdb.DuckDBPyConnection, path: Path, wanted: Wanted) -> Landed:
    """Make the table ``raw`` from a Parquet file."""
    file = literal(str(path))
    names = _names(connection, file)
    refuse_names(names)
    wanted.refuse_columns(names)
    selected = ", ".join(map(quoted, kept(names, wanted)))
    connection.execute(
        f"CREATE OR REPLACE TABLE raw AS SELECT file_row_number + 1 AS {ROW}, {selected} "
        f"FROM read_parquet({file}, file_row_number=true)"
    )
    return Landed(tuple(names))


def _names(connection: duckdb.DuckDBPyConnection, file: str) -> list[str]:
    """The names of the file's columns as the file has them: DuckDB renames those that differ by case alone."""
    entries = connection.execute(f"SELECT name, num_children FROM parquet_schema({file})").fetchall()
    names: list[str] = []
    inner: list[int] = []
    for name, children in entries[1:]:
        if not inner:
            names.append(name)
        else:
            inner[-1] -= 1
        if children:
            inner.append(int(children))
        while inner and inner[-1] == 0:
            inner.pop()
    if "file_row_number" in (name.lower() for name in names):
        raise FileRefused("a column may not be called file_row_number")
    return names
