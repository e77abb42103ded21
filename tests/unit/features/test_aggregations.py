"""Declared windows against a brute-force oracle in plain Python, and what is said of declarations that are wrong."""

# ruff: noqa: DTZ001 - offline times are UTC without a zone
from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import duckdb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from headwater.declare import (
    Aggregations,
    Feature,
    FeatureView,
    Product,
    Source,
    Window,
    catalog,
    count,
    distinct,
    mean,
)
from headwater.features.offline.point_in_time import historical
from headwater.features.offline.rows import compute
from tests.unit.features.tables import SELLERS, at, database, is_known, table

Function = Literal["count", "sum", "mean", "min", "max", "last", "distinct"]
SHORT, LONG, TTL = 2, 5, 7
FUNCTIONS: tuple[Function, ...] = ("count", "sum", "mean", "min", "max", "last", "distinct")
OF_TEXT: tuple[Function, ...] = ("last", "count", "distinct")
COUNT = 2 * len(FUNCTIONS + OF_TEXT) + 1


def windowed(decay: bool = False, where: str = "good", ttl: int = TTL) -> FeatureView:
    """Each function over a short and a long window, of a number and of text, and a count of rows."""
    features = [
        Feature(
            name=f"{function}_{minutes}",
            aggregate=Window(function=function, of="amount", over=f"{minutes}m"),
        )
        for function in FUNCTIONS
        for minutes in (SHORT, LONG)
    ]
    features += [
        Feature(
            name=f"seller_{function}_{minutes}",
            kind="category" if function == "last" else "integer",
            aggregate=Window(function=function, of="seller", over=f"{minutes}m"),
        )
        for function in OF_TEXT
        for minutes in (SHORT, LONG)
    ]
    rows = Feature(name="rows", aggregate=count(over=f"{SHORT}m"))
    return FeatureView(
        name="windowed",
        entity=("shop", "till"),
        sources=("sales",),
        aggregate=Aggregations(where=where, event_time="sold", available_time="told", decay=decay),
        features=(*features, rows),
        ttl=f"{ttl}m",
    )


Row = tuple[str | None, int, int, int, float | None, bool | None, str | None]
"""Shop, till, minute sold, minute told, amount, good, seller."""
KINDS = {
    "shop": "VARCHAR", "till": "INTEGER", "sold": "TIMESTAMP", "told": "TIMESTAMP", "amount": "DOUBLE",
    "good": "BOOLEAN", "seller": "VARCHAR",
}  # fmt: skip


def joined(view: FeatureView, rows: Sequence[Row], asked: Sequence[tuple[str | None, int, int]]) -> list[Any]:
    raw = [(shop, till, at(sold), at(told), *values) for shop, till, sold, told, *values in rows]
    table("sales", KINDS, raw)
    table(
        "questions",
        {"shop": "VARCHAR", "till": "INTEGER", "asked_at": "TIMESTAMP"},
        [(shop, till, at(minute)) for shop, till, minute in asked],
    )
    compute(database(), view, "windows")
    features = [f"{view.name}.{feature.name}" for feature in view.features]
    relation = historical(database(), "questions", {view.name: view}, {view.name: "windows"}, features)
    return [row[3:] for row in relation.fetchall()]


def aggregated(rows: Sequence[Row], decay: bool, minute: int) -> tuple[Any, ...] | None:
    """The documented rule for the rows of one entity, row by row."""
    known = [row for row in rows if row[5] and is_known(row[2], row[3], minute)]
    if not known:
        return None
    newest = max(row[2] for row in known)
    # With decay the last change is when a row became known, or as one left a window.
    left = [row[2] + over for row in known for over in (SHORT, LONG) if row[2] + over < minute]
    changed = max([*left, *(max(row[2], row[3]) for row in known)]) if decay else newest
    if minute - changed > TTL:
        return None
    end = minute if decay else newest

    def within(over: int) -> list[Row]:
        return [row for row in known if end - over <= row[2] <= end]

    answers: list[Any] = []
    for function in FUNCTIONS:
        for over in (SHORT, LONG):
            counted = [row for row in within(over) if row[4] is not None and math.isfinite(row[4])]
            amounts = [row[4] for row in counted if row[4] is not None]
            newest_row = max(counted, key=lambda row: (row[2], row[3], row[4]), default=None)
            match function:
                case "count":
                    answers.append(len(amounts))
                case "distinct":
                    answers.append(len(set(amounts)))
                case "sum":
                    answers.append(sum(amounts) if amounts else None)
                case "mean":
                    answers.append(sum(amounts) / len(amounts) if amounts else None)
                case "min":
                    answers.append(min(amounts, default=None))
                case "max":
                    answers.append(max(amounts, default=None))
                case "last":
                    answers.append(newest_row[4] if newest_row else None)
    for function in OF_TEXT:
        for over in (SHORT, LONG):
            texts = [row for row in within(over) if row[6] is not None]
            match function:
                case "last":
                    # The empty one is missing; to a count it is a text like any other.
                    order = lambda row: (row[2], row[3], row[6].encode())  # noqa: E731
                    answers.append(max((row for row in texts if row[6]), key=order, default=(None,) * 7)[6])
                case "count":
                    answers.append(len(texts))
                case "distinct":
                    answers.append(len({row[6] for row in texts}))
    return (*answers, len(within(SHORT)))


def oracle(rows: Sequence[Row], asked: Sequence[tuple[str | None, int, int]], decay: bool) -> list[Any]:
    answers = []
    for shop, till, minute in asked:
        mine = [row for row in rows if shop and row[0] == shop and row[1] == till]
        found = aggregated(mine, decay, minute)
        answers.append((None,) * COUNT if found is None else single(found))
    return answers


def single(values: Sequence[Any]) -> tuple[Any, ...]:
    """Numbers in float32's precision."""
    return tuple(value if value is None or isinstance(value, str) else float(np.float32(value)) for value in values)


# Few different moments: ties, late arrivals and window edges are common. Sums of quarters are exact in any order.
minutes = st.integers(0, 14)
entities = st.sampled_from([("a", 1), ("a", 1), ("a", 1), ("a", 2), ("b", 1), ("", 1), (None, 1)])
amounts = st.sampled_from([None, 0.0, 1.25, -2.5, 3.0, 1e9, math.nan, math.inf])
good = st.sampled_from([True, True, True, True, False, None])
scattered = st.lists(
    st.builds(
        lambda entity, *rest: (*entity, *rest), entities, minutes, minutes, amounts, good, st.sampled_from(SELLERS)
    ),
    min_size=6,
    max_size=18,
)
# Rows that are told in order are computed in another way, and of them those that are told at once in yet another.
orderly = st.builds(
    lambda rows, delay: [(*row[:3], row[2] + delay, *row[4:]) for row in rows], scattered, st.integers(0, 2)
)
histories = st.one_of(scattered, orderly, st.builds(lambda some, few: some + few[:2], orderly, scattered))
questions = st.lists(
    st.builds(lambda entity, minute: (*entity, minute), entities, st.integers(0, 24)), min_size=8, max_size=16
)


@settings(max_examples=60, deadline=None)
# Told before they happened: the last is the one that was told later, 1.25.
@example([("a", 1, 3, 1, 3.0, True, "b"), ("a", 1, 3, 2, 1.25, True, "a")], [("a", 1, 3)], False)
# Corrected: the last are 1.25 and, of an empty text, the one before.
@example([("a", 1, 3, 3, 3.0, True, "b"), ("a", 1, 3, 5, 1.25, True, "")], [("a", 1, 5)], False)
@given(histories, questions, st.booleans())
def test_every_question_gets_what_one_counts_by_hand(rows: list[Row], asked: list[Any], decay: bool) -> None:
    assert joined(windowed(decay), rows, asked) == oracle(rows, asked, decay)


@settings(max_examples=25, deadline=None)
@given(histories, questions, st.integers(0, 14), st.booleans(), st.randoms())
def test_what_was_told_later_never_changes_an_answer(
    rows: list[Row], asked: list[Any], now: int, decay: bool, random: Any
) -> None:
    asked = [(shop, till, min(minute, now)) for shop, till, minute in asked]
    leaked = [row if row[3] < now else (*row[:4], random.random(), True, "leaked") for row in rows]
    random.shuffle(leaked)
    without = [row for row in rows if row[3] < now]
    view = windowed(decay)
    assert joined(view, rows, asked) == joined(view, leaked, asked) == joined(view, without, asked)


def test_a_value_stands_until_the_next_row_or_with_decay_until_one_leaves_the_window() -> None:
    rows: list[Row] = [("a", 1, 0, 0, 1.0, True, None), ("a", 1, 1, 1, 2.0, True, None)]
    asked = [("a", 1, minute) for minute in (1, 2, 3, 4, 6, 7, 8, 13, 14)]

    def sums(decay: bool) -> list[tuple[Any, ...]]:
        return [(row[2], row[3], row[-1]) for row in joined(windowed(decay), rows, asked)]

    nothing = (None, None, None)
    assert sums(decay=False) == [(1.0, 1.0, 1.0)] + [(3.0, 3.0, 2.0)] * 6 + [nothing] * 2
    assert sums(decay=True) == [
        (1.0, 1.0, 1.0), (3.0, 3.0, 2.0), (2.0, 3.0, 1.0), (None, 3.0, 0.0), (None, 2.0, 0.0), (None, None, 0.0),
        (None, None, 0.0), (None, None, 0.0), nothing,
    ]  # fmt: skip


@pytest.mark.parametrize("decay", [False, True])
def test_by_default_an_example_sees_neither_its_own_row_nor_any_of_its_moment(decay: bool) -> None:
    rows: list[Row] = [("a", 1, minute, minute, 1.0, True, None) for minute in (0, 1, 1, 2)]
    asked = [("a", 1, row[2]) for row in rows]
    assert [row[-1] for row in joined(windowed(decay), rows, asked)] == [None, 1.0, 1.0, 3.0]


@pytest.mark.parametrize("decay", [False, True])
def test_rates_of_random_labels_tell_nothing_of_the_examples_own_label(decay: bool) -> None:
    """Clicks of many users, each asked at its own moment; a microsecond later the rate has seen its row."""
    view = FeatureView(
        name="rates",
        entity=("user",),
        sources=("clicks",),
        aggregate=Aggregations(decay=decay),
        features=(Feature(name="rate", aggregate=mean("booked", over="90d")),),
        ttl="90d",
    )
    source = Source(name="clicks", contract="a.b:C", event_time="at")
    view = catalog([Product(sources=(source,), views=(view,))]).view("rates")
    connection = duckdb.connect(config={"threads": 1})
    # Three users at each moment, two clicks a user.
    connection.execute(
        'CREATE TABLE clicks AS SELECT i % 1000 AS "user", '
        "TIMESTAMP '2013-01-01' + INTERVAL 1 MINUTE * (i // 3) AS \"at\", "
        "CAST(hash(i) % 2 AS INTEGER) AS booked FROM range(2000) AS t(i)"
    )
    compute(connection, view, "offline")

    def area(later: str) -> float:
        asked = f'SELECT "user", booked, "at" + INTERVAL {later} AS asked_at FROM clicks'  # noqa: S608
        connection.execute(f"CREATE OR REPLACE TABLE examples AS {asked}")
        rows = historical(connection, "examples", {"rates": view}, {"rates": "offline"}, ["rates.rate"])
        known = rows.project("booked, coalesce(rates__rate, 0.5)").fetchall()
        return float(roc_auc_score([label for label, _ in known], [rate for _, rate in known]))

    assert area("0 SECONDS") == pytest.approx(0.5, abs=0.05)
    assert area("1 MICROSECOND") > 0.9


def test_times_come_from_the_source_and_keys_and_values_of_any_kind_are_aggregated() -> None:
    source = Source(name="sales", contract="a.b:C", event_time="sold", available_time="told")
    view = FeatureView(
        name="kinds",
        entity=("till",),
        sources=("sales",),
        aggregate=Aggregations(),
        features=(
            Feature(name="shops", aggregate=distinct("shop", over="1h")),
            Feature(name="share", aggregate=mean("amount > 1", over="1h")),
            Feature(name="named", aggregate=count("nullif(shop, 'b')", over="1h")),
        ),
        ttl="1h",
    )
    view = catalog([Product(sources=(source,), views=(view,))]).view("kinds")
    assert view.aggregate == Aggregations(event_time="sold", available_time="told")
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        "CREATE TABLE sales AS SELECT *, TIMESTAMPTZ '2013-03-01 00:00:00+00' AS sold, DATE '2013-03-02' AS told "
        "FROM (VALUES (7.0, 'a', 1), (7.0, 'b', 2), (7.0, 'a', 3), (NULL, 'c', 4)) AS t(till, shop, amount)"
    )
    assert compute(connection, view, "kinds") == 1
    assert connection.execute("SELECT * FROM kinds").fetchall() == [
        ("7", datetime(2013, 3, 1), datetime(2013, 3, 2), 2.0, pytest.approx(2 / 3), 2.0)
    ]


def test_sums_of_sql_as_they_are_curated_are_keys_and_values_like_other_numbers() -> None:
    source = Source(name="sales", contract="a.b:C", event_time="sold")
    windows = {
        name: Window(function=name, of="amount", over="1h")  # type: ignore[arg-type]
        for name in ("sum", "mean", "min", "max", "distinct", "last")
    }
    view = FeatureView(
        name="kinds",
        entity=("till",),
        sources=("sales",),
        aggregate=Aggregations(),
        features=tuple(Feature(name=name, aggregate=window) for name, window in windows.items()),
        ttl="1h",
    )
    view = catalog([Product(sources=(source,), views=(view,))]).view("kinds")
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("CREATE TABLE sales (till DECIMAL(38,0), amount DECIMAL(38,0), sold TIMESTAMP)")
    for amount in (7, 9):
        connection.execute("INSERT INTO sales VALUES (?, ?, '2013-03-01')", [10**30, amount])
    assert compute(connection, view, "kinds") == 1
    (row,) = connection.execute("SELECT * EXCLUDE (event_time, available_time) FROM kinds").fetchall()
    assert row == (str(10**30), 16.0, 8.0, 7.0, 9.0, 2.0, 9.0)
