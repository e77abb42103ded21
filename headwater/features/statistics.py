"""What a view's offline rows look like, feature by feature: counted once for each data version and kept in the lake."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from pydantic import AwareDatetime, BaseModel, ConfigDict

from headwater.features.history import EVENT
from headwater.lake.database import quoted
from headwater.lake.store import Objects
from headwater.lake.types import DataVersion
from headwater.model import FeatureView

SHARES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99, 1.0)
"""Of which values the quantiles are the upper bound."""
BARS = 16
"""How many parts of equal width the histogram has."""


class FeatureStatistics(BaseModel):
    """One feature's values over all offline rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    missing: float
    """Share of the rows that have no value; 0 if there are no rows."""
    mean: float | None
    deviation: float | None
    """Of the sample; None below two values."""
    distinct: int
    """How many different values, within some percent (HyperLogLog)."""
    quantiles: tuple[float, ...]
    """At `SHARES`, between two values in proportion; empty if every row lacks the feature."""
    histogram: tuple[int, ...]
    """Values in each of `BARS` parts of equal width from the smallest to the largest; one part if all are alike."""

    @property
    def minimum(self) -> float | None:
        """The smallest value."""
        return self.quantiles[0] if self.quantiles else None

    @property
    def maximum(self) -> float | None:
        """The largest value."""
        return self.quantiles[-1] if self.quantiles else None


class Statistics(BaseModel):
    """A view's offline rows for a data version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: str
    version: str
    """Of the view's definition."""
    data_version: str
    rows: int
    entities: int
    first_event: AwareDatetime | None
    last_event: AwareDatetime | None
    features: Mapping[str, FeatureStatistics]


def statistics_key(view: str, version: str, data_version: str) -> str:
    """Where the statistics of a definition's rows for a data version of its sources are kept."""
    return f"features/statistics/{view}/{data_version}-{version}.json"


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
        Of the view's sources, and maybe more.
    table : str
        With the view's offline rows.
    """
    data_version = version.only(view.sources).id
    key = statistics_key(view.name, view.version, data_version)
    if objects.newest(key) is not None:
        return
    with TemporaryDirectory(prefix="headwater-statistics-") as scratch:
        path = Path(scratch) / "statistics.json"
        path.write_text(describe(connection, view, table, data_version).model_dump_json(), encoding="utf-8")
        objects.put(key, path)


def read_statistics(objects: Objects, view: str, version: str, data_version: str) -> Statistics | None:
    """The statistics that were kept; None if there are none."""
    known = objects.newest(statistics_key(view, version, data_version))
    if known is None:
        return None
    with TemporaryDirectory(prefix="headwater-statistics-") as scratch:
        path = Path(scratch) / "statistics.json"
        objects.fetch(known, path)
        return Statistics.model_validate_json(path.read_bytes())


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
        features={feature.name: _feature(connection, table, feature.name, rows) for feature in view.features},
    )


def _feature(connection: duckdb.DuckDBPyConnection, table: str, name: str, rows: int) -> FeatureStatistics:
    column = quoted(name)
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
