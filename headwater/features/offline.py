"""A feature view's rows for a data version: computed by its SQL, checked, kept as Parquet."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

import re

import duckdb

from headwater.features.errors import InvalidView
from headwater.features.history import AVAILABLE, EVENT, entity_sql, moment_sql, newest_last
from headwater.lake.database import columns_of, quoted
from headwater.lake.types import DataVersion
from headwater.model import FeatureView

NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|BOOLEAN|DECIMAL\(\d+,\d+\))$")


def offline_key(view: FeatureView, version: DataVersion) -> str:
    """Where the rows of ``view`` for ``version`` are kept: another definition or other data, another key."""
    return f"features/{view.name}/{version.only(view.sources).id}-{view.version}.parquet"


def table_of(view: FeatureView) -> str:
    """What the table of a view's offline rows is called."""
    return f"__view_{view.name}"


def compute(connection: duckdb.DuckDBPyConnection, view: FeatureView, table: str) -> int:
    """Run the view's SQL over the sources' tables and put its rows, in order, into ``table``; say how many.

    Join keys become text, times UTC in microseconds, features numbers of float32's precision (what a model sees of
    them), NULL where they are NaN or infinite. Rows without a key or an event time tell nothing and are left out.

    Raises
    ------
    InvalidView
        The SQL fails, or a column is missing or of the wrong type.
    """
    raw = f"__raw_{table}"
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(raw)} AS {view.sql}")
    except duckdb.Error as error:
        raise InvalidView(f"feature view {view.name!r}: its SQL fails: {' '.join(str(error).split())[:500]}") from error
    kinds = columns_of(connection, raw)
    _check(view, kinds)
    keys = [f"{entity_sql(quoted(key), kinds[key])} AS {quoted(key)}" for key in view.entity]
    times = [f"{moment_sql(quoted(time), kinds[time])} AS {time}" for time in (EVENT, AVAILABLE)]
    values = [f"{_value(quoted(feature.name))} AS {quoted(feature.name)}" for feature in view.features]
    filled = " AND ".join(f"{quoted(key)} IS NOT NULL" for key in view.entity)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS SELECT DISTINCT * FROM "
        f"(SELECT {', '.join([*keys, *times, *values])} FROM {quoted(raw)}) "
        f"WHERE {filled} AND {EVENT} IS NOT NULL AND {AVAILABLE} IS NOT NULL "
        f"ORDER BY {', '.join(map(quoted, view.entity))}, {newest_last(view)}"
    )
    connection.execute(f"DROP TABLE {quoted(raw)}")
    row = connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()
    return int(row[0]) if row else 0


def _check(view: FeatureView, kinds: dict[str, str]) -> None:
    problems = [
        f"no column {name!r}"
        for name in (*view.entity, EVENT, AVAILABLE, *(feature.name for feature in view.features))
        if name not in kinds
    ]
    problems += [
        f"{time} is {kinds[time]}, expected a timestamp"
        for time in (EVENT, AVAILABLE)
        if not kinds.get(time, "TIMESTAMP").startswith(("TIMESTAMP", "DATE"))
    ]
    problems += [
        f"feature {feature.name!r} is {kinds[feature.name]}, expected a number"
        for feature in view.features
        if not NUMBERS.match(kinds.get(feature.name, "DOUBLE"))
    ]
    problems += [
        f"join key {key!r} is {kinds[key]}, expected text or a number"
        for key in view.entity
        if kinds.get(key, "VARCHAR") != "VARCHAR" and not NUMBERS.match(kinds[key])
    ]
    if problems:
        raise InvalidView(
            f"feature view {view.name!r}: its SQL yields {'; '.join(problems)}. It yields "
            f"{', '.join(f'{name} {kind}' for name, kind in kinds.items())}"
        )


def _value(column: str) -> str:
    # Sums of floats may differ in their last bit from run to run; in float32 they don't.
    single = f"TRY_CAST({column} AS FLOAT)"
    return f"CASE WHEN isfinite({single}) THEN CAST({single} AS DOUBLE) END"
