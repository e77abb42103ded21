# ruff: noqa: S608 -- a test's own statements
"""Rows of a real MariaDB, which speaks MySQL's protocol: what cursors miss elsewhere, and every type's digits."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from headwater.collecting.databases import reading
from headwater.collecting.databases.connecting import connected
from headwater.collecting.databases.reading import read_sql
from headwater.collecting.errors import CollectFailed
from headwater.collecting.service import Tick, reset
from headwater.declare import Collector, Schedule, Sql
from tests.unit.collecting.database import MariaDatabase, records, told
from tests.unit.collecting.world import START, collecting, landed, lines, store
from tests.unit.lake.world import World

BY_TIME: dict[str, Any] = {"table": "orders", "cursor": "updated_at"}


@pytest.fixture
def orders(world: World, maria: MariaDatabase) -> MariaDatabase:
    maria.run("CREATE TABLE orders (id bigint, updated_at timestamp(6) NULL, note text)")
    return maria


def add(database: MariaDatabase, *ids: int, at: str = "now(6)") -> None:
    for number in ids:
        database.run(f"INSERT INTO orders VALUES ({number}, {at}, 'n')")


def test_only_rows_that_are_new_land_and_ties_are_not_lost(orders: MariaDatabase) -> None:
    add(orders, 1, 1, 2, at="'2026-01-01 00:00:00.000001'")
    assert orders.collect("first", **BY_TIME, batch_rows=2).rows == 3
    add(orders, 1, 3, at="'2026-01-01 00:00:00.000001'")
    add(orders, 4, at="'2026-01-01 00:00:00.000002'")
    assert orders.collect("second", **BY_TIME).rows == 3
    assert orders.collect("third", **BY_TIME).rows == 0
    assert told() == [1, 1, 1, 2, 3, 4]


def test_a_transaction_that_commits_late_is_not_lost(orders: MariaDatabase) -> None:
    # airbytehq/airbyte#85918
    late = orders.another()
    with late.cursor() as cursor:
        cursor.execute("INSERT INTO orders VALUES (1, now(6), 'late')")
    add(orders, 2)
    orders.collect("first", **BY_TIME)
    assert told() == [2]
    late.commit()
    late.close()
    orders.collect("second", **BY_TIME)
    assert told() == [1, 2]


def test_every_type_keeps_its_value(world: World, maria: MariaDatabase) -> None:
    maria.run(
        """CREATE TABLE kinds (id bigint unsigned, n decimal(65, 30), f double, r float, tiny tinyint(1), b bit(1),
        bits bit(16), d date, t datetime(6), ts timestamp(6) NULL, clock time(3), year year, bytes varbinary(9),
        big longblob, mood enum('fair', 'foul'), moods set('x', 'y'), doc json, empty text, none text,
        words varchar(99) CHARACTER SET utf8mb4, bin char(3) COLLATE utf8mb4_bin, z int(5) zerofill)"""
    )
    maria.run(
        """INSERT INTO kinds VALUES (18446744073709551615, 0.100000000000000000000000000001, 0.1e0 + 0.2e0, 0.1, 2,
        b'0', b'1000000000000001', '0001-02-03', '2026-03-29 02:30:00.123456', '2026-03-29 12:30:00.000001',
        '-838:59:58.500', 2026, x'00ff', x'ff', 'foul', 'y,x', '{"a": 1.10000000000000000001}', '', NULL,
        'tab\\tünï "q" \\\\ 😀 %s :x', 'ab', 42)"""
    )
    maria.collect("first", table="kinds", cursor="id")
    (line,) = lines(landed().values())
    row = json.loads(line, parse_float=Decimal)
    assert row == {
        "id": 18446744073709551615, "n": Decimal("0.100000000000000000000000000001"),
        "f": Decimal("0.30000000000000004"), "r": Decimal("0.1"), "tiny": 2, "b": "\\x00", "bits": "\\x8001",
        "d": "0001-02-03", "t": "2026-03-29T02:30:00.123456", "ts": "2026-03-29T12:30:00.000001",
        "clock": "-838:59:58.500000", "year": 2026, "bytes": "\\x00ff", "big": "\\xff", "mood": "foul", "moods": "x,y",
        "doc": '{"a": 1.10000000000000000001}', "empty": "", "none": None, "words": 'tab\tünï "q" \\ 😀 %s :x',
        "bin": "ab", "z": 42,
    }  # fmt: skip


def test_a_cursor_keeps_its_microseconds_digits_and_range(world: World, maria: MariaDatabase) -> None:
    # airbytehq/airbyte#76309
    maria.run("CREATE TABLE points (at datetime(6), n decimal(40, 22), big bigint unsigned, day date)")
    maria.run(
        "INSERT INTO points VALUES ('2026-01-01 00:00:00.000001', 1.0000000000000000000001, 18446744073709551615, "
        "'2026-01-01')"
    )
    for cursor in ("at", "n", "big", "day"):
        first = maria.collect(f"{cursor}-1", table="points", cursor=cursor)
        second = maria.collect(f"{cursor}-2", table="points", cursor=cursor)
        assert (cursor, first.rows, second.rows) == (cursor, 1, 0)
        reset(store(), "book", None, pause=lambda _: None)


@pytest.mark.parametrize("day", ["0000-00-00", "2022-11-00"])
def test_dates_that_are_none_land_as_they_are_and_are_no_cursor(world: World, maria: MariaDatabase, day: str) -> None:
    # airbytehq/airbyte#16159, transferwise/pipelinewise-tap-mysql#136
    maria.run("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
    maria.run("CREATE TABLE days (id int, d date, t datetime)")
    maria.run(f"INSERT INTO days VALUES (1, '{day}', '{day} 20:59:22')")
    maria.run(f"INSERT INTO days VALUES (2, '2026-01-01', '{day}')")
    maria.collect("first", table="days", cursor="id")
    assert [row["d"] for row in records()] == [day, "2026-01-01"]
    reset(store(), "book", None, pause=lambda _: None)
    with pytest.raises(CollectFailed, match=rf"cursor d \(date\) has the value '{day}"):
        maria.collect("second", table="days", cursor="d")


def test_a_query_reads_the_ticks_interval_in_utc(orders: MariaDatabase) -> None:
    orders.run("SET time_zone = '+05:30'")
    add(orders, 1, at="'2026-11-01 04:59:59.999999'")
    add(orders, 2, at="'2026-11-01 05:30:00'")
    query = "SELECT id, date_format(updated_at, '%H:%i') AS clock FROM orders WHERE note LIKE '%n%' AND "
    query += "updated_at >= :since AND updated_at < :until -- by the hour"
    orders.collect("first", query=query)
    assert records() == [{"id": 1, "clock": "23:29"}]


def test_rows_are_streamed_into_files_of_a_bounded_size(orders: MariaDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    orders.run("INSERT INTO orders SELECT seq, '2026-01-01', repeat('x', 1000) FROM seq_1_to_2000")
    monkeypatch.setattr(reading, "CHUNK", 100)
    monkeypatch.setattr(reading, "FILE_BYTES", 1_000_000)
    assert orders.collect("first", **BY_TIME).batches == 3
    assert told() == list(range(1, 2001))


def test_who_has_no_time_left_hangs_up_instead_of_reading_to_the_end(world: World, maria: MariaDatabase) -> None:
    sql = Sql(url_secret="ssm:/db", query="SELECT seq AS id FROM seq_1_to_2000000000", cursor="id", batch_rows=5000)
    collector = Collector(name="book", source="readings", schedule=Schedule(every="1h"), reads=sql)
    secrets = {"ssm:/db": maria.url.format(port=maria.port)}
    tick = Tick(at=START, since=None)
    outcome = collecting(partial(read_sql, sql), collector, secrets=secrets).run("run", tick, seconds_left=lambda: 80.0)
    assert (outcome.complete, outcome.rows) == (False, 5000)


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        ({"table": "absent"}, r"the database says: Table 'shop.*absent' doesn't exist \(1146\)"),
        ({"table": "orders", "cursor": "note"}, "column 'note' can't be the cursor"),
        ({"query": "SELECT 1 AS a, 2 AS a"}, "Duplicate column name 'a'"),
        ({"query": "SELECT nothing"}, "Unknown column 'nothing'"),
        ({"table": "orders", "url": "mysql://shop:wr0ng-pass@127.0.0.1:{port}/shop"}, "Access denied for user 'shop'"),
        ({"table": "orders", "url": "mysql://shop:wr0ng-pass@127.0.0.1:1/shop"}, "Can't connect to MySQL server"),
        ({"table": "orders", "url": "mysql://shop:wr0ng-pass@127.0.0.1:{port}/shop?sslmode=require"}, "SSL"),
    ],
)
def test_what_the_database_refuses_is_one_line(orders: MariaDatabase, reads: dict[str, Any], said: str) -> None:
    with pytest.raises(CollectFailed, match=said) as failed:
        orders.collect("run", **reads)
    assert "\n" not in failed.value.message
    assert "wr0ng" not in failed.value.message + "".join(getattr(failed.value, "__notes__", []))


def test_a_statement_can_neither_write_nor_run_for_ever(orders: MariaDatabase) -> None:
    with (
        pytest.raises(CollectFailed, match="READ ONLY transaction"),
        connected(orders.url.format(port=orders.port), 60.0) as (connection, _),
    ):
        connection.exec_driver_sql(f"INSERT INTO {orders.schema}.orders VALUES (1, NULL, 'x')")
    with (
        pytest.raises(CollectFailed, match="max_statement_time exceeded"),
        connected(orders.url.format(port=orders.port), 0.2) as (connection, _),
    ):
        connection.exec_driver_sql("SELECT count(*) FROM seq_1_to_10000000 a, seq_1_to_10000000 b")
