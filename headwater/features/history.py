"""The point-in-time join: for each example, what was known of its entity when it was asked.

Of an entity's rows those are known at a moment whose event time *and* available time are not later. Of these the newest
counts: by event time, then by available time, then (rows alike in both) the one whose values are largest, compared
feature by feature in declared order, a missing value being the smallest. If its event time is more than the TTL before
the moment, nothing is known. `headwater.features.online` answers by the same rule.

A view's offline rows are kept without those that can't be an answer (`headwater.features.offline.compute_on`), so that
an entity's rows, in order, became known one after the other. Finding the answer to an example is then a binary search
among its entity's rows; the features of the rows found, and of no others, are read last.
"""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pandas

from headwater.features.columns import ASKED, EVENT, KNOWN, entity_sql, moment_sql
from headwater.features.errors import InvalidView
from headwater.features.online import microseconds
from headwater.lake.database import columns_of, quoted
from headwater.model import FeatureView

POSITION = "__position"
ROW = "__row"
"""The number of an offline row, from 0."""
Integers = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Texts = pandas.Categorical
"""One text for each example, a number that stands for it in each place."""


class Found(NamedTuple):
    """Examples that something is known of: which, when they were asked (microseconds), and their newest known row."""

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
        Table or view with a column for each join key and ``asked_at`` (timestamp; UTC unless it has a zone).
    views : mapping
        Feature views by name.
    offline : mapping
        View name to the table of its offline rows as `headwater.features.offline.compute` leaves them, in its order; or
        to a view of its file with the rows' numbers as `ROW`.
    features : sequence of str
        ``view.feature`` each.
    asked : str
        What ``asked_at`` is called.
    as_known_at : datetime, optional
        What became known later counts for no example, however late that one was asked. With a time zone.

    Returns
    -------
    DuckDBPyRelation
        Every row of ``examples``, in order, with a column ``view__feature`` for each feature. To be read before the
        next call on the connection.

    Raises
    ------
    InvalidView
        ``examples`` lacks a join key or ``asked_at``, or offline rows are in another order.
    """
    present = columns_of(connection, examples)
    wanted: dict[str, list[str]] = {}
    for reference in features:
        view, _, feature = reference.partition(".")
        wanted.setdefault(view, []).append(feature)
    lacking = sorted({key for name in wanted for key in (*views[name].entity, asked) if key not in present})
    if lacking:
        raise InvalidView(f"examples lack {', '.join(lacking)}; they have {', '.join(present)}")
    # A table of our own: what is read twice must be in one order.
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE __asked AS SELECT row_number() OVER () - 1 AS {POSITION}, * "
        f"FROM {quoted(examples)}"
    )
    asked_at = f"epoch_us({moment_sql(quoted(asked), present[asked])})"
    (count,) = connection.execute("SELECT count(*) FROM __asked").fetchall()[0]
    answers: dict[str, Values | Texts] = {}
    for name, chosen in wanted.items():
        rows = _numbered(connection, offline[name])
        found = _found(connection, views[name], rows, present, asked_at, as_known_at)
        values = _values(connection, rows, chosen, views[name].ttl, found, count)
        answers |= {f"{name}__{feature}": column for feature, column in values.items()}
    connection.register("__answers", pandas.DataFrame(answers, copy=False))
    columns = "".join(
        # A number is never NaN, so that NaN can stand for none.
        f", CAST({column} AS VARCHAR) AS {column}"
        if isinstance(answers[name], Texts)
        else f", CASE WHEN NOT isnan({column}) THEN {column} END AS {column}"
        for name, column in ((name, quoted(name)) for name in (reference.replace(".", "__") for reference in features))
    )
    return connection.sql(f"SELECT __asked.* EXCLUDE ({POSITION}){columns} FROM __asked POSITIONAL JOIN __answers")


def _numbered(connection: duckdb.DuckDBPyConnection, offline: str) -> str:
    """A view's rows with their numbers: those of a file have them, a table numbers its own as they were put in."""
    if ROW in columns_of(connection, offline):
        return quoted(offline)
    return f"(SELECT *, rowid AS {ROW} FROM {quoted(offline)})"


def _found(
    connection: duckdb.DuckDBPyConnection,
    view: FeatureView,
    offline: str,
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
        f"SELECT asked.{POSITION} AS position, {asked_at} AS moment, entity.first, entity.after "
        f"FROM __asked AS asked JOIN __entities AS entity ON {same} WHERE {asked_at} IS NOT NULL",
    )
    known = _arrays(connection, f"SELECT epoch_us({KNOWN}) AS known FROM {offline}")["known"]
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


def _values(
    connection: duckdb.DuckDBPyConnection, offline: str, chosen: Sequence[str], ttl: timedelta, found: Found, count: int
) -> dict[str, Values | Texts]:
    """The features' values of the rows that aren't too old, each in its example's place of ``count``."""
    connection.register("__found", found._asdict())
    names = ", ".join(f"known.{quoted(feature)}" for feature in chosen)
    young = f"found.moment - epoch_us(known.{EVENT}) <= {ttl // timedelta(microseconds=1)}"
    read = connection.execute(
        f"SELECT found.position, {young} AS young, {names} FROM __found AS found JOIN {offline} AS known "
        f"ON found.row = known.{ROW}"
    ).fetchnumpy()
    connection.unregister("__found")
    position, is_young = np.asarray(read["position"]), np.asarray(read["young"])
    values: dict[str, Values | Texts] = {}
    for feature in chosen:
        column: Any = read[feature]
        if column.dtype.kind == "O":
            # Numbers from here on: a Python object for each example would be most of the memory.
            found_texts = np.ma.getdata(column)
            found_texts[np.ma.getmaskarray(column)] = None
            codes, texts = pandas.factorize(found_texts)
            all_codes = np.full(count, -1, dtype=codes.dtype)
            all_codes[position] = np.where(is_young, codes, -1)
            # DuckDB knows no enumeration without a value.
            values[feature] = Texts.from_codes(all_codes, categories=pandas.Index(texts if len(texts) else [""]))
        else:
            known = np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan)
            values[feature] = numbers = np.full(count, np.nan)
            numbers[position] = np.where(is_young, known, np.nan)
    return values


def newest_before(known: Integers, first: Integers, after: Integers, until: Integers) -> Integers:
    """Of stretches of rows, each in ascending order, the last row that isn't later than a moment.

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
        Numbers of rows; -1 where all of a stretch is later.
    """
    row = first - 1
    # All questions at once, half a step at a time: Python would take a step for each.
    longest = int((after - first).max(initial=0))
    for step in (1 << power for power in reversed(range(longest.bit_length()))):
        further = row + step
        # What lies beyond the last row is read there and comes to nothing.
        row += step * ((further < after) & (known[np.minimum(further, len(known) - 1)] <= until))
    return np.where(row >= first, row, -1)
