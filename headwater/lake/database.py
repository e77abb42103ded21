"""DuckDB connections: UTC, no downloads, bounded by the function's memory."""

# ruff: noqa: S608 - names in SQL are declared by products or quoted; values are parameters or literals of our own
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb

from headwater.lake.errors import NotKept

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

    Raises
    ------
    NotKept
        A time is finer than microseconds.
    """
    kinds = columns_of(connection, table)
    finer = {name: f"epoch_ns({quoted(name)}) % 1000 <> 0" for name, kind in kinds.items() if kind == "TIMESTAMP_NS"}
    _refuse(connection, f"SELECT * FROM {quoted(table)}", finer, "a time finer than microseconds, cast it to TIMESTAMP")
    replaced = [
        f"CAST(timezone('UTC', {quoted(name)}) AS TIMESTAMP) AS {quoted(name)}"
        if kind == "TIMESTAMP WITH TIME ZONE"
        # A cast from nanoseconds knows no infinity.
        else f"CAST({quoted(name)} AS TIMESTAMP) AS {quoted(name)}"
        if kind != "TIMESTAMP_NS"
        else f"IF(isfinite({quoted(name)}), CAST({quoted(name)} AS TIMESTAMP), "
        f"CAST(CAST({quoted(name)} AS VARCHAR) AS TIMESTAMP)) AS {quoted(name)}"
        for name, kind in kinds.items()
        if kind.startswith("TIMESTAMP") and kind != "TIMESTAMP"
    ]
    replacing = f" REPLACE ({', '.join(replaced)})" if replaced else ""
    return f"SELECT *{replacing} FROM {quoted(table)}"


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path, *, encodings: int = 1) -> int:
    """Write a query's rows, in its order. Returns their number.

    With Parquet's ``encodings`` of version 2 times take less space and work.

    Raises
    ------
    NotKept
        Parquet would change a value (`exactly`).
    """
    options = f"FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v{encodings}"
    exact = exactly(connection, query)
    ((rows,),) = connection.execute(f"COPY ({exact}) TO {literal(str(path))} ({options})").fetchall()
    return int(rows)


def exactly(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """A query whose values survive Parquet unchanged: 128-bit integers, which DuckDB would write as DOUBLE, become
    ``DECIMAL(38,0)``.

    Raises
    ------
    NotKept
        A value has no place in Parquet: it would be rounded, or lose its type.
    """
    rows = connection.sql(query)
    kinds = dict(zip(rows.columns, rows.types, strict=True))
    for name, kind in kinds.items():
        if lost := _lost(kind):
            raise NotKept(f"column {name!r} as {kind}: {lost}")
    _refuse(
        connection,
        query,
        {name: condition for name, kind in kinds.items() if (condition := _spoilt(kind, quoted(name)))},
        "what Parquet can't: its whole numbers have up to 38 digits, its durations are whole milliseconds and not "
        "negative (let SQL make text of them, or numbers with epoch_us)",
    )
    casts = {name: kept for name, kind in kinds.items() if (kept := _kept(kind)) != str(kind)}
    if not casts:
        return query
    replaced = ", ".join(f"CAST({quoted(name)} AS {kept}) AS {quoted(name)}" for name, kept in casts.items())
    return f"SELECT * REPLACE ({replaced}) FROM ({query.strip().rstrip(';')}\n)"


def _kept(kind: Any) -> str:
    """The type that a value is written as."""
    children = {name: _kept(child) for name, child in kind.children} if kind.id in ("list", "struct", "map") else {}
    if kind.id == "array":
        (_, child), (_, size) = kind.children
        return f"{_kept(child)}[{size}]"
    if kind.id == "list":
        return f"{children['child']}[]"
    if kind.id == "map":
        return f"MAP({children['key']}, {children['value']})"
    if kind.id == "struct" and list(children.values()) != [str(child) for _, child in kind.children]:
        return f"STRUCT({', '.join(f'{quoted(name)} {child}' for name, child in children.items())})"
    return "DECIMAL(38,0)" if kind.id in ("hugeint", "uhugeint") else str(kind)


def _lost(kind: Any) -> str:
    """Why DuckDB's Parquet can't hold any value of a type; empty if it can hold some."""
    if kind.id == "time with time zone":
        return "Parquet keeps no zone of a time of day: cast it to VARCHAR"
    if kind.id == "union":
        return "Parquet keeps no UNION: give each kind a column of its own, or cast it to VARCHAR"
    if kind.id == "bignum":
        return "Parquet keeps its digits as text: cast it to DECIMAL(38,0) or VARCHAR"
    if kind.id not in ("list", "struct", "map", "array"):
        return ""
    children = [child for name, child in kind.children if not (kind.id == "array" and name == "size")]
    return next(filter(None, map(_lost, children)), "")


def _spoilt(kind: Any, cell: str, depth: int = 0) -> str:
    """An SQL condition for cells that Parquet would change or refuse; empty if it keeps every value of the type."""
    if kind.id in ("hugeint", "uhugeint"):
        return f"{cell} IS NOT NULL AND TRY_CAST({cell} AS DECIMAL(38,0)) IS NULL"
    if kind.id == "interval":
        return f"{cell} < INTERVAL 0 SECONDS OR date_part('microsecond', {cell}) % 1000 <> 0"
    if kind.id == "struct":
        fields = (_spoilt(child, f"struct_extract({cell}, {literal(name)})", depth) for name, child in kind.children)
        return " OR ".join(f"({field})" for field in fields if field)
    lists = {"list": [cell], "array": [cell], "map": [f"map_keys({cell})", f"map_values({cell})"]}.get(kind.id, [])
    value, found = f"value_{depth}", []
    for cells, (_, child) in zip(lists, kind.children if lists else (), strict=False):
        if inside := _spoilt(child, value, depth + 1):
            found.append(f"len(list_filter({cells}, lambda {value}: {inside})) > 0")
    return " OR ".join(found)


def _refuse(connection: duckdb.DuckDBPyConnection, query: str, columns: dict[str, str], words: str) -> None:
    """Raise `NotKept` if a query has rows for which a column's condition holds."""
    for name, condition in columns.items():
        ((rows, value),) = connection.execute(
            f"SELECT count(*), CAST(any_value({quoted(name)}) AS VARCHAR) FROM ({query.strip().rstrip(';')}\n) "
            f"WHERE {condition}"
        ).fetchall()
        if rows:
            several = f"{rows:,} rows hold" if rows > 1 else "1 row holds"
            raise NotKept(f"column {name!r}: {several} {words}; one is {value}")
