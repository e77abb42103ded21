"""The rows that a user asks features for, of any frame type, checked and made a table."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import pandas

from headwater.declare import Catalog, FeatureView
from headwater.features.errors import InvalidEntityRows, UnknownFeature
from headwater.features.offline.columns import ASKED, key_problem, moment_sql
from headwater.lake.database import columns_of, quoted

if TYPE_CHECKING:
    import pyarrow

    EntityRows: TypeAlias = pandas.DataFrame | pyarrow.Table | duckdb.DuckDBPyRelation

ENTITY_ROWS = "__entity_rows"
TIMES = (ASKED, "event_timestamp")
"""Names that the column of a question's moment may have."""


def views_of(catalog: Catalog, features: Sequence[str]) -> dict[str, FeatureView]:
    """The views of ``features``, by name.

    Raises
    ------
    UnknownFeature
        A feature isn't declared; the message names features with a similar spelling.
    InvalidEntityRows
        One is given twice, or none.
    """
    known = [f"{view.name}.{feature.name}" for view in catalog.views.values() for feature in view.features]
    for reference in features:
        if reference not in known:
            near = get_close_matches(reference, known, n=3) or sorted(known)[:10]
            raise UnknownFeature(
                f"unknown feature {reference!r}; {'did you mean' if near else 'none is declared'} {', '.join(near)}",
                next_steps=["headwater features list"],
            )
    if not features or len(set(features)) != len(features):
        raise InvalidEntityRows(f"give each feature once, and at least one: {', '.join(features) or 'none given'}")
    return {name: catalog.view(name) for name in dict.fromkeys(reference.partition(".")[0] for reference in features)}


def take(
    connection: duckdb.DuckDBPyConnection,
    rows: EntityRows,
    views: Mapping[str, FeatureView],
    features: Sequence[str],
) -> str:
    """Make the table `ENTITY_ROWS` of ``rows``, in order, with repeats. Returns the name of its time column.

    Raises
    ------
    InvalidEntityRows
        The rows aren't a table; a join key or the time is missing or of the wrong type; a time is empty; times with
        and without a zone are mixed; or a column has the name of a feature's column.
    """
    given: Any = rows
    if isinstance(given, duckdb.DuckDBPyRelation):
        given = given.to_arrow_table()
    elif isinstance(given, pandas.DataFrame):
        given = _with_times(given)
    try:
        connection.register("__given", given)
    except (duckdb.Error, TypeError) as error:
        raise InvalidEntityRows(
            f"entity rows are {type(rows).__name__}, expected a pandas frame, an Arrow table or a DuckDB relation"
        ) from error
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {ENTITY_ROWS} AS SELECT * FROM __given")
    connection.unregister("__given")
    present = columns_of(connection, ENTITY_ROWS)
    asked = next((name for name in TIMES if name in present), None)
    if asked is None:
        raise InvalidEntityRows(
            f"entity rows say no time: expected a column {' or '.join(TIMES)}; they have {', '.join(present)}"
        )
    if not present[asked].startswith(("TIMESTAMP", "DATE")):
        raise InvalidEntityRows(
            f"{asked} is {present[asked]}, expected timestamps; pandas.to_datetime(..., utc=True) makes them of text"
        )
    _check_keys(views, present)
    if taken := [name for name in (feature.replace(".", "__") for feature in features) if name in present]:
        raise InvalidEntityRows(f"entity rows have columns {', '.join(taken)} already; drop or rename them")
    empty = connection.execute(
        f"SELECT count(*), min(rowid) + 1 FROM {ENTITY_ROWS} WHERE {moment_sql(quoted(asked), present[asked])} IS NULL"
    ).fetchall()[0]
    if empty[0]:
        raise InvalidEntityRows(
            f"{asked} is missing, infinite or outside the years 1 to 9999 in {empty[0]:,} entity rows, "
            f"first in row {empty[1]:,}"
        )
    return asked


def _check_keys(views: Mapping[str, FeatureView], present: Mapping[str, str]) -> None:
    for view in views.values():
        if missing := [key for key in view.entity if key not in present]:
            raise InvalidEntityRows(
                f"entity rows lack {', '.join(missing)}, by which feature view {view.name!r} is looked up; they have "
                f"{', '.join(present)}"
            )
        for key in view.entity:
            # A column that is empty throughout has no type.
            if expected := key_problem(present[key]):
                raise InvalidEntityRows(
                    f"join key {key!r} of feature view {view.name!r} is {present[key]}, expected {expected}"
                )


def _with_times(frame: pandas.DataFrame) -> pandas.DataFrame:
    """The frame with a column of time objects as times in UTC; each may have a zone of its own, or none has any."""
    name = next((name for name in TIMES if name in frame.columns), None)
    if name is None or frame[name].dtype != object:
        return frame
    moments = [(number, moment) for number, moment in enumerate(frame[name], start=1) if not pandas.isna(moment)]
    for number, moment in moments:
        if not isinstance(moment, date):
            raise InvalidEntityRows(
                f"{name} holds {moment!r} in row {number:,}, expected a time; pandas.to_datetime(..., utc=True) makes "
                "times of text"
            )
    zoned = [number for number, moment in moments if isinstance(moment, datetime) and moment.tzinfo is not None]
    if zoned and len(zoned) != len(moments):
        plain = next(number for number, _ in moments if number not in set(zoned))
        raise InvalidEntityRows(
            f"{name} mixes times with a zone (row {zoned[0]:,}) and without (row {plain:,}); give all of them one. "
            "Times without count as UTC"
        )
    return frame.assign(**{name: pandas.to_datetime(frame[name], utc=True)})
