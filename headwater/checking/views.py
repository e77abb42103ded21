"""Faults of a feature view: its SQL, its windows or its transform, bound and then run on rows."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Iterator

import duckdb

from headwater.checking.queries import problems_of_query
from headwater.checking.rows import Bench
from headwater.checking.words import lacking, said
from headwater.declare import FeatureView, resolve
from headwater.errors import HeadwaterError
from headwater.features.offline.columns import AVAILABLE, EVENT
from headwater.features.offline.rows import compute, table_of
from headwater.lake.database import columns_of, quoted

_BOUND = "__bound"
_FREE = {"minimum": None, "maximum": None, "max_missing": None, "values": None, "max_length": None}


def view_problems(bench: Bench, view: FeatureView) -> Iterator[str]:
    """Check a view whose sources' tables are in the database."""
    if view.transform:
        try:
            if not callable(resolve(view.transform)):
                yield f"transform {view.transform!r} is no function"
                return
        except HeadwaterError as error:
            yield f"transform: {said(error)}"
            return
    if not bench.has(view.sources):
        return  # The source's own problem stands in the list already.
    yield from _query_problems(bench, view)
    bench.clear(view.sources)
    if view.sql and (problem := _binding_problem(bench.connection, view)):
        yield problem
        return
    # A function may rightly expect rows.
    if not view.transform and (problem := _failure(bench, view)):
        yield problem
        return
    bench.put(view.sources)
    if bench.sampled.issuperset(view.sources) and (problem := _failure(bench, view)):
        yield f"on the rows of sample.csv, {problem}"


def loosened(view: FeatureView) -> FeatureView:
    """The view without what it declares of its values: rows that were made needn't keep it."""
    features = tuple(
        feature.model_copy(update={**_FREE, "kind": "category" if feature.is_text else "number"})
        for feature in view.features
    )
    return view.model_copy(update={"features": features})


def _query_problems(bench: Bench, view: FeatureView) -> Iterator[str]:
    columns = {column for source in view.sources for column in bench.columns[source]}
    if view.sql:
        yield from problems_of_query(bench.connection, view.sql, view.sources, columns)
    if view.aggregate is None:
        return
    windows = [(feature.name, feature.aggregate.of) for feature in view.features if feature.aggregate]
    for name, expression in [("where", view.aggregate.where), *windows]:
        if expression:
            query = f"SELECT ({expression}\n) FROM {quoted(view.sources[0])}"
            for problem in problems_of_query(bench.connection, query, view.sources, columns):
                yield f"{name}: {problem.replace('sql', repr(expression), 1)}"


def _binding_problem(connection: duckdb.DuckDBPyConnection, view: FeatureView) -> str:
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {_BOUND} AS {view.sql}")
    except duckdb.Error as error:
        return f"sql: {said(error)}"
    columns = columns_of(connection, _BOUND)
    connection.execute(f"DROP TABLE temp.{_BOUND}")
    return lacking([*view.entity, EVENT, AVAILABLE, *(feature.name for feature in view.features)], columns)


def _failure(bench: Bench, view: FeatureView) -> str:
    try:
        compute(bench.connection, loosened(view), table_of(view))
    except HeadwaterError as error:
        return said(error).removeprefix(f"feature view {view.name!r}: ")
    except (duckdb.Error, ValueError) as error:
        return said(error)
    return ""
