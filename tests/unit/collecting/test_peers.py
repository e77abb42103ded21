"""Bug reports of Airbyte, Singer's taps, dlt, sling, olake and Airbyte's CDK, tried here: what each should have got."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from moto.s3.models import s3_backends

from headwater.collecting.errors import CollectFailed
from headwater.collecting.service import reset
from headwater.declare import NextToken, PageNumber
from headwater.storage.environment import CLIENTS
from tests.crashing import Killed
from tests.unit.collecting.database import Database, MariaDatabase, records, told
from tests.unit.collecting.test_buckets import collect, exports, put
from tests.unit.collecting.web import Answer, Host
from tests.unit.collecting.world import landed, lines, store
from tests.unit.lake.world import World
from tests.unit.versions.cases import wired

__all__ = ["exports"]

TABLE: dict[str, Any] = {"table": "orders", "cursor": "at"}


@pytest.fixture
def orders(world: World, database: Database) -> Database:
    database.run("CREATE TABLE orders (id bigint, at timestamptz, n numeric)")
    return database


def test_airbyte_15427_rows_of_one_time_are_not_lost_between_two_states(orders: Database) -> None:
    orders.run("INSERT INTO orders SELECT n, '2026-01-01' FROM generate_series(1, 9) n")
    wire = wired("s3", "dynamodb")
    commits = iter(range(1000))
    # Claimed, counted, landed, counted: killed as the second file is to count.
    wire.fault = lambda call: "kill" if call == "TransactWriteItems" and next(commits) == 3 else None
    with pytest.raises(Killed):
        orders.collect("killed", **TABLE, batch_rows=4)
    wire.revive()
    assert told() == [1, 2, 3, 4]
    orders.collect("next", **TABLE, batch_rows=4)
    assert told() == list(range(1, 10))


def test_meltano_sdk_2154_a_table_of_one_time_is_not_read_again_by_each_run(orders: Database) -> None:
    orders.run("INSERT INTO orders SELECT n, '2026-01-01' FROM generate_series(1, 9) n")
    assert orders.collect("first", **TABLE, batch_rows=4).rows == 9
    assert orders.collect("second", **TABLE, batch_rows=4).rows == 0
    assert told() == list(range(1, 10))


def test_airbyte_21500_a_row_that_moves_ahead_of_the_cursor_lands_in_the_next_run(
    orders: Database,
) -> None:
    orders.run(
        "INSERT INTO orders SELECT n, '2026-01-01'::timestamptz + n * interval '1 s' FROM generate_series(1, 9) n"
    )
    orders.collect("first", **TABLE, batch_rows=3)
    orders.run("UPDATE orders SET at = now(), n = 1 WHERE id = 2")
    orders.collect("second", **TABLE, batch_rows=3)
    assert told() == [1, 2, 2, 3, 4, 5, 6, 7, 8, 9]


def test_airbyte_72936_a_run_without_rows_keeps_the_cursor(orders: Database) -> None:
    orders.run("INSERT INTO orders VALUES (1, '2026-01-01')")
    orders.collect("first", **TABLE)
    before = store().state()
    orders.run("DELETE FROM orders")
    orders.collect("second", **TABLE)
    after = store().state()
    assert before is not None
    assert after is not None
    assert after.cursor == before.cursor
    orders.run("INSERT INTO orders VALUES (2, '2025-01-01'), (3, '2026-01-02')")
    assert orders.collect("third", **TABLE).rows == 1


def test_airbyte_19952_infinity_is_kept_and_does_not_become_the_last_cursor(orders: Database) -> None:
    orders.run("INSERT INTO orders VALUES (1, 'infinity'), (2, '2026-01-01')")
    orders.collect("first", **TABLE)
    orders.run("INSERT INTO orders VALUES (3, '2026-01-02')")
    orders.collect("second", **TABLE)
    assert told() == [2, 3]
    orders.run("INSERT INTO orders VALUES (4, '-infinity')")
    reset(store(), "book", None, pause=lambda _: None)
    with pytest.raises(CollectFailed, match="'-infinity', which none can come after or before"):
        orders.collect("third", **TABLE)


def test_sling_405_and_wren_2655_numbers_without_a_scale_keep_all_digits(orders: Database) -> None:
    orders.run("INSERT INTO orders VALUES (1, now(), 0.12345678901234567890123456789012345678901), (2, now(), 20)")
    orders.collect("first", **TABLE)
    found = lines(landed().values())
    assert ['"n":0.12345678901234567890123456789012345678901}' in found[0], '"n":20}' in found[1]] == [True, True]


def test_tap_mysql_82_and_pipelinewise_37_small_integers_and_bits_become_no_booleans(
    world: World, maria: MariaDatabase
) -> None:
    maria.run("CREATE TABLE flags (id int, small tinyint(1), bit bit(1))")
    maria.run("INSERT INTO flags VALUES (1, 2, b'0'), (2, -128, b'1')")
    maria.collect("first", table="flags", cursor="id")
    assert [(row["small"], row["bit"]) for row in records()] == [(2, "\\x00"), (-128, "\\x01")]


def test_dlt_2932_a_last_page_whose_records_are_null_is_empty(host: Host) -> None:
    page = {"users": [{"id": 1}], "next": "a"}
    host.answers(Answer(page), Answer({"users": None, "next": None}))
    host.collect(records="users", paging=NextToken(field="next", parameter="token"))
    assert lines(landed().values()) == ['{"id":1}']
    # The first page is another matter: nobody knows that there are none.
    host.answers(Answer({"users": None, "next": None}))
    with pytest.raises(CollectFailed, match="'users' of the answer is null, expected a list of records"):
        host.collect("second", records="users", paging=NextToken(field="next", parameter="token"))


def test_airbyte_cdk_1148_a_token_that_comes_again_ends_the_run_with_an_error(host: Host) -> None:
    following = {None: "a", "a": "b", "b": "a"}
    host.respond = lambda _, query, __: Answer({"users": [{"id": 1}], "next": following[query.get("token")]})
    with pytest.raises(CollectFailed, match="names a page that was read before"):
        host.collect(records="users", paging=NextToken(field="next", parameter="token"))
    assert (len(host.asked), landed()) == (3, {})


def test_dlt_2350_the_last_page_is_read_once(host: Host) -> None:
    pages = {"1": [{"id": 1}], "2": [{"id": 2}], "3": []}
    host.respond = lambda _, query, __: Answer(pages[query["page"]])
    host.collect(paging=PageNumber())
    assert [json.loads(line)["id"] for line in lines(landed().values())] == [1, 2]


@pytest.mark.usefixtures("exports")
def test_airbyte_5365_and_olake_1131_objects_are_found_whenever_they_were_written() -> None:
    put(b="1")
    collect("first")
    put(a="2", c="3")
    written = s3_backends["123456789012"]["global"].buckets["exports"].keys
    # One within the same second as the last that was seen, one that became visible late.
    written["out/c.csv"].last_modified = written["out/b.csv"].last_modified
    written["out/a.csv"].last_modified = datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    assert CLIENTS("s3").head_object(Bucket="exports", Key="out/a.csv")["LastModified"].year == 2020
    collect("second")
    assert landed() == {"book/a.csv": b"2", "book/b.csv": b"1", "book/c.csv": b"3"}
