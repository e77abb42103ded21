"""Windows over time without SQL: computes views that declare `aggregate`.

A row of the source is *known* to questions after its available time, and not before its event time
(`headwater.features.offline.columns.known_sql`). A value as of a moment counts the rows that are known by then and
whose event time lies in the window, which ends at the entity's newest known event (or, if the view says ``decay``, at
the moment itself). A row of the view is made for each moment at which that may change: when a row becomes known, and
with ``decay`` also a microsecond after a row is as old as its window. Such a row's available time is the last
microsecond before that moment, for it obeys the same rule.

An entity whose rows became known in the order in which they happened is computed in one pass over its sorted rows. Of
any other entity each moment is joined with the rows that count then; only rows within one window meet.
"""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from headwater.declare import Feature, FeatureView, Window
from headwater.features.errors import InvalidView
from headwater.features.offline.columns import (
    AVAILABLE,
    EVENT,
    double_sql,
    entity_sql,
    finite_sql,
    key_problem,
    known_sql,
    moment_sql,
    text_sql,
)
from headwater.features.offline.engine import Engine, refuse_fractions, type_problem
from headwater.lake.database import quoted

Value = Callable[[int], str]
"""The SQL for the ``of`` of the window with a given number."""


def make_rows(engine: Engine, view: FeatureView, table: str) -> None:
    """Make a table of the view's rows: its entity, ``event_time``, ``available_time`` and its features.

    Raises
    ------
    InvalidView
        A column or an expression that the aggregations name doesn't exist, or isn't of a type that can be aggregated.
    """
    rows, disordered = f"__rows_{table}", f"__disordered_{table}"
    engine.make(rows, _rows(engine, view))
    engine.make(disordered, _disordered(view, rows))
    keys = ", ".join(map(quoted, view.entity))
    query = _in_order(view, rows)
    if engine.row(f"SELECT count(*) FROM {quoted(disordered)}")[0]:
        # The smaller part pays for its joins, the rest doesn't.
        engine.make(f"{rows}_late", f"SELECT * FROM {quoted(rows)} SEMI JOIN {quoted(disordered)} USING ({keys})")
        engine.make(f"{rows}_even", f"SELECT * FROM {quoted(rows)} ANTI JOIN {quoted(disordered)} USING ({keys})")
        query = f"{_in_order(view, f'{rows}_even')} UNION ALL {_in_disorder(view, f'{rows}_late')}"
    engine.make(table, query)
    for made in (rows, disordered, f"{rows}_late", f"{rows}_even"):
        engine.drop(made)


def windows(view: FeatureView) -> tuple[Window, ...]:
    """The features' windows, in order."""
    return tuple(feature.aggregate for feature in view.features if feature.aggregate)


def _rows(engine: Engine, view: FeatureView) -> str:
    """A query for the rows that count: the entity as text, when they happened, were told and are known from
    (microseconds since 1970), and what each window is of."""
    declared = view.aggregate
    assert declared is not None  # noqa: S101 - only views with aggregations come here
    where, source = f"feature view {view.name!r}: its aggregations", view.sources[0]
    if declared.event_time is None or declared.available_time is None:
        raise ValueError(f"{where} have no times yet; take the view from the catalog")
    taken = [f"{quoted(key)} AS {quoted(key)}" for key in view.entity]
    taken += [f"{quoted(declared.event_time)} AS __happened", f"{quoted(declared.available_time)} AS __available"]
    taken += [f"({window.of}) AS __raw_{number}" for number, window in enumerate(windows(view)) if window.of]
    picked = f"SELECT {', '.join(taken)} FROM {quoted(source)}" + (f" WHERE {declared.where}" if declared.where else "")
    try:
        kinds = engine.columns(picked)
    except engine.failures as error:
        raise InvalidView(f"{where} can't be made of {source!r}: {' '.join(str(error).split())[:500]}") from error
    for name, column in ((declared.event_time, "__happened"), (declared.available_time, "__available")):
        if not kinds[column].startswith(("TIMESTAMP", "DATE")):
            raise InvalidView(f"{where}: {name} is {kinds[column]}, expected a timestamp")
    for key in view.entity:
        if expected := key_problem(kinds[key]):
            raise InvalidView(f"{where}: join key {key!r} is {kinds[key]}, expected {expected}")
    refuse_fractions(engine, where, view.entity, picked, kinds)
    event, available = (moment_sql(name, kinds[name]) for name in ("__happened", "__available"))
    columns = [f"{entity_sql(quoted(key), kinds[key])} AS {quoted(key)}" for key in view.entity]
    columns += [f"epoch_us({event}) AS __event", f"epoch_us({available}) AS __told"]
    columns += [
        f"{_of(where, feature, window, f'__raw_{number}', kinds[f'__raw_{number}'])} AS __of_{number}"
        for number, (feature, window) in enumerate(zip(view.features, windows(view), strict=True))
        if window.of
    ]
    filled = " AND ".join(f"{name} IS NOT NULL" for name in (*map(quoted, view.entity), "__event", "__told"))
    # The keys' new meanings have their old names, hence a query around. greatest() alone would pass over NULL.
    return (
        f"SELECT *, {known_sql('__event', '__told')} AS __known FROM (SELECT {', '.join(columns)} "
        f"FROM ({picked}) AS picked) AS named WHERE {filled}"
    )


def _of(where: str, feature: Feature, window: Window, column: str, kind: str) -> str:
    if window.function not in {"count", "distinct"}:
        if expected := type_problem(feature, kind):
            raise InvalidView(
                f"{where}: {feature.name!r} is {window.function} of {window.of!r}, which is {kind}, expected {expected}"
            )
        if feature.is_text:
            return text_sql(column)
        return finite_sql(double_sql(column, kind))
    return finite_sql(column) if kind in {"FLOAT", "DOUBLE"} else column


def _disordered(view: FeatureView, rows: str) -> str:
    """A query for the entities that `_in_order` can't compute: their rows became known out of order or twice."""
    keys = ", ".join(map(quoted, view.entity))
    if view.aggregate and view.aggregate.decay:
        return f"SELECT DISTINCT {keys} FROM {quoted(rows)} WHERE __event <> __told"
    before = f"OVER (PARTITION BY {keys} ORDER BY __event, __known)"
    return (
        f"SELECT DISTINCT {keys} FROM (SELECT {keys}, __event, __known, lag(__event) {before} AS __event_before, "
        f"lag(__known) {before} AS __known_before FROM {quoted(rows)}) AS followed "
        "WHERE __known < __known_before OR (__event = __event_before AND __known <> __known_before)"
    )


def _in_order(view: FeatureView, rows: str) -> str:
    """A query for the view's rows where each entity's rows became known as they happened."""
    keys, decay = ", ".join(map(quoted, view.entity)), view.aggregate is not None and view.aggregate.decay
    named = {over: f"__window_{number}" for number, over in enumerate(_lengths(view))}
    # With decay a row's values are those of questions from a microsecond later on: what is as old as the window by the
    # row's own time is too old by then.
    frames = ", ".join(
        f"{name} AS (PARTITION BY {keys} ORDER BY __event "
        f"RANGE BETWEEN {_micros(over) - decay} PRECEDING AND CURRENT ROW)"
        for over, name in named.items()
    )
    columns = _columns(view, _named, "__known", lambda window: f" OVER {named[window.over]}")
    table, available = f"FROM {quoted(rows)}", "__known - 1"
    if decay:
        # Moments at which a row leaves a window are rows that count for nothing. Nothing comes late here.
        empty = ", ".join(f"NULL AS {name}" for name in (*_of_columns(view), "__told", "__known"))
        given = ", ".join(("__event", *_of_columns(view), "__told", "__known"))
        gone = " UNION ".join(
            f"SELECT {keys}, __event + {_micros(over)} AS __event FROM {quoted(rows)}" for over in named
        )
        table = (
            f"FROM (SELECT {keys}, {given} FROM {quoted(rows)} UNION ALL "
            f"SELECT {keys}, __event, {empty} FROM ({gone}) AS gone) AS moments"
        )
        available = "__event"
    return (
        f"SELECT {keys}, make_timestamp(__event) AS {EVENT}, make_timestamp({available}) AS {AVAILABLE}, {columns} "
        f"{table} WINDOW {frames}"
    )


def _in_disorder(view: FeatureView, rows: str) -> str:
    """A query for the view's rows, whatever the order in which an entity's rows became known."""
    names = [quoted(key) for key in view.entity]
    longest = max(map(_micros, _lengths(view)))
    # A window lies in two stretches of time that are as long as the longest: rows of others needn't be looked at.
    stretches = " UNION ALL ".join(
        f"SELECT *, (__end // {longest}) - {back} AS __stretch FROM ({_moments(view, rows)}) AS moments"
        for back in (0, 1)
    )
    counted = f"SELECT *, __event // {longest} AS __stretch FROM {quoted(rows)}"
    same = " AND ".join(f"moment.{key} = counted.{key}" for key in names)
    columns = _columns(view, lambda number: _within(view, number), "", lambda _: "")
    return (
        f"SELECT {', '.join(f'moment.{key}' for key in names)}, make_timestamp(moment.__happened) AS {EVENT}, "
        f"make_timestamp(moment.__at - 1) AS {AVAILABLE}, {columns} "
        f"FROM ({stretches}) AS moment LEFT JOIN ({counted}) AS counted "
        f"ON {same} AND moment.__stretch = counted.__stretch AND counted.__known <= moment.__at "
        f"AND counted.__event BETWEEN moment.__end - {longest} AND moment.__end "
        f"GROUP BY {', '.join(f'moment.{key}' for key in names)}, moment.__at, moment.__end, moment.__happened"
    )


def _moments(view: FeatureView, rows: str) -> str:
    """A query for the questions' moments from which on an entity's values are others: ``__at``.

    ``__end`` is what windows end at then, ``__happened`` the event time of the view's row.
    """
    keys = ", ".join(map(quoted, view.entity))
    if view.aggregate is None or not view.aggregate.decay:
        moments = (
            f"SELECT DISTINCT {keys}, __known AS __at, max(__event) OVER (PARTITION BY {keys} ORDER BY __known "
            f"RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS __end FROM {quoted(rows)}"
        )
        return f"SELECT *, __end AS __happened FROM ({moments}) AS known"
    # A row that was told before its event is known at the event, every other row a microsecond after it was told.
    known = (
        f"SELECT {keys}, __known AS __at, CASE WHEN __known = __event THEN __event ELSE __known - 1 END AS __happened "
        f"FROM {quoted(rows)}"
    )
    gone = [
        f"SELECT {keys}, __event + {_micros(over) + 1} AS __at, __event + {_micros(over)} AS __happened "
        f"FROM {quoted(rows)} WHERE __event + {_micros(over) + 1} > __known"
        for over in _lengths(view)
    ]
    return (
        f"SELECT {keys}, __at, __at AS __end, max(__happened) AS __happened "
        f"FROM ({' UNION '.join([known, *gone])}) AS changes GROUP BY {keys}, __at"
    )


def _within(view: FeatureView, number: int) -> str:
    window = windows(view)[number]
    value = f"counted.__of_{number}" if window.of else "counted.__event"
    return f"CASE WHEN counted.__event >= moment.__end - {_micros(window.over)} THEN {value} END"


def _columns(view: FeatureView, value: Value, counted: str, over: Callable[[Window], str]) -> str:
    """The features' expressions; ``counted`` is what isn't NULL in a row that counts, if `value` doesn't see to it."""
    made = []
    for number, (feature, window) in enumerate(zip(view.features, windows(view), strict=True)):
        of = value(number) if window.of or not counted else counted
        expression = _aggregate(window, of, over(window), "" if counted else "counted.")
        made.append(f"{expression} AS {quoted(feature.name)}")
    return ", ".join(made)


def _aggregate(window: Window, of: str, over: str, table: str) -> str:
    match window.function:
        case "mean":
            return f"sum({of}){over} / nullif(count({of}){over}, 0)"
        case "distinct":
            return f"count(DISTINCT {of}){over}"
        case "last":
            newest = f"struct_pack(e := {table}__event, a := {table}__told, v := {of})"
            return f"struct_extract(max(CASE WHEN ({of}) IS NOT NULL THEN {newest} END){over}, 'v')"
        case function:
            return f"{function}({of}){over}"


def _named(number: int) -> str:
    return f"__of_{number}"


def _of_columns(view: FeatureView) -> list[str]:
    return [_named(number) for number, window in enumerate(windows(view)) if window.of]


def _lengths(view: FeatureView) -> Sequence[timedelta]:
    return sorted({window.over for window in windows(view)})


def _micros(over: timedelta) -> int:
    return over // timedelta(microseconds=1)
