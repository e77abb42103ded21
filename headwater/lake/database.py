"""DuckDB connections as everything here uses them: UTC, no downloads, bounded by the function's memory."""

# ruff: noqa: S608 - names in SQL are declared by products or quoted; values are parameters or literals of our own
from __future__ import annotations

import os
from pathlib import Path

import duckdb

FUNCTION_MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"


def connect(scratch: Path) -> duckdb.DuckDBPyConnection:
    """An empty database that spills to ``scratch``.

    In a Lambda, DuckDB would count the host's memory as its own; Python and pandas need a share of the function's.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(scratch),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if memory := os.environ.get(FUNCTION_MEMORY):
        config["memory_limit"] = f"{int(memory) * 6 // 10}MB"
    connection = duckdb.connect(config=config)
    # Text without an offset is UTC, wherever this runs.
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def scratch_of(connection: duckdb.DuckDBPyConnection) -> Path:
    """The folder that a connection of `connect` spills to, made if need be."""
    folder = Path(connection.execute("SELECT current_setting('temp_directory')").fetchall()[0][0])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def quoted(name: str) -> str:
    """``name`` as an identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """``text`` as a string in SQL."""
    return "'" + text.replace("'", "''") + "'"


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """The columns of a table or view and their types, in order."""
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE {quoted(table)}").fetchall()}


def without_zones(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """A SELECT of ``table`` with every timestamp in microseconds and UTC, without a zone.

    Nanoseconds in Parquet break readers, and timestamps with and without a zone don't compare as one expects.
    """
    replaced = [
        f"CAST(timezone('UTC', {quoted(name)}) AS TIMESTAMP) AS {quoted(name)}"
        if kind == "TIMESTAMP WITH TIME ZONE"
        else f"CAST({quoted(name)} AS TIMESTAMP) AS {quoted(name)}"
        for name, kind in columns_of(connection, table).items()
        if kind.startswith("TIMESTAMP") and kind != "TIMESTAMP"
    ]
    replacing = f" REPLACE ({', '.join(replaced)})" if replaced else ""
    return f"SELECT *{replacing} FROM {quoted(table)}"


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path, *, encodings: int = 1) -> int:
    """Write a query's rows, in its order; how many they are.

    With Parquet's ``encodings`` of version 2 times take less space and work.
    """
    options = f"FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v{encodings}"
    ((rows,),) = connection.execute(f"COPY ({query}) TO {literal(str(path))} ({options})").fetchall()
    return int(rows)
