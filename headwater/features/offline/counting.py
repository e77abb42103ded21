"""A view's offline rows, counted in DuckDB: the statistics of each feature."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from headwater.declare import Feature, FeatureView
from headwater.features.offline.columns import EVENT
from headwater.features.offline.statistics import BARS, SHARES, TOP, FeatureStatistics, Statistics, statistics_key
from headwater.lake.database import quoted
from headwater.lake.store import Objects
from headwater.lake.types import DataVersion


def keep_statistics(
    objects: Objects, connection: duckdb.DuckDBPyConnection, view: FeatureView, version: DataVersion, table: str
) -> None:
    """Count the offline rows in ``table`` and keep what was found, unless it is kept already.

    Parameters
    ----------
    objects : Objects
        The lake's.
    connection : DuckDBPyConnection
    view : FeatureView
    version : DataVersion
        The data that the view's rows are made of; may have more parts.
    table : str
        With the view's offline rows.
    """
    data_version = version.of(view).id
    key = statistics_key(view.name, view.version, data_version)
    if objects.newest(key) is not None:
        return
    with TemporaryDirectory(prefix="headwater-statistics-") as scratch:
        path = Path(scratch) / "statistics.json"
        path.write_text(describe(connection, view, table, data_version).model_dump_json(), encoding="utf-8")
        objects.put(key, path)


def describe(connection: duckdb.DuckDBPyConnection, view: FeatureView, table: str, data_version: str) -> Statistics:
    """Count the offline rows in ``table``.

    Exact but for `distinct`. One feature is sorted at a time, so the memory is that of one column.
    """
    rows, first, last = _one(connection, f"SELECT count(*), min({EVENT}), max({EVENT}) FROM {quoted(table)}")
    keys = ", ".join(map(quoted, view.entity))
    (entities,) = _one(connection, f"SELECT count(*) FROM (SELECT DISTINCT {keys} FROM {quoted(table)})")
    return Statistics(
        view=view.name,
        version=view.version,
        data_version=data_version,
        rows=rows,
        entities=entities,
        first_event=first and first.replace(tzinfo=UTC),
        last_event=last and last.replace(tzinfo=UTC),
        features={feature.name: _feature(connection, table, feature, rows) for feature in view.features},
    )


def _feature(connection: duckdb.DuckDBPyConnection, table: str, feature: Feature, rows: int) -> FeatureStatistics:
    column = quoted(feature.name)
    if feature.is_text:
        return _text(connection, table, column, rows)
    known, mean, deviation, distinct, quantiles = _one(
        connection,
        f"SELECT count({column}), favg({column}), stddev_samp({column}), approx_count_distinct({column}), "
        f"quantile_cont({column}, [{', '.join(map(str, SHARES))}]) FROM {quoted(table)}",
    )
    return FeatureStatistics(
        missing=1 - known / rows if rows else 0.0,
        mean=mean,
        deviation=deviation,
        distinct=distinct,
        quantiles=tuple(quantiles or ()),
        histogram=_histogram(connection, table, column, quantiles[0], quantiles[-1]) if known else (),
    )


def _text(connection: duckdb.DuckDBPyConnection, table: str, column: str, rows: int) -> FeatureStatistics:
    known, distinct = _one(
        connection, f"SELECT count({column}), approx_count_distinct({column}) FROM {quoted(table)}"
    )  # fmt: skip
    top = connection.execute(
        f"SELECT {column}, count(*) AS times FROM {quoted(table)} WHERE {column} IS NOT NULL GROUP BY {column} "
        f"ORDER BY times DESC, {column} LIMIT {TOP}"
    ).fetchall()
    return FeatureStatistics(
        missing=1 - known / rows if rows else 0.0,
        mean=None,
        deviation=None,
        distinct=distinct,
        quantiles=(),
        histogram=(),
        top=dict(top),
    )


def _histogram(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, low: float, high: float
) -> tuple[int, ...]:
    if low == high:
        return (int(_one(connection, f"SELECT count({column}) FROM {quoted(table)}")[0]),)
    bars = [0] * BARS
    counted = connection.execute(
        f"SELECT CAST(least(floor(({column} - ?) / (? - ?) * {BARS}), {BARS - 1}) AS INTEGER) AS bar, count(*) "
        f"FROM {quoted(table)} WHERE {column} IS NOT NULL GROUP BY bar",
        [low, high, low],
    )
    for bar, count in counted.fetchall():
        bars[bar] = count
    return tuple(bars)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    return connection.execute(query).fetchone() or ()
