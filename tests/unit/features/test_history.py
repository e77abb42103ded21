"""The point-in-time join against a brute-force oracle in plain Python."""

# ruff: noqa: S608, DTZ001 - tables are named by the tests; offline times are UTC without a zone
from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
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


Row = tuple[str | None, int | None, int, int, float | None, float | None]
"""Shop, till, minute of the event, minute from which on it is available, total, mean."""
Asked = tuple[str | None, int | None, int]


@cache
def database() -> duckdb.DuckDBPyConnection:
    """Opened once: that takes longer than a join."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'America/New_York'")
    return connection


def table(name: str, kinds: dict[str, str], rows: Sequence[Sequence[Any]]) -> None:
    empty = ", ".join(f"NULL::{kind} AS {column}" for column, kind in kinds.items())
    database().execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {empty} LIMIT 0")
    if rows:
        marks = ", ".join(f"({', '.join('?' * len(kinds))})" for _ in rows)
        database().execute(f"INSERT INTO {name} VALUES {marks}", [value for row in rows for value in row])


def joined(rows: list[Row], asked: list[Asked], zoned: bool = False, until: int | None = None) -> list[tuple[Any, ...]]:
    """What the join says: mean and total."""
    kinds = {"shop": "VARCHAR", "till": "INTEGER", "event_time": "TIMESTAMP", "available_time": "TIMESTAMP"}
    raw = [(shop, till, at(event), at(available), *values) for shop, till, event, available, *values in rows]
    table("raw", {**kinds, "total": "DOUBLE", "mean": "DOUBLE"}, raw)
    # A key may be a number here and text there; a time may come from another zone.
    zone = timezone(timedelta(hours=-7)) if zoned else None
    moments = [at(minute).replace(tzinfo=UTC).astimezone(zone) if zoned else at(minute) for *_, minute in asked]
    table(
        "examples",
        {"shop": "VARCHAR", "till": "DOUBLE", "asked_at": "TIMESTAMPTZ" if zoned else "TIMESTAMP"},
        [(shop, till, moment) for (shop, till, _), moment in zip(asked, moments, strict=True)],
    )
    sales = view(entity=("shop", "till"))
    compute(database(), sales, "offline")
    relation = historical(
        database(),
        "examples",
        {"sales": sales},
        {"sales": "offline"},
        ["sales.mean", "sales.total"],
        as_known_at=None if until is None else at(until).replace(tzinfo=UTC),
    )
    assert relation.columns == ["shop", "till", "asked_at", "sales__mean", "sales__total"]
    # In order, repeats and all.
    assert relation.project("shop, till").fetchall() == [(shop, till) for shop, till, _ in asked]
    return relation.project("sales__mean, sales__total").fetchall()


def oracle(rows: list[Row], asked: list[Asked], until: int = 99) -> list[tuple[Any, ...]]:
    """The documented rule, row by row."""

    def size(value: float | None) -> tuple[int, float]:
        return (0, 0.0) if value is None else (1, value)

    answers: list[tuple[Any, ...]] = []
    for shop, till, minute in asked:
        now = min(minute, until)
        known = [row for row in rows if shop and till and row[:2] == (shop, till) and max(row[2:4]) <= now]
        newest = max(known, key=lambda row: (row[2], row[3], size(row[4]), size(row[5])), default=None)
        found = newest is not None and minute - newest[2] <= TTL
        answers.append((newest[5], newest[4]) if newest and found else (None, None))
    return answers


# Few different moments and entities, so that ties, late arrivals, corrections, repeats and TTL edges are common.
minutes = st.integers(0, 14)
entities = st.sampled_from([("a", 1), ("a", 1), ("a", 2), ("b", 1), ("", 1), (None, 1), ("a", None)])
values = st.sampled_from([None, 0.0, 1.0, -2.5, 3.0])
histories = st.lists(st.builds(lambda entity, *rest: (*entity, *rest), entities, minutes, minutes, values, values),
                     min_size=4, max_size=25)  # fmt: skip
questions = st.lists(st.builds(lambda entity, minute: (*entity, minute), entities, minutes), min_size=4, max_size=14)


@settings(max_examples=60, deadline=None)
@given(histories, questions, st.booleans())
def test_every_example_gets_what_was_known_when_it_was_asked(rows: list[Row], asked: list[Asked], zoned: bool) -> None:
    assert joined(rows, asked, zoned) == oracle(rows, asked)


@settings(max_examples=25, deadline=None)
@given(histories, questions, st.integers(0, 14))
def test_a_set_as_of_a_day_holds_nothing_that_became_known_later(
    rows: list[Row], asked: list[Asked], until: int
) -> None:
    then = [row for row in rows if max(row[2:4]) <= until]
    assert joined(rows, asked, until=until) == oracle(rows, asked, until) == joined(then, asked)


@settings(max_examples=25, deadline=None)
@given(histories, questions, st.integers(0, 14), st.randoms())
def test_what_became_available_later_never_changes_an_answer(
    rows: list[Row], asked: list[Asked], now: int, random: Any
) -> None:
    asked = [(shop, till, min(minute, now)) for shop, till, minute in asked]
    leaked = [row if row[3] <= now else (*row[:4], random.random(), None) for row in rows]
    random.shuffle(leaked)
    without = [row for row in rows if row[3] <= now]
    assert joined(rows, asked) == joined(leaked, asked) == joined(without, asked)


@settings(max_examples=25, deadline=None)
@given(histories, questions, st.lists(st.integers(0, 24), max_size=6))
def test_events_that_come_twice_change_nothing(rows: list[Row], asked: list[Asked], again: list[int]) -> None:
    assert joined([*rows, *(rows[number % len(rows)] for number in again)], asked) == joined(rows, asked)


def test_a_value_exactly_as_old_as_the_ttl_counts_and_one_older_does_not() -> None:
    assert joined([("a", 1, 0, 0, 1.0, 2.0)], [("a", 1, TTL), ("a", 1, TTL + 1)]) == [(2.0, 1.0), (None, None)]


def test_a_late_row_about_an_earlier_moment_does_not_hide_the_newest() -> None:
    assert joined([("a", 1, 3, 3, 3.0, 3.0), ("a", 1, 1, 4, 1.0, 1.0)], [("a", 1, 5)]) == [(3.0, 3.0)]


def test_a_row_available_before_it_happened_counts_from_its_event_time() -> None:
    assert joined([("a", 1, 3, 1, 3.0, 3.0)], [("a", 1, 2), ("a", 1, 3)]) == [(None, None), (3.0, 3.0)]


@pytest.mark.parametrize("rows", ["('a', 1), ('b', 2), ('a', 3)", "('a', 2), ('a', 1), ('b', 3)"])
def test_rows_in_another_order_than_they_are_computed_in_are_refused(rows: str) -> None:
    database().execute(
        "CREATE OR REPLACE TABLE scattered AS SELECT *, event_time AS available_time FROM (SELECT shop, total, "
        f"TIMESTAMP '2013-03-01' + to_minutes(total) AS event_time FROM (VALUES {rows}) AS t(shop, total))"
    )
    database().execute("CREATE OR REPLACE TABLE asked AS SELECT 'a' AS shop, TIMESTAMP '2013-03-01' AS asked_at")
    with pytest.raises(InvalidView, match="its offline rows aren't in the order of compute"):
        historical(database(), "asked", {"sales": view()}, {"sales": "scattered"}, ["sales.total"])


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
