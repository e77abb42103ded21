"""The point-in-time join against a brute-force oracle in plain Python."""

# ruff: noqa: S608 - tables are named by the tests; offline times are UTC without a zone
from __future__ import annotations

from datetime import UTC, timedelta, timezone
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from headwater.declare import Aggregations, Feature, FeatureView, InvalidProduct, count, maximum
from headwater.features.errors import InvalidView
from headwater.features.offline.engine import DuckDB, type_problem
from headwater.features.offline.point_in_time import historical
from headwater.features.offline.rows import compute, compute_on
from tests.unit.features.tables import SELLERS, at, database, is_known, table

TTL = 5


def view(entity: tuple[str, ...] = ("shop",), sql: str = "SELECT *, '' AS seller FROM raw") -> FeatureView:
    return FeatureView(
        name="sales",
        entity=entity,
        sources=("raw",),
        sql=sql,
        features=(Feature(name="total"), Feature(name="seller", kind="category"), Feature(name="mean")),
        ttl=f"{TTL}m",
    )


Row = tuple[str | None, int | None, int, int, float | None, float | None, str | None]
"""Shop, till, minute of the event, minute from which on it is available, total, mean, seller."""
Asked = tuple[str | None, int | None, int]


def joined(rows: list[Row], asked: list[Asked], zoned: bool = False, until: int | None = None) -> list[tuple[Any, ...]]:
    """What the join says: mean, seller and total."""
    kinds = {"shop": "VARCHAR", "till": "INTEGER", "event_time": "TIMESTAMP", "available_time": "TIMESTAMP"}
    raw = [(shop, till, at(event), at(available), *values) for shop, till, event, available, *values in rows]
    table("raw", {**kinds, "total": "DOUBLE", "mean": "DOUBLE", "seller": "VARCHAR"}, raw)
    # A key may be a number here and text there; a time may come from another zone.
    zone = timezone(timedelta(hours=-7)) if zoned else None
    moments = [at(minute).replace(tzinfo=UTC).astimezone(zone) if zoned else at(minute) for *_, minute in asked]
    table(
        "examples",
        {"shop": "VARCHAR", "till": "DOUBLE", "asked_at": "TIMESTAMPTZ" if zoned else "TIMESTAMP"},
        [(shop, till, moment) for (shop, till, _), moment in zip(asked, moments, strict=True)],
    )
    sales = view(entity=("shop", "till"), sql="SELECT * FROM raw")
    compute(database(), sales, "offline")
    relation = historical(
        database(),
        "examples",
        {"sales": sales},
        {"sales": "offline"},
        ["sales.mean", "sales.seller", "sales.total"],
        as_known_at=None if until is None else at(until).replace(tzinfo=UTC),
    )
    assert relation.columns == ["shop", "till", "asked_at", "sales__mean", "sales__seller", "sales__total"]
    assert relation.types[4] == "VARCHAR"
    # In order, repeats and all.
    assert relation.project("shop, till").fetchall() == [(shop, till) for shop, till, _ in asked]
    return relation.project("sales__mean, sales__seller, sales__total").fetchall()


def oracle(rows: list[Row], asked: list[Asked], until: int = 99) -> list[tuple[Any, ...]]:
    """The documented rule, row by row."""

    def size(value: float | None) -> tuple[int, float]:
        return (0, 0.0) if value is None else (1, value)

    answers: list[tuple[Any, ...]] = []
    for shop, till, minute in asked:
        now = min(minute, until)
        known = [row for row in rows if shop and till and row[:2] == (shop, till) and is_known(row[2], row[3], now)]
        order = lambda row: (row[2], row[3], size(row[4]), (row[6] or "").encode(), size(row[5]))  # noqa: E731
        newest = max(known, key=order, default=None)
        found = newest is not None and minute - newest[2] <= TTL
        answers.append((newest[5], newest[6] or None, newest[4]) if newest and found else (None, None, None))
    return answers


# Few different moments and entities, so that ties, late arrivals, corrections, repeats and TTL edges are common.
minutes = st.integers(0, 14)
entities = st.sampled_from([("a", 1), ("a", 1), ("a", 2), ("b", 1), ("", 1), (None, 1), ("a", None)])
values = st.sampled_from([None, 0.0, 1.0, -2.5, 3.0])
histories = st.lists(
    st.builds(lambda entity, *rest: (*entity, *rest), entities, minutes, minutes, values, values,
              st.sampled_from(SELLERS)),
    min_size=4, max_size=25,
)  # fmt: skip
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
    then = [row for row in rows if is_known(row[2], row[3], until)]
    assert joined(rows, asked, until=until) == oracle(rows, asked, until) == joined(then, asked)


@settings(max_examples=25, deadline=None)
@given(histories, questions, st.integers(0, 14), st.randoms())
def test_what_became_available_later_never_changes_an_answer(
    rows: list[Row], asked: list[Asked], now: int, random: Any
) -> None:
    asked = [(shop, till, min(minute, now)) for shop, till, minute in asked]
    leaked = [row if row[3] < now else (*row[:4], random.random(), None, "leaked") for row in rows]
    random.shuffle(leaked)
    without = [row for row in rows if row[3] < now]
    assert joined(rows, asked) == joined(leaked, asked) == joined(without, asked)


@settings(max_examples=25, deadline=None)
@given(histories, questions, st.lists(st.integers(0, 24), max_size=6))
def test_events_that_come_twice_change_nothing(rows: list[Row], asked: list[Asked], again: list[int]) -> None:
    assert joined([*rows, *(rows[number % len(rows)] for number in again)], asked) == joined(rows, asked)


def test_a_value_exactly_as_old_as_the_ttl_counts_and_one_older_does_not() -> None:
    asked: list[Asked] = [("a", 1, TTL), ("a", 1, TTL + 1)]
    assert joined([("a", 1, 0, 0, 1.0, 2.0, "b")], asked) == [(2.0, "b", 1.0), (None, None, None)]


def test_an_example_of_a_row_s_own_moment_does_not_see_it_unless_it_was_told_before() -> None:
    # By default a row is available when it happens. What was announced is known as it happens.
    asked: list[Asked] = [("a", 1, 2), ("a", 1, 3)]
    assert joined([("a", 1, 2, 2, 1.0, 1.0, "b")], asked) == [(None, None, None), (1.0, "b", 1.0)]
    assert joined([("a", 1, 2, 1, 1.0, 1.0, "b")], asked) == [(1.0, "b", 1.0)] * 2
    # So it is to the microsecond.
    asked_at = "TIMESTAMP '2013-03-01 00:02:00.000001'"
    database().execute(f"CREATE OR REPLACE TABLE examples AS SELECT 'a' AS shop, 1.0 AS till, {asked_at} AS asked_at")
    compute(database(), view(("shop", "till"), "SELECT * REPLACE (event_time AS available_time) FROM raw"), "offline")
    sales = view(("shop", "till"))
    (found,) = historical(database(), "examples", {"sales": sales}, {"sales": "offline"}, ["sales.total"]).fetchall()
    assert found[-1] == 1.0


ODD_TIMES = (
    "TIMESTAMP 'infinity'", "TIMESTAMP '-infinity'", "TIMESTAMPTZ 'infinity'", "TIMESTAMPTZ '-infinity'",
    "DATE 'infinity'", "DATE '294248-01-01'", "TIMESTAMP '20000-01-01'", "TIMESTAMP '0044-03-15 (BC)'",
)  # fmt: skip


@pytest.mark.parametrize("odd", ODD_TIMES)
@pytest.mark.parametrize("which", ["event_time", "available_time"])
def test_a_row_of_no_finite_time_is_never_known_and_the_others_answer(odd: str, which: str) -> None:
    times = {"event_time": "TIMESTAMP '2013-03-01'", "available_time": "TIMESTAMP '2013-03-01'", which: odd}
    database().execute(
        f"CREATE OR REPLACE TABLE raw AS SELECT 'a' AS shop, {times['event_time']} AS event_time, "
        f"{times['available_time']} AS available_time, 2.0 AS total, 2.0 AS mean, 'x' AS seller"
    )
    database().execute(
        f"CREATE OR REPLACE TABLE fine AS SELECT * REPLACE ({_kind_of(odd)} '2013-03-01 00:00:00+00' AS {which}, "
        "1.0 AS total) FROM raw UNION ALL FROM raw"
    )
    database().execute(
        "CREATE OR REPLACE TABLE examples AS SELECT 'a' AS shop, unnest([TIMESTAMP '2013-03-01 00:01', "
        "TIMESTAMP 'infinity', TIMESTAMP '-infinity', NULL]) AS asked_at"
    )
    plain = view(sql="SELECT * FROM fine")
    windows = FeatureView(
        name="windows", entity=("shop",), sources=("fine",), ttl=f"{TTL}m",
        aggregate=Aggregations(event_time="event_time", available_time="available_time", decay=True),
        features=(Feature(name="count", aggregate=count(over=f"{TTL}m")),),
    )  # fmt: skip
    views = {"sales": plain, "windows": windows}
    assert [compute(database(), found, f"offline_{name}") for name, found in views.items()] == [1, 2]
    features = ["sales.total", "windows.count"]
    answers = historical(database(), "examples", views, {name: f"offline_{name}" for name in views}, features)
    assert [row[2:] for row in answers.fetchall()] == [(1.0, 1.0), (None, None), (None, None), (None, None)]


def _kind_of(literal: str) -> str:
    """The type that a literal says."""
    return literal.split()[0]


def test_a_late_row_about_an_earlier_moment_does_not_hide_the_newest() -> None:
    rows: list[Row] = [("a", 1, 3, 3, 3.0, 3.0, "b"), ("a", 1, 1, 4, 1.0, 1.0, "c")]
    assert joined(rows, [("a", 1, 5)]) == [(3.0, "b", 3.0)]


def test_a_row_available_before_it_happened_counts_from_its_event_time() -> None:
    asked: list[Asked] = [("a", 1, 2), ("a", 1, 3)]
    assert joined([("a", 1, 3, 1, 3.0, 3.0, "b")], asked) == [(None, None, None), (3.0, "b", 3.0)]


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
            r"feature 'total' is VARCHAR, expected a number \(text is declared with kind='category'\)",
        ),
        (
            "SELECT 'a' AS shop, now() AS event_time, now() AS available_time, 1 AS total, 7 AS seller, 1 AS mean",
            "feature 'seller' is INTEGER, expected text, for it is declared a category",
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


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("integer", "16777217", "1 of 1 rows are outside the whole numbers within"),
        ("integer", "1.00000001", "1 of 1 rows are outside the whole numbers within"),
        ("integer", "9007199254740993", "1 of 1 rows are outside the whole numbers within"),
        ("boolean", "0.99999999", "1 of 1 rows are outside 0 and 1"),
    ],
)
def test_a_whole_number_that_float32_would_round_is_refused(kind: Any, value: str, words: str) -> None:
    sql = f"SELECT 'a' AS shop, TIMESTAMP '2013-03-01' AS event_time, event_time AS available_time, {value} AS total"
    total = view(sql=sql).model_copy(update={"features": (Feature(name="total", kind=kind),)})
    with pytest.raises(InvalidView, match=words):
        compute(database(), total, "offline")


def test_keys_that_an_engine_writes_differently_are_refused_there() -> None:
    class Whole(DuckDB):
        whole_keys = True

    for number, refused in (("2.0", False), ("2.5", True), ("2.50::DOUBLE", True), ("9007199254740994::DOUBLE", True)):
        sql = f"SELECT {number} AS shop, TIMESTAMP '2013-03-01' AS event_time, event_time AS available_time, 1 AS total"
        total = view(sql=sql).model_copy(update={"features": (Feature(name="total"),)})
        if refused:
            with pytest.raises(InvalidView, match="1 rows have a join key 'shop' that DuckDB writes differently, such"):
                compute_on(Whole(database()), total, "offline")
        assert compute_on(DuckDB(database()) if refused else Whole(database()), total, "offline") == 1


def test_examples_whose_key_is_no_key_s_type_are_refused_by_name() -> None:
    database().execute("CREATE OR REPLACE TABLE examples AS SELECT now() AS shop, TIMESTAMP '2013-03-01' AS asked_at")
    with pytest.raises(InvalidView, match="the examples' 'shop', by which feature view 'sales' is looked up, is TIMES"):
        historical(database(), "examples", {"sales": view()}, {"sales": "offline"}, ["sales.total"])


def checked(**change: Any) -> FeatureView:
    """A view whose seller is declared with ``change``, over shops that have one each."""
    sellers = Feature.model_validate({"name": "seller", "kind": "category", **change})
    sql = "SELECT shop, TIMESTAMP '2013-03-01' AS event_time, TIMESTAMP '2013-03-01' AS available_time, seller FROM raw"
    return view(sql=sql).model_copy(update={"features": (sellers,)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"max_length": 2},
            r"feature 'seller': 1 of 4 rows are not text of at most 2 characters, such as 'ééé' for shop",
        ),
        ({"values": ("b", "''", "01")}, "1 of 4 rows are not one of 'b', \"''\", '01', such as 'ééé' for shop 'a' at"),
        ({"max_missing": 0.1}, r"1 of 4 rows are missing \(25.0%, limit 10.0%\), such as nothing for shop 'd'"),
    ],
)
def test_a_text_that_is_not_what_was_declared_is_refused_with_an_example(change: dict[str, Any], words: str) -> None:
    table("raw", {"shop": "VARCHAR", "seller": "VARCHAR"}, [("a", "ééé"), ("b", "b"), ("c", "''"), ("d", "")])
    with pytest.raises(InvalidView, match=words):
        compute(database(), checked(**change), "offline")
    assert compute(database(), checked(max_length=3, values=("ééé", "b", "''"), max_missing=0.25), "offline") == 4


def test_a_category_of_pandas_is_text() -> None:
    table("raw", {"shop": "VARCHAR", "seller": "ENUM('b', 'a')"}, [("a", "b"), ("b", None)])
    compute(database(), checked(), "offline")
    assert database().execute("SELECT seller FROM offline").fetchall() == [("b",), (None,)]
    # Parquet without any value has a column of no type.
    assert type_problem(checked().features[0], '"NULL"') == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"minimum": 1}, "feature 'seller' is a category: minimum can't be said of it"),
        ({"kind": "number", "values": ("a",)}, "feature 'seller' is a number: values can't be said of it"),
        ({"kind": "boolean", "max_length": 5}, "feature 'seller' is a boolean: max_length can't be said of it"),
        ({"max_length": 1025}, "less than or equal to 1024"),
        ({"values": ()}, "at least 1 item"),
        ({"values": ("a", "a")}, "'a' declared more than once"),
        ({"values": ("",)}, "value '' is no text of 1 to 1,024 characters"),
        ({"values": ("a\0",)}, r"value 'a\\x00' is no text"),
        ({"values": ("\ud800",)}, r"value '\\ud800' is no text"),
        ({"values": ("abc",), "max_length": 2}, "value 'abc' is no text of 1 to 2 characters"),
        (
            {"aggregate": maximum("seller", over="1h")},
            "feature 'seller' is a category: max is a number; of text only last is text",
        ),
    ],
)
def test_what_can_not_be_said_of_a_feature_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises((ValidationError, InvalidProduct), match=words):
        checked(**change)
