"""Rows of a real PostgreSQL: what cursors miss elsewhere, and every type's digits."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest

from headwater.collecting.databases import reading
from headwater.collecting.errors import CollectFailed
from headwater.collecting.service import reset
from tests.unit.collecting.database import Database, records, told
from tests.unit.collecting.world import landed, lines, store, versions
from tests.unit.lake.world import World

BY_TIME: dict[str, Any] = {"table": "orders", "cursor": "updated_at"}


@pytest.fixture
def orders(world: World, database: Database) -> Database:
    database.run("CREATE TABLE orders (id bigint, updated_at timestamptz, note text)")
    return database


def add(database: Database, *ids: int, at: str = "now()") -> None:
    for number in ids:
        database.run(f"INSERT INTO orders VALUES ({number}, {at}, 'n')")  # noqa: S608 -- a test's own


def test_only_rows_that_are_new_land(orders: Database) -> None:
    add(orders, 1, 2)
    assert orders.collect("first", **BY_TIME).rows == 2
    add(orders, 3)
    assert orders.collect("second", **BY_TIME).rows == 1
    assert orders.collect("third", **BY_TIME).rows == 0
    assert told() == [1, 2, 3]
    assert versions() == 2


def test_rows_with_the_last_cursors_very_value_that_come_later_land_too(orders: Database) -> None:
    # airbytehq/airbyte#14732, dlt-hub/dlt#971: `>` loses them, `>=` doubles the others.
    add(orders, 1, 2, at="'2026-01-01T00:00:00Z'")
    orders.collect("first", **BY_TIME)
    add(orders, 3, at="'2026-01-01T00:00:00Z'")
    orders.collect("second", **BY_TIME)
    assert told() == [1, 2, 3]


def test_equal_rows_land_as_often_as_they_are_there(orders: Database) -> None:
    add(orders, 1, 1, at="'2026-01-01T00:00:00Z'")
    orders.collect("first", **BY_TIME)
    add(orders, 1, at="'2026-01-01T00:00:00Z'")
    orders.collect("second", **BY_TIME)
    assert told() == [1, 1, 1]


def test_more_ties_than_a_file_has_rows_are_all_read(orders: Database) -> None:
    orders.run("INSERT INTO orders SELECT n, '2026-01-01', 'n' FROM generate_series(1, 25) n")
    assert orders.collect("first", **BY_TIME, batch_rows=10).batches == 3
    assert told() == list(range(1, 26))


def test_a_transaction_that_commits_late_is_not_lost(orders: Database) -> None:
    late = orders.another()
    late.run("BEGIN")
    late.run("INSERT INTO orders VALUES (1, now(), 'late')")
    add(orders, 2)
    orders.collect("first", **BY_TIME)
    assert told() == [2]
    late.run("COMMIT")
    late.close()
    orders.collect("second", **BY_TIME)
    assert told() == [1, 2]


def test_a_number_that_is_committed_after_a_higher_one_is_not_lost(orders: Database) -> None:
    late = orders.another()
    late.run("BEGIN")
    late.run("INSERT INTO orders VALUES (1, NULL, 'late')")
    add(orders, 2)
    orders.collect("first", table="orders", cursor="id")
    late.run("COMMIT")
    late.close()
    orders.collect("second", table="orders", cursor="id")
    assert told() == [1, 2]


def test_a_row_that_is_changed_lands_again(orders: Database) -> None:
    add(orders, 1)
    orders.collect("first", **BY_TIME)
    orders.run("UPDATE orders SET note = 'paid', updated_at = now()")
    orders.collect("second", **BY_TIME)
    assert [row["note"] for row in records()] == ["n", "paid"]


def test_rows_without_a_cursor_are_refused_unless_they_are_to_be_left(orders: Database) -> None:
    add(orders, 1)
    add(orders, 2, at="NULL")
    with pytest.raises(CollectFailed, match=r"rows have no value in cursor 'updated_at'.*null_cursors='leave'"):
        orders.collect("first", **BY_TIME)
    assert landed() == {}
    orders.collect("second", **BY_TIME, null_cursors="leave")
    assert told() == [1]


def test_a_time_to_come_doesnt_hold_up_the_rows_until_then(orders: Database) -> None:
    add(orders, 1)
    add(orders, 2, at="now() + interval '70 years'")
    orders.collect("first", **BY_TIME)
    add(orders, 3)
    orders.collect("second", **BY_TIME)
    assert told() == [1, 3]


def test_a_time_that_is_no_time_is_told(orders: Database) -> None:
    add(orders, 1, at="'-infinity'")
    with pytest.raises(CollectFailed, match="has the value '-infinity', which none can come after or before"):
        orders.collect("first", **BY_TIME)


def test_an_overlap_with_too_many_rows_is_told(orders: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.collecting.databases.cursors.MOST_KNOWN", 10)
    orders.run("INSERT INTO orders SELECT n, '2026-01-01', 'n' FROM generate_series(1, 25) n")
    with pytest.raises(CollectFailed, match="more than 10 rows lie within the overlap"):
        orders.collect("first", **BY_TIME)


def test_every_type_keeps_its_value(world: World, database: Database) -> None:
    database.run("CREATE TYPE mood AS ENUM ('fair', 'foul')")
    database.run(
        """CREATE TABLE kinds AS SELECT 9223372036854775807::bigint AS id, 0.1000000000000000000000000001::numeric AS n,
        'NaN'::numeric AS nan, 0.1::real AS r, 1e308::float8 AS f, 0.1::float8 + 0.2::float8 AS sum,
        '2026-03-29 02:30:00.123456+05:30'::timestamptz AS tz, '2026-03-29 02:30:00.123456'::timestamp AS t,
        '0044-03-15 BC'::date AS bc, 'infinity'::timestamptz AS never, interval '1 month 2 days 3.5 s' AS span,
        '\\x00ff'::bytea AS bytes, '{"a": 1.10000000000000000001, \n "b": 12345678901234567890}'::json AS doc,
        '{"z": 0.30000000000000000004}'::jsonb AS docb, ARRAY[1.10, NULL] AS list, 'foul'::mood AS mood,
        'c5ac2f49-5a5b-4d0e-9dd0-0b1a2b3c4d5e'::uuid AS uuid, int4range(1, 5) AS range, ''::text AS empty,
        NULL::text AS none, true AS yes, 'tab\tünï "q" \\'::text AS text, '12:30:00'::time AS clock"""
    )
    database.collect("first", table="kinds", cursor="id")
    (line,) = lines(landed().values())
    row = json.loads(line, parse_float=Decimal)
    assert row == {
        "id": 9223372036854775807, "n": Decimal("0.1000000000000000000000000001"), "nan": "NaN", "r": Decimal("0.1"),
        "f": Decimal("1e+308"), "sum": Decimal("0.30000000000000004"), "tz": "2026-03-28T21:00:00.123456+00:00",
        "t": "2026-03-29T02:30:00.123456", "bc": "0044-03-15 BC", "never": "infinity", "span": "P1M2DT3.5S",
        "bytes": "\\x00ff", "doc": {"a": Decimal("1.10000000000000000001"), "b": 12345678901234567890},
        "docb": {"z": Decimal("0.30000000000000000004")}, "list": [Decimal("1.10"), None], "mood": "foul",
        "uuid": "c5ac2f49-5a5b-4d0e-9dd0-0b1a2b3c4d5e", "range": "[1,5)", "empty": "", "none": None, "yes": True,
        "text": 'tab\tünï "q" \\', "clock": "12:30:00",
    }  # fmt: skip


def test_a_cursor_keeps_its_microseconds_and_digits(world: World, database: Database) -> None:
    # airbytehq/airbyte#9157 and #8904: a cursor that is rounded loses rows or reads the last ones for ever.
    database.run("CREATE TABLE points (at timestamp, n numeric)")
    database.run("INSERT INTO points VALUES ('2026-01-01 00:00:00.000001', 1.0000000000000000000001)")
    for cursor in ("at", "n"):
        first = database.collect(f"{cursor}-1", table="points", cursor=cursor)
        assert (first.rows, database.collect(f"{cursor}-2", table="points", cursor=cursor).rows) == (1, 0)
        reset(store(), "book", None, pause=lambda _: None)


def test_a_day_as_cursor_reads_the_whole_last_day_again(world: World, database: Database) -> None:
    database.run("CREATE TABLE days (id int, day date)")
    database.run("INSERT INTO days VALUES (1, current_date)")
    database.collect("first", table="days", cursor="day")
    database.run("INSERT INTO days VALUES (2, current_date)")
    database.collect("second", table="days", cursor="day")
    assert told() == [1, 2]


def test_a_query_reads_the_ticks_interval_and_a_repeated_tick_replaces_its_file(orders: Database) -> None:
    add(orders, 1, at="'2026-10-31T23:00:00Z'")
    add(orders, 2, at="'2026-11-01T00:00:00Z'")
    query = "SELECT id, to_char(updated_at, 'HH24:MI:SS') AS clock, 'a:b %' AS c FROM orders WHERE note LIKE '%n%' AND "
    query += "updated_at >= :since AND updated_at < :until -- by the hour"
    orders.collect("first", query=query)
    assert records() == [{"id": 1, "clock": "23:00:00", "c": "a:b %"}]
    add(orders, 3, at="'2026-10-31T23:59:59.999999Z'")
    orders.collect("again", query=query)
    orders.collect("next", query=query, hours=1)
    assert told() == [1, 2, 3]
    assert sorted(landed()) == ["book/2026-11-01T000000Z.jsonl.gz", "book/2026-11-01T010000Z.jsonl.gz"]


def test_a_table_without_a_cursor_is_one_file_that_is_replaced(orders: Database) -> None:
    add(orders, 1, 2)
    orders.collect("first", table="orders")
    assert orders.collect("same", table="orders").batches == 0
    orders.run("DELETE FROM orders WHERE id = 1")
    orders.collect("second", table="orders")
    assert told() == [2]
    orders.run("DELETE FROM orders")
    with pytest.raises(CollectFailed, match="there are no rows, and no file can say so"):
        orders.collect("third", table="orders")
    assert told() == [2]


def test_rows_are_streamed_and_a_run_without_time_goes_on_where_it_was(
    orders: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.run("INSERT INTO orders SELECT n, '2026-01-01', repeat('x', 1000) FROM generate_series(1, 5000) n")
    monkeypatch.setattr(reading, "CHUNK", 100)
    monkeypatch.setattr(reading, "FILE_BYTES", 1_000_000)
    assert orders.collect("first", **BY_TIME).batches == 6
    assert told() == list(range(1, 5001))
    assert all(len(gzip.decompress(body)) < 1_100_000 for body in landed().values())


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        ({"table": "absent"}, 'the database says: relation "shop.*absent" does not exist .42P01.'),
        (
            {"table": "orders", "cursor": "absent"},
            "there is no column 'absent' to be the cursor: it has id, updated_at",
        ),
        ({"table": "orders", "cursor": "note"}, "column 'note' can't be the cursor: expected whole or decimal numbers"),
        ({"query": "SELECT 1 AS a, 2 AS a"}, "two columns are called 'a'"),
        ({"query": "SELECT nothing"}, 'column "nothing" does not exist'),
        ({"query": "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone"}, "must be at the top level"),
    ],
)
def test_what_the_database_refuses_is_one_line(orders: Database, reads: dict[str, Any], said: str) -> None:
    with pytest.raises(CollectFailed, match=said) as failed:
        orders.collect("run", **reads)
    assert "\n" not in failed.value.message


def test_a_wrong_password_is_in_no_error(orders: Database) -> None:
    url = "postgresql://postgres:wr0ng-p%40ss@127.0.0.1:{port}/postgres"
    with pytest.raises(CollectFailed, match="password authentication failed") as failed:
        orders.collect("run", url=url, **BY_TIME)
    assert "wr0ng" not in failed.value.message + "".join(getattr(failed.value, "__notes__", []))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://postgres:s3cret-word@127.0.0.1:1/x", "Can't create a connection"),
        ("oracle://ann:s3cret-word@db/x", "neither postgresql:// nor mysql://"),
        ("s3cret-word", "the secret is no address of a database"),
        ('{{"user": "s3cret-word"}}', "not as Secrets Manager keeps it for RDS"),
        (
            "postgresql://postgres:s3cret-word@127.0.0.1:{port}/x?sslmode=maybe",
            "sslmode=.* isn't known: expected one of disable",
        ),
        ("postgresql://postgres:s3cret-word@127.0.0.1:{port}/x?sslmode=require", "refuses SSL"),
        ("postgresql://postgres:s3cret-word@127.0.0.1:{port}/x?colour=red", "colour"),
    ],
)
def test_a_bad_address_is_told_without_its_secret(orders: Database, url: str, said: str) -> None:
    with pytest.raises(CollectFailed, match=said) as failed:
        orders.collect("run", url=url, **BY_TIME)
    assert "s3cret-word" not in failed.value.message + "".join(getattr(failed.value, "__notes__", []))


def test_the_secret_may_be_as_secrets_manager_keeps_it_for_rds(orders: Database) -> None:
    add(orders, 1)
    kept = {"engine": "postgres", "host": "127.0.0.1", "port": orders.port, "username": "postgres"}
    kept |= {"password": "s3cret/p@ss", "dbname": "postgres"}
    url = json.dumps(kept).replace("{", "{{").replace("}", "}}")
    assert orders.collect("run", url=url, **BY_TIME).rows == 1


def test_a_cursor_that_a_person_sets_is_where_reading_begins_for_good(orders: Database) -> None:
    # Nothing up to it, though rows are read again from before the last cursor.
    add(orders, *range(1, 6))
    reset(store(), "book", 3, pause=lambda _: None)
    assert orders.collect("first", table="orders", cursor="id").rows == 2
    add(orders, 6)
    assert orders.collect("second", table="orders", cursor="id").rows == 1
    assert told() == [4, 5, 6]
    reset(store(), "book", "now and then", pause=lambda _: None)
    with pytest.raises(CollectFailed, match=r"cursor id \(bigint\) has the value 'now and then'"):
        orders.collect("third", table="orders", cursor="id")
