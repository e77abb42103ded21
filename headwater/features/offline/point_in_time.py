"""The point-in-time join: for each example, the entity's values as known when the example was asked.

A row is known at a moment if it became available *before* the moment and its event time isn't later. So an example that
is asked at its own event time doesn't see its own row, unless the row's available time is earlier. The newest known row
counts: by event time, then by available time, then (rows alike in both) by the values, compared feature by feature in
declared order, a missing value being the smallest. If the row's event time is more than the TTL before the moment,
nothing is known. `headwater.features.online.reading` answers by the same rule.

A view's offline rows are kept without those that can't be an answer (`headwater.features.offline.rows.compute_on`), so
that an entity's rows, in order, became known one after the other. Finding the answer to an example is then a binary
search among its entity's rows; the features of the rows found, and of no others, are read last.
"""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

from headwater.declare import FeatureView
from headwater.features.errors import InvalidView
from headwater.features.offline.columns import ASKED, EVENT, KNOWN, entity_sql, key_problem, moment_sql
from headwater.features.online.reading import microseconds
from headwater.lake.database import columns_of, quoted

ROW = "__row"
"""The number of an offline row, from 0."""
Integers = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class Found(NamedTuple):
    """Examples with a known row: their number, when they were asked (microseconds), and their newest known row."""

    position: Integers
    moment: Integers
    row: Integers


def historical(
    connection: duckdb.DuckDBPyConnection,
    examples: str,
    views: Mapping[str, FeatureView],
    offline: Mapping[str, str],
    features: Sequence[str],
    *,
    asked: str = ASKED,
    as_known_at: datetime | None = None,
) -> duckdb.DuckDBPyRelation:
    """The examples with the features' values as they were known at each one's ``asked_at``.

    Parameters
    ----------
    connection : DuckDBPyConnection
    examples : str
        Table with a column for each join key and ``asked_at`` (timestamp; UTC unless it has a zone). An example that is
        asked at no time, or at an infinite one, knows nothing.
    views : mapping
        Feature views by name.
    offline : mapping
        View name to the table of its offline rows as `headwater.features.offline.rows.compute` leaves them, in its
        order; or to a view of its file with the rows' numbers as `ROW`.
    features : sequence of str
        ``view.feature`` each.
    asked : str
        Name of the column ``asked_at``.
    as_known_at : datetime, optional
        Rows that a question at this time wouldn't know count for no example. With a time zone.

    Returns
    -------
    DuckDBPyRelation
        The examples in order, with a column ``view__feature`` each. Read it before the connection's next call.

    Raises
    ------
    InvalidView
        ``examples`` lacks a join key or ``asked_at``, or offline rows are in another order.
    """
    present = columns_of(connection, examples)
    wanted = _by_view(features)
    _refuse(views, wanted, present, asked)
    asked_at = f"epoch_us({moment_sql(quoted(asked), present[asked])})"
    table, count = _table(connection, examples)
    answers, tables = dict[str, Values](), [f"{table} AS asked"]
    for name, chosen in wanted.items():
        rows = _numbered(connection, offline[name])
        found = _found(connection, views[name], rows, table, present, asked_at, as_known_at)
        texts = [feature.name for feature in views[name].features if feature.is_text and feature.name in chosen]
        if values := {feature: np.full(count, np.nan) for feature in chosen if feature not in texts}:
            _fill(values, connection, rows, views[name].ttl, found)
            answers |= {f"{name}__{feature}": column for feature, column in values.items()}
        if texts:
            tables.append(_texts(connection, views[name], rows, texts, found, count))
    if answers:
        connection.register("__answers", answers)
        tables.append("__answers")
    columns = ", ".join(["asked.*", *(_column(reference.replace(".", "__"), answers) for reference in features)])
    return connection.sql(f"SELECT {columns} FROM {' POSITIONAL JOIN '.join(tables)}")


def _by_view(features: Sequence[str]) -> dict[str, list[str]]:
    """The features' names by their view."""
    wanted: dict[str, list[str]] = {}
    for reference in features:
        view, _, feature = reference.partition(".")
        wanted.setdefault(view, []).append(feature)
    return wanted


def _column(name: str, numbers: Collection[str]) -> str:
    """A column of the answer in SQL. A number is never NaN, so that NaN can stand for none."""
    column = quoted(name)
    return f"CASE WHEN NOT isnan({column}) THEN {column} END AS {column}" if name in numbers else column


def _refuse(views: Mapping[str, FeatureView], wanted: Iterable[str], present: Mapping[str, str], asked: str) -> None:
    lacking = sorted({key for name in wanted for key in (*views[name].entity, asked) if key not in present})
    if lacking:
        raise InvalidView(f"examples lack {', '.join(lacking)}; they have {', '.join(present)}")
    refuse_keys(views, wanted, present)


def refuse_keys(views: Mapping[str, FeatureView], wanted: Iterable[str], present: Mapping[str, str]) -> None:
    """Raise `InvalidView` for a column of the examples that is of no type that a join key can have."""
    for name in wanted:
        for key in views[name].entity:
            if expected := key_problem(present[key]):
                raise InvalidView(
                    f"the examples' {key!r}, by which feature view {name!r} is looked up, is {present[key]}, "
                    f"expected {expected}"
                )


def _table(connection: duckdb.DuckDBPyConnection, examples: str) -> tuple[str, int]:
    """A table of the examples, whose row numbers are the examples' positions, and their number."""
    counted = "SELECT count(*), max(rowid) FROM {}"
    with suppress(duckdb.BinderException):  # a view's rows have no numbers
        ((count, last),) = connection.execute(counted.format(quoted(examples))).fetchall()
        if last is None or last + 1 == count:  # else rows of it were deleted
            return quoted(examples), count
    # The table is read twice, so its order must be fixed.
    connection.execute(f"CREATE OR REPLACE TEMP TABLE __asked AS SELECT * FROM {quoted(examples)}")
    ((count, _),) = connection.execute(counted.format("__asked")).fetchall()
    return "__asked", count


def _numbered(connection: duckdb.DuckDBPyConnection, offline: str) -> str:
    """A view's rows with their numbers. A file has the numbers as a column; a table's rows are numbered as inserted."""
    if ROW in columns_of(connection, offline):
        return quoted(offline)
    return f"(SELECT *, rowid AS {ROW} FROM {quoted(offline)})"


def _found(
    connection: duckdb.DuckDBPyConnection,
    view: FeatureView,
    offline: str,
    table: str,
    present: Mapping[str, str],
    asked_at: str,
    as_known_at: datetime | None,
) -> Found:
    """The newest known rows of the examples' entities, however old."""
    keys = [quoted(key) for key in view.entity]
    names = ", ".join(keys)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE __entities AS SELECT {names}, min({ROW}) AS first, max({ROW}) + 1 AS after, "
        f"count(*) AS rows FROM {offline} GROUP BY {names}"
    )
    same = " AND ".join(
        f"{entity_sql(f'asked.{key}', present[name])} = entity.{key}"
        for key, name in zip(keys, view.entity, strict=True)
    )
    asked = _arrays(
        connection,
        f"SELECT asked.rowid AS position, {asked_at} AS moment, entity.first, entity.after "
        f"FROM {table} AS asked JOIN __entities AS entity ON {same} WHERE {asked_at} IS NOT NULL",
    )
    known = _arrays(connection, f"SELECT {KNOWN} AS known FROM {offline}")["known"]
    entities = _arrays(connection, "SELECT first, after - first = rows AS whole FROM __entities")
    # A row that isn't later than the one before it must be the first of another entity.
    fallen = np.flatnonzero(known[1:] <= known[:-1]) + 1
    if not entities["whole"].all() or not np.isin(fallen, entities["first"], assume_unique=True).all():
        raise InvalidView(f"feature view {view.name!r}: its offline rows aren't in the order of compute")
    moment = asked["moment"]
    until = moment if as_known_at is None else np.minimum(moment, microseconds(as_known_at))
    row = newest_before(known, asked["first"], asked["after"], until)
    something = row >= 0
    return Found(asked["position"][something], moment[something], row[something])


def _arrays(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Integers]:
    """A query's columns, none of which is NULL."""
    return {name: np.ascontiguousarray(column) for name, column in connection.execute(query).fetchnumpy().items()}


def _fill(
    values: Mapping[str, Values], connection: duckdb.DuckDBPyConnection, offline: str, ttl: timedelta, found: Found
) -> None:
    """Write the numbers of rows within the TTL to the examples' positions; NaN where a value is missing."""
    connection.register("__found", found._asdict())
    names = ", ".join(f"known.{quoted(feature)}" for feature in values)
    read = connection.execute(
        f"SELECT found.position, {names} FROM __found AS found JOIN {offline} AS known ON found.row = known.{ROW} "
        f"WHERE {_young(ttl)}"
    ).fetchnumpy()
    connection.unregister("__found")
    position = np.asarray(read["position"])
    for feature, column in values.items():
        column[position] = np.ma.filled(np.ma.asarray(read[feature], dtype=np.float64), np.nan)


def _texts(
    connection: duckdb.DuckDBPyConnection,
    view: FeatureView,
    offline: str,
    texts: Sequence[str],
    found: Found,
    count: int,
) -> str:
    """Make a table with a row for each of ``count`` examples, in order: the texts of rows within the TTL.

    Texts never leave DuckDB: a Python object for each would take most of the memory and the time.
    """
    table = quoted(f"__texts_{view.name}")
    connection.register("__found", found._asdict())
    columns = ", ".join(f"known.{quoted(text)} AS {quoted(f'{view.name}__{text}')}" for text in texts)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT answered.* EXCLUDE (position) "
        f"FROM range({count}) AS asked(position) LEFT JOIN (SELECT found.position, {columns} FROM __found AS found "
        f"JOIN {offline} AS known ON found.row = known.{ROW} WHERE {_young(view.ttl)}) AS answered "
        "ON asked.position = answered.position ORDER BY asked.position"
    )
    connection.unregister("__found")
    return table


def _young(ttl: timedelta) -> str:
    """An SQL condition: the found row is within the TTL of its example."""
    return f"found.moment - epoch_us(known.{EVENT}) <= {ttl // timedelta(microseconds=1)}"


def newest_before(known: Integers, first: Integers, after: Integers, until: Integers) -> Integers:
    """For each question the last row of its stretch that isn't later than its moment. Stretches are in ascending order.

    Parameters
    ----------
    known : array of int64, shape (rows,)
        When each row became known.
    first, after : array of int64, shape (questions,)
        The stretch ``first <= row < after`` that a question is about.
    until : array of int64, shape (questions,)
        The questions' moments, in the unit of ``known``.

    Returns
    -------
    array of int64, shape (questions,)
        Numbers of rows; -1 where all rows of a stretch are later.
    """
    row = first - 1
    # All questions at once, half a step at a time: Python would take a step for each.
    longest = int((after - first).max(initial=0))
    for step in (1 << power for power in reversed(range(longest.bit_length()))):
        further = row + step
        # A position beyond the last row is clipped to the last row, and its comparison has no effect.
        row += step * ((further < after) & (known[np.minimum(further, len(known) - 1)] <= until))
    return np.where(row >= first, row, -1)
