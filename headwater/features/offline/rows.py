"""A feature view's rows for a data version: computed by what it declares, checked, kept as Parquet.

Committed streamed rows are added to the computed ones (`add_streamed`). A view without streamed rows is computed as if
there were no streaming, and new streamed rows don't make a view with unchanged sources be computed again.
"""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

import duckdb

from headwater.declare import FeatureView
from headwater.features.errors import InvalidView
from headwater.features.offline.aggregations import make_rows
from headwater.features.offline.checks import check_values
from headwater.features.offline.columns import (
    AVAILABLE,
    EVENT,
    KNOWN,
    entity_sql,
    key_problem,
    moment_sql,
    newest_last,
    value_sql,
)
from headwater.features.offline.engine import DuckDB, Engine, refuse_fractions, type_problem
from headwater.features.stream.lines import ENTITY, FEATURES, mark, marks
from headwater.lake.database import literal, quoted
from headwater.lake.types import DataVersion, streamed_of

if TYPE_CHECKING:
    from headwater.lake.store import Objects

LAYOUT = 3
"""Format of the kept rows, part of their keys. 2: rows are sorted, and rows that can't be an answer are left out. 3:
rows known at a moment became available before it, and join keys have all of their digits."""

Ensure = Callable[[duckdb.DuckDBPyConnection, FeatureView, DataVersion], str]
"""Makes the table of a view's rows for a data version (`headwater.features.service.Features.ensure`)."""
ToRead = Callable[[Iterable[FeatureView], DataVersion], Collection[str]]
"""Returns the parts of a data version that `Ensure` needs (`headwater.features.service.Features.to_read`)."""


def offline_key(view: FeatureView, version: DataVersion) -> str:
    """Key of the rows of ``view`` for ``version``. Each definition and each data version has a key of its own."""
    return f"features/{view.name}/{version.of(view).id}-{view.version}-{LAYOUT}.parquet"


def needed(objects: Objects, view: FeatureView, version: DataVersion) -> tuple[str, ...]:
    """The parts of a data version that the view's rows are computed from; none if the rows are kept already."""
    if objects.newest(offline_key(view, version)) is not None:
        return ()
    streamed = tuple(name for name in version.of(view).commits if name == streamed_of(view.name))
    kept = streamed and objects.newest(offline_key(view, version.only(view.sources))) is not None
    return streamed if kept else (*view.sources, *streamed)


def table_of(view: FeatureView) -> str:
    """Name of the table of a view's offline rows."""
    return f"__view_{view.name}"


def compute(connection: duckdb.DuckDBPyConnection, view: FeatureView, table: str) -> int:
    """Compute the view over the sources' tables and put its rows, in order, into ``table``; say how many.

    See `compute_on`, which this calls with DuckDB.
    """
    return compute_on(DuckDB(connection), view, table)


def compute_on(engine: Engine, view: FeatureView, table: str) -> int:
    """Compute the view over the sources' tables and put its rows into ``table``; say how many.

    Join keys become text, times UTC in microseconds, features numbers of float32's precision (what a model sees of
    them), NULL where they are NaN or infinite, or text, NULL where it is empty. Rows without a key or an event time are
    left out, and so are rows that weren't the newest of their entity when they became known: no question can have such
    a row as its answer. An entity's remaining rows are ordered by event time and by known time alike, without ties.

    Raises
    ------
    InvalidView
        The SQL or the transform fails, a column is missing or of the wrong type, or a feature's check fails.
    """
    raw = f"__raw_{table}"
    if view.aggregate:
        make_rows(engine, view, raw)
    elif view.transform:
        engine.transform(view, raw)
    else:
        try:
            engine.make(raw, view.sql or "")
        except engine.failures as error:
            said = " ".join(str(error).split())[:500]
            raise InvalidView(f"feature view {view.name!r}: its SQL fails: {said}") from error
    kinds = engine.columns(f"SELECT * FROM {quoted(raw)}")
    _check(view, kinds)
    refuse_fractions(engine, f"feature view {view.name!r}", view.entity, f"SELECT * FROM {quoted(raw)}", kinds)
    engine.make(table, _answers(view, raw, kinds))
    engine.drop(raw)
    check_values(engine, view, table)
    return int(engine.row(f"SELECT count(*) FROM {quoted(table)}")[0])


def _answers(view: FeatureView, raw: str, kinds: dict[str, str]) -> str:
    """A query for the rows that can be an answer, in order."""
    return _newest_when_known(view, f"SELECT {_named(view, kinds)} FROM {quoted(raw)}", newest_last(view))


def _named(view: FeatureView, kinds: dict[str, str]) -> str:
    """A SELECT list: the view's columns as they are kept, of columns of those kinds."""
    columns = [f"{entity_sql(quoted(key), kinds[key])} AS {quoted(key)}" for key in view.entity]
    columns += [f"{moment_sql(quoted(time), kinds[time])} AS {time}" for time in (EVENT, AVAILABLE)]
    columns += [f"{value_sql(feature, kinds[feature.name])} AS {quoted(feature.name)}" for feature in view.features]
    return ", ".join(columns)


def _newest_when_known(view: FeatureView, rows: str, order: str) -> str:
    """A query for the rows of a query that can be an answer, sorted by ``order``, the newest last."""
    partition = ", ".join(map(quoted, view.entity))
    names = ", ".join((partition, EVENT, AVAILABLE, *(quoted(feature.name) for feature in view.features)))
    filled = " AND ".join(f"{name} IS NOT NULL" for name in (*map(quoted, view.entity), EVENT, AVAILABLE))
    # A row counts if no newer row of its entity was known as early.
    return (
        f"SELECT {names} FROM (SELECT *, min({KNOWN}) OVER (PARTITION BY {partition} ORDER BY {order} "
        f"ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS __newer_known FROM "
        f"({rows}) AS named WHERE {filled}) AS followed "
        f"WHERE __newer_known IS NULL OR __newer_known > {KNOWN} "
        f"ORDER BY {partition}, {EVENT}, {AVAILABLE}"
    )


def add_streamed(engine: Engine, view: FeatureView, computed: str, streamed: str, table: str) -> None:
    """Put computed and streamed rows together into ``table``, sorted.

    A computed row is newer than a streamed row with the same event and available time, as online. A streamed row may
    occur several times. Streamed rows of another definition count if that definition has the same join keys and every
    feature of this one: otherwise a feature would seem to be missing.

    Parameters
    ----------
    engine : Engine
    view : FeatureView
    computed : str
        Table of rows as `compute_on` leaves them. Rows that can't be an answer aren't needed: a newer row of the same
        entity is always there.
    streamed : str
        Table of the view's streamed rows (`headwater.features.stream.commits`).
    table : str

    Raises
    ------
    InvalidView
        A feature's check fails.
    """
    features = [feature.name for feature in view.features]
    names = ", ".join(map(quoted, (*view.entity, EVENT, AVAILABLE, *features)))
    kinds = engine.columns(f"SELECT * FROM {quoted(streamed)}")
    rows = f"SELECT {names}, 1 AS __computed FROM {quoted(computed)}"
    if {*view.entity, EVENT, AVAILABLE, *features, ENTITY, FEATURES} <= kinds.keys():
        alike = " AND ".join(
            [
                f"{ENTITY} = {literal(marks(view)[0])}",
                *(f"strpos({FEATURES}, {literal(f',{mark(feature)},')}) > 0" for feature in view.features),
            ]
        )
        rows += f" UNION ALL SELECT {_named(view, kinds)}, 0 AS __computed FROM {quoted(streamed)} WHERE {alike}"
    engine.make(table, _newest_when_known(view, rows, newest_last(view, "__computed")))
    check_values(engine, view, table)


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
        f"feature {feature.name!r} is {kinds[feature.name]}, expected {expected}"
        for feature in view.features
        if feature.name in kinds and (expected := type_problem(feature, kinds[feature.name]))
    ]
    problems += [
        f"join key {key!r} is {kinds[key]}, expected {expected}"
        for key in view.entity
        if (expected := key_problem(kinds.get(key, "VARCHAR")))
    ]
    if problems:
        way = "transform" if view.transform else "SQL"
        raise InvalidView(
            f"feature view {view.name!r}: its {way} yields {'; '.join(problems)}. It yields "
            f"{', '.join(f'{name} {kind}' for name, kind in kinds.items())}"
        )
