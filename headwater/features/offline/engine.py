"""Engines that run a feature view's SQL: DuckDB here, Spark in `headwater.features.spark.engine`. Both take DuckDB's
dialect."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

import duckdb

from headwater.declare import Feature, FeatureView, resolve
from headwater.features.errors import InvalidView
from headwater.lake.database import quoted

NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|BOOLEAN|DECIMAL\(\d+,\d+\))$")
"""DuckDB's types that count as numbers."""
TEXTS = re.compile(r'VARCHAR$|ENUM\(|"NULL"$|VOID$')
"""DuckDB's types that count as text; pandas' own category comes as an ENUM, and Parquet that holds no value as NULL."""

LARGEST_WHOLE = 2**53
"""Up to this a DOUBLE holds every whole number."""
LARGEST = 20 * 2**30
"""Bytes of curated Parquet that DuckDB computes unless a view says otherwise: it spills, but to one machine's disk."""


def engine_for(view: FeatureView, size: int) -> Literal["duckdb", "spark"]:
    """The engine of a view: the declared one, else chosen by the size of the sources' curated files (bytes)."""
    if view.engine is not None:
        return view.engine
    return "spark" if size > LARGEST and not view.transform else "duckdb"


def type_problem(feature: Feature, kind: str) -> str:
    """The expected type, in words, if a column of DuckDB's type ``kind`` can't be the feature's; empty if it can."""
    if feature.is_text:
        return "" if TEXTS.match(kind) else "text, for it is declared a category (CAST(... AS VARCHAR) makes text)"
    return "" if NUMBERS.match(kind) else "a number (text is declared with kind='category')"


class Engine(Protocol):
    """Tables by name, queries in DuckDB's dialect, times in UTC."""

    name: str
    failures: tuple[type[Exception], ...]
    """Exceptions that the engine raises for a wrong query."""
    whole_keys: bool
    """Whether numeric join keys must be whole, since the engine writes fractions differently."""

    def columns(self, query: str) -> dict[str, str]:
        """A query's columns in order, each with its type in DuckDB's words."""
        ...

    def make(self, table: str, query: str) -> None:
        """Make or replace a table of a query's rows."""
        ...

    def drop(self, table: str) -> None:
        """Forget a table."""
        ...

    def row(self, query: str) -> tuple[Any, ...]:
        """The first row of a query."""
        ...

    def transform(self, view: FeatureView, table: str) -> None:
        """Make a table of the rows that the view's transform makes of its sources."""
        ...


def refuse_fractions(engine: Engine, where: str, keys: Iterable[str], query: str, kinds: Mapping[str, str]) -> None:
    """Raise `InvalidView` for numbers in a query's ``keys`` that the engine would write as another text than DuckDB."""
    if not engine.whole_keys:
        return
    for key in keys:
        name, kind = quoted(key), kinds[key]
        floats = kind in {"FLOAT", "DOUBLE"}
        if not floats and not re.match(r"DECIMAL\(\d+,[1-9]", kind):
            continue
        other = f"{name} <> floor({name})" + (f" OR abs({name}) > {LARGEST_WHOLE}" if floats else "")
        count, example = engine.row(f"SELECT count(*), min({name}) FROM ({query}) AS keyed WHERE {other}")
        if count:
            raise InvalidView(
                f"{where}: {count:,} rows have a join key {key!r} that {engine.name} writes differently, such as "
                f"{example}: make it text, or a whole number within ±{LARGEST_WHOLE:,}"
            )


class DuckDB:
    """An `Engine` on a connection.

    Parameters
    ----------
    connection : DuckDBPyConnection
        With the sources' tables.
    """

    name = "DuckDB"
    failures: tuple[type[Exception], ...] = (duckdb.Error,)
    whole_keys = False

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def columns(self, query: str) -> dict[str, str]:
        """See `Engine`."""
        # DESCRIBE gives a column's own name where it is named anew with other capitals.
        names = self._connection.sql(query).columns
        kinds = self._connection.execute(f"DESCRIBE {query}").fetchall()
        return {name: kind[1] for name, kind in zip(names, kinds, strict=True)}

    def make(self, table: str, query: str) -> None:
        """See `Engine`; the rows keep the query's order."""
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS {query}")

    def drop(self, table: str) -> None:
        """See `Engine`."""
        self._connection.execute(f"DROP TABLE IF EXISTS {quoted(table)}")

    def row(self, query: str) -> tuple[Any, ...]:
        """See `Engine`."""
        row: tuple[Any, ...] = self._connection.execute(query).fetchall()[0]
        return row

    def transform(self, view: FeatureView, table: str) -> None:
        """See `Engine`. Any exception of the transform becomes `InvalidView`."""
        where = f"feature view {view.name!r}: transform {view.transform}"
        function = resolve(view.transform or "")
        tables: Mapping[str, duckdb.DuckDBPyRelation] = {
            source: self._connection.sql(f"SELECT * FROM {quoted(source)}") for source in view.sources
        }
        handed = f"__handed_{table}"
        try:
            rows = function(tables)
        except Exception as error:
            said = " ".join(str(error).split())[:500]
            raise InvalidView(f"{where} fails: {type(error).__name__}: {said}") from error
        try:
            if isinstance(rows, duckdb.DuckDBPyRelation):
                rows.create_view(handed, replace=True)
            else:
                self._connection.register(handed, rows)
            self.make(table, f"SELECT * FROM {quoted(handed)}")
            self._connection.execute(f"DROP VIEW {quoted(handed)}")
        except (duckdb.Error, TypeError) as error:
            raise InvalidView(
                f"{where} returned {type(rows).__name__}, expected a relation of those given, a pandas frame or an "
                f"Arrow table: {' '.join(str(error).split())[:500]}"
            ) from error
