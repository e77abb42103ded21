"""Tables of one DuckDB connection, moments counted in minutes, and the rule of what is known when."""

# ruff: noqa: S608, DTZ001 - tables are named by the tests; offline times are UTC without a zone
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import duckdb

START = datetime(2013, 3, 1)


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


@cache
def database() -> duckdb.DuckDBPyConnection:
    """Opened once: that takes longer than a join."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'America/New_York'")
    return connection


def table(name: str, kinds: dict[str, str], rows: Sequence[Sequence[Any]]) -> None:
    empty = ", ".join(f"NULL::{kind} AS {column}" for column, kind in kinds.items())
    database().execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {empty} LIMIT 0")
    if rows:
        marks = ", ".join(f"({', '.join('?' * len(kinds))})" for _ in rows)
        database().execute(f"INSERT INTO {name} VALUES {marks}", [value for row in rows for value in row])


def is_known(event: int, available: int, moment: int) -> bool:
    """Whether a question of ``moment`` knows a row: it was available before, and happened by then."""
    return available < moment and event <= moment


# Empty, alike as numbers, beginnings of one another, every length of UTF-8.
SELLERS = (
    None,
    "",
    "1",
    "01",
    "1.0",
    "a",
    "a\0",
    "\0",
    "a b",
    "é",
    "中",
    "\U0001f600",
    "x" * 1024,
    "NULL",
    "'",
    "a\\'b",
)
