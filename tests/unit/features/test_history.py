"""The point-in-time join against a brute-force oracle in plain Python."""

# ruff: noqa: S608, DTZ001 - tables are named by the tests; offline times are UTC without a zone
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.features.errors import InvalidView
from headwater.features.history import historical
from headwater.features.offline import compute
from headwater.model import Feature, FeatureView

START = datetime(2013, 3, 1)
TTL = 5


def view(entity: tuple[str, ...] = ("shop",), sql: str = "SELECT * FROM raw") -> FeatureView:
    return FeatureView(
        name="sales",
        entity=entity,
        sources=("raw",),
        sql=sql,
        features=(Feature(name="total"), Feature(name="mean")),
        ttl=timedelta(minutes=TTL),
    )


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


Row = tuple[str | None, int, int, float | None, float | None]


@cache
def database() -> duckdb.DuckDBPyConnection:
    """Opened once: that takes longer than a join."""
    return duckdb.connect(config={"threads": 1})


def table(name: str, kinds: dict[str, str], rows: Sequence[Sequence[Any]]) -> None:
    empty = ", ".join(f"NULL::{kind} AS {column}" for column, kind in kinds.items())
    database().execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {empty} LIMIT 0")
    if rows:
        marks = ", ".join(f"({', '.join('?' * len(kinds))})" for _ in rows)
        database().execute(f"INSERT INTO {name} VALUES {marks}", [value for row in rows for value in row])


def joined(rows: list[Row], asked: list[tuple[str | None, int]]) -> list[tuple[Any, ...]]:
    """What the join says: shop, minute asked, mean, total."""
    kinds = {"shop": "VARCHAR", "event_time": "TIMESTAMP", "available_time": "TIMESTAMP"}
    raw = [(shop, at(event), at(available), total, mean) for shop, event, available, total, mean in rows]
    table("raw", {**kinds, "total": "DOUBLE", "mean": "DOUBLE"}, raw)
    table("examples", {"shop": "VARCHAR", "asked_at": "TIMESTAMP"}, [(shop, at(minute)) for shop, minute in asked])
    compute(database(), view(), "offline")
    relation = historical(
        database(), "examples", {"sales": view()}, {"sales": "offline"}, ["sales.mean", "sales.total"]
    )
    assert relation.columns == ["shop", "asked_at", "sales__mean", "sales__total"]
    return relation.fetchall()


def oracle(rows: list[Row], asked: list[tuple[str | None, int]]) -> list[tuple[Any, ...]]:
    """The documented rule, row by row."""

    def size(value: float | None) -> tuple[int, float]:
        return (0, 0.0) if value is None else (1, value)

    answers = []
    for shop, minute in asked:
        known = [row for row in rows if shop and row[0] == shop and row[1] <= minute and row[2] <= minute]
        newest = max(known, key=lambda row: (row[1], row[2], size(row[3]), size(row[4])), default=None)
        if newest is None or minute - newest[1] > TTL:
            answers.append((shop, at(minute), None, None))
        else:
            answers.append((shop, at(minute), newest[4], newest[3]))
    return answers


# Few different moments, so that ties, late arrivals and TTL edges are common.
minutes = st.integers(0, 14)
shops = st.sampled_from(["a", "b", "", None])
values = st.sampled_from([None, 0.0, 1.0, -2.5, 3.0])
histories = st.lists(st.tuples(shops, minutes, minutes, values, values), max_size=25)
questions = st.lists(st.tuples(shops, minutes), max_size=12)


@settings(max_examples=50, deadline=None)
@given(histories, questions)
def test_every_example_gets_what_was_known_when_it_was_asked(
    rows: list[Row], asked: list[tuple[str | None, int]]
) -> None:
    assert joined(rows, asked) == oracle(rows, asked)


@settings(max_examples=25, deadline=None)
@given(histories, questions, st.integers(0, 14), st.randoms())
def test_what_became_available_later_never_changes_an_answer(
    rows: list[Row], asked: list[tuple[str | None, int]], now: int, random: Any
) -> None:
    asked = [(shop, min(minute, now)) for shop, minute in asked]
    leaked = [row if row[2] <= now else (row[0], row[1], row[2], random.random(), None) for row in rows]
    random.shuffle(leaked)
    without = [row for row in rows if row[2] <= now]
    assert joined(rows, asked) == joined(leaked, asked) == joined(without, asked)


def test_a_value_exactly_as_old_as_the_ttl_counts_and_one_older_does_not() -> None:
    assert joined([("a", 0, 0, 1.0, 2.0)], [("a", TTL), ("a", TTL + 1)]) == [
        ("a", at(TTL), 2.0, 1.0),
        ("a", at(TTL + 1), None, None),
    ]


def test_a_late_row_about_an_earlier_moment_does_not_hide_the_newest() -> None:
    assert joined([("a", 3, 3, 3.0, 3.0), ("a", 1, 4, 1.0, 1.0)], [("a", 5)]) == [("a", at(5), 3.0, 3.0)]


def test_a_row_available_before_it_happened_counts_from_its_event_time() -> None:
    assert joined([("a", 3, 1, 3.0, 3.0)], [("a", 2), ("a", 3)])[0][2:] == (None, None)


def test_examples_with_a_time_zone_and_number_keys_find_their_rows() -> None:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'America/New_York'")
    connection.execute(
        "CREATE TABLE raw AS SELECT 7 AS shop, true AS open, TIMESTAMP '2013-03-01 00:00' AS event_time, "
        "TIMESTAMPTZ '2013-03-01 00:01:00+00' AS available_time, 1 AS total, 2.5 AS mean"
    )
    connection.execute(
        "CREATE TABLE examples AS SELECT 7.0::DOUBLE AS shop, true AS open, "
        "TIMESTAMPTZ '2013-03-01 00:02:00+00' AS asked_at"
    )
    sales = view(entity=("shop", "open"))
    compute(connection, sales, "offline")
    relation = historical(connection, "examples", {"sales": sales}, {"sales": "offline"}, ["sales.mean"])
    assert relation.project("sales__mean").fetchall() == [(2.5,)]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT nosuch FROM raw", "its SQL fails: .*nosuch"),
        ("SELECT 'a' AS shop, now() AS event_time, now() AS available_time, 1 AS total", "no column 'mean'"),
        (
            "SELECT 'a' AS shop, 1 AS event_time, now() AS available_time, 1 AS total, 1 AS mean",
            "event_time is INTEGER",
        ),
        (
            "SELECT 'a' AS shop, now() AS event_time, now() AS available_time, 'x' AS total, 1 AS mean",
            "expected a number",
        ),
        ("SELECT [1] AS shop, now() AS event_time, now() AS available_time, 1 AS total, 1 AS mean", "join key 'shop'"),
    ],
)
def test_a_view_whose_sql_is_wrong_says_where(sql: str, words: str) -> None:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("CREATE TABLE raw (x INTEGER)")
    with pytest.raises(InvalidView, match=words):
        compute(connection, view(sql=sql), "offline")


def test_examples_without_a_join_key_are_refused() -> None:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("CREATE TABLE examples AS SELECT 1 AS x")
    with pytest.raises(InvalidView, match="examples lack asked_at, shop; they have x"):
        historical(connection, "examples", {"sales": view()}, {"sales": "offline"}, ["sales.mean"])


def test_numbers_that_no_model_can_use_are_missing() -> None:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        "CREATE TABLE raw AS SELECT 'a' AS shop, TIMESTAMP '2013-03-01' AS event_time, "
        "TIMESTAMP '2013-03-01' AS available_time, 'nan'::DOUBLE AS total, 1e300 AS mean"
    )
    compute(connection, view(), "offline")
    assert connection.execute("SELECT total, mean FROM offline").fetchall() == [(None, None)]
