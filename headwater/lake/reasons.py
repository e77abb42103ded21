"""Reasons of rejected rows, kept in the database so that a million of them need no memory."""

# ruff: noqa: S608 - names in SQL are our own
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import duckdb
import pandas

from headwater.lake.phrases import LONGEST_RULE, clipped

SHOWN_ROWS = 3
BATCH = 50_000
MOST_RULES = 100
NO_ROW = "not a row of the table"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row was rejected."""

    row: int
    text: str
    """Such as ``dep_time: expected in_range(0, 2400), not 2517``."""
    rule: str
    """The same without the value, so that reasons can be counted."""


class Reasons:
    """A table of reasons.

    Parameters
    ----------
    connection : DuckDBPyConnection
    table : str
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        self._connection, self.table = connection, table
        connection.execute(f"CREATE OR REPLACE TABLE {table} (row_number BIGINT, reason VARCHAR, rule VARCHAR)")

    def add(self, reasons: Iterable[Reason]) -> None:
        """Add reasons."""
        more = iter(reasons)
        while batch := list(islice(more, BATCH)):
            frame = pandas.DataFrame(
                {
                    "row_number": pandas.Series([entry.row for entry in batch], dtype="int64"),
                    "reason": pandas.Series([clipped(entry.text, LONGEST_RULE) for entry in batch], dtype=object),
                    "rule": pandas.Series([clipped(entry.rule, LONGEST_RULE) for entry in batch], dtype=object),
                }
            )
            self._connection.register("more_reasons", frame)
            self._connection.execute(f"INSERT INTO {self.table} SELECT * FROM more_reasons")
            self._connection.unregister("more_reasons")

    def told(self) -> set[tuple[int, str]]:
        """The rows and rules so far, but for lines that are no rows."""
        return set(
            self._connection.execute(f"SELECT row_number, rule FROM {self.table} WHERE rule != '{NO_ROW}'").fetchall()
        )

    def rows(self) -> int:
        """Number of rejected rows."""
        return self._number(f"SELECT count(DISTINCT row_number) FROM {self.table}")

    def _number(self, query: str) -> int:
        ((number,),) = self._connection.execute(query).fetchall()
        return int(number)

    def summary(self) -> list[str]:
        """Each rule with the rows that break it: ``dep_time: expected in_range(0, 2400) in rows 17, 90, 214 …``.

        The most frequent come first, `MOST_RULES` of them.
        """
        found: Sequence[tuple[str, int, list[int]]] = self._connection.execute(
            f"SELECT rule, count(*) AS times, list(row_number ORDER BY row_number)[1:{SHOWN_ROWS}] FROM {self.table} "
            f"GROUP BY rule ORDER BY times DESC, rule LIMIT {MOST_RULES}"
        ).fetchall()
        return [
            f"{rule} in row{'s' if times > 1 else ''} {', '.join(map(str, rows))}{' …' if times > SHOWN_ROWS else ''}"
            for rule, times, rows in found
        ]

    def rules(self) -> int:
        """Number of different broken rules."""
        return self._number(f"SELECT count(DISTINCT rule) FROM {self.table}")
