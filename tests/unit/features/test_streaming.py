"""Streamed rows are checked, go online at once, and give way as all rows do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.declare import Feature, InvalidProduct
from headwater.features.errors import InvalidRows
from headwater.features.inputs import entity_text
from headwater.features.online.reading import ValueStatus, plan, read_online
from headwater.features.online.store import OnlineStore
from headwater.features.stream.rows import MOST_ROWS, Streaming
from headwater.handlers.features import stream
from headwater.json_values import NotJson, dumps, json_value, loads
from headwater.lake.errors import LakeBusy
from headwater.lake.store import Arrivals
from headwater.registry.types import PackageFeature
from headwater.storage.environment import CLIENTS
from tests.contract import held
from tests.unit.features.shop import SECOND, features, land, products
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import FEATURES, LAKE, World

NOW = datetime(2013, 1, 1, 9, 30, tzinfo=UTC)


def streaming() -> Streaming:
    return Streaming(
        products(), OnlineStore(FEATURES, CLIENTS, pause=lambda _: None), Arrivals(LAKE, CLIENTS), now=lambda: NOW
    )


def row(shop: Any = "a", hour: float = 9, **values: Any) -> dict[str, Any]:
    return {"shop": shop, "event_time": f"2013-01-01T{int(hour):02}:00:00Z", **values}


def test_the_newest_row_of_each_entity_counts_in_whatever_order_they_come(world: World) -> None:
    done = streaming().ingest("last_sale", [row(hour=8, amount=1), row(hour=9, amount=2), row("b", 7, amount=3)])
    assert (done.rows, done.written, done.version) == (3, 2, SECOND.version)
    assert streaming().ingest("last_sale", [row(hour=8, amount=9), row(hour=9, amount=2)]).written == 0
    online = world.rows_online(SECOND)
    assert online == {"shop|a": {"amount": 2.0, "thrice": None}, "shop|b": {"amount": 3.0, "thrice": None}}


def test_streamed_and_materialised_rows_give_way_to_newer_and_uploaded_ones(
    world: World,
) -> None:
    land(world, "2.csv")
    at_three = {"available_time": "2013-01-01T04:00:00Z", "amount": 1e9, "thrice": 1e9}
    streaming().ingest("last_sale", [row("a", 3, **at_three), row("b", 9, amount=7)])
    features().materialise("last_sale")
    online = world.rows_online(SECOND)
    assert online["shop|a"] == {"amount": 30.0, "thrice": 90.0}
    assert online["shop|b"] == {"amount": 7.0, "thrice": None}
    assert streaming().ingest("last_sale", [row("a", 3, **at_three)]).written == 0


numbers = st.one_of(
    st.floats(width=32, min_value=0, allow_infinity=False), st.floats(), st.integers(-5, 2**40), st.booleans(),
    st.decimals(allow_nan=False, min_value=0, max_value=10**6, places=3), st.none(), st.text(max_size=3),
)  # fmt: skip
names = st.one_of(
    st.integers(2**53, 2**54), st.integers(-9, 9), st.booleans(), st.floats(-1e20, 1e20), st.text(max_size=5),
    st.decimals(allow_nan=False, min_value=-(10**20), max_value=10**20, places=4),
)  # fmt: skip


ticks = count()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(names, numbers), min_size=1, max_size=6))
def test_what_is_streamed_is_what_is_looked_up_or_is_refused_by_name(world: World, given: list[Any]) -> None:
    for name, number in given:
        # As the client sends it and the function reads it.
        moment = NOW - timedelta(minutes=30, microseconds=-next(ticks))
        try:
            sent = loads(dumps(json_value([{"shop": name, "event_time": moment, "amount": number}])))
        except NotJson as error:
            assert str(error).startswith(("[0].amount: ", "[0].shop: "))  # noqa: PT017 - one of many rows
            continue
        try:
            streaming().ingest("last_sale", sent)
        except InvalidRows as error:
            refused = {problem["field"] for problem in error.by_row()}
            if not refused <= {"rows[0].amount", "rows[0].shop"}:
                raise
            continue
        wanted = [PackageFeature.of(SECOND, "amount")]
        asked = [{"shop": name}, {"shop": entity_text(name)}]
        lookups = [entry for row in plan(wanted, asked) for entry in row]
        store = OnlineStore(FEATURES, CLIENTS, pause=lambda _: None)
        found = read_online(store, lookups, moment + timedelta(microseconds=1))
        expected = None if number is None or number == "" or number != number else float(numpy.float32(float(number)))
        assert [answer.values["amount"] for answer in found] == [expected] * 2
        assert [answer.status for answer in read_online(store, lookups, moment)] == [ValueStatus.FUTURE] * 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"nosuch": 1}, r"rows\[1\].nosuch: unknown column, expected one of shop, event_time"),
        ({"shop": None}, r"rows\[1\].shop: missing, expected text or a number"),
        ({"shop": "\ud800"}, r"rows\[1\].shop: '.ud800', expected text or a number"),
        ({"shop": [1]}, r"rows\[1\].shop: \[1\], expected text or a number"),
        ({"shop": "x" * 3000}, "a key of 3,000 characters, expected one of 2,048 bytes"),
        ({"event_time": None}, r"rows\[1\].event_time: missing, expected a time"),
        ({"event_time": "yesterday"}, "'yesterday', expected a time such as"),
        ({"event_time": NOW + timedelta(minutes=6)}, "expected a time that isn't yet to come"),
        ({"available_time": NOW + timedelta(minutes=6)}, r"available_time: .* expected a time that isn't yet to come"),
        ({"amount": "5"}, r"amount: '5', expected a number that float32 can hold"),
        ({"amount": 1e300}, "expected a number that float32 can hold"),
        ({"amount": 10**400}, "a number of more than 38 digits, expected a number that float32 can hold"),
        ({"amount": -1}, r"amount: -1, expected at least 0"),
    ],
)
def test_rows_with_a_problem_are_refused_all_together(world: World, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRows, match=said):
        streaming().ingest("last_sale", [row(amount=1), row("b") | wrong])
    assert world.online() == {}


def test_what_could_not_be_kept_is_not_online_and_may_be_sent_again(world: World) -> None:
    def busy(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")

    CLIENTS("s3").meta.events.register("before-call.s3.PutObject", busy)
    with pytest.raises(LakeBusy, match="throttled until all retries were spent"):
        streaming().ingest("last_sale", [row(amount=1)])
    assert world.online() == {}
    CLIENTS("s3").meta.events.unregister("before-call.s3.PutObject", busy)
    assert streaming().ingest("last_sale", [row(amount=1), row("b", 7, amount=2)]).written == 2
    # In whatever order and however often the rows of a call come, they are one object.
    assert streaming().ingest("last_sale", [row("b", 7, amount=2), row(amount=1.0), row(amount=1)]).written == 0
    assert len(world.keys(prefix=f"arrived/last_sale/{SECOND.version}/")) == 1


def test_a_value_is_refused_where_the_check_of_offline_rows_would_refuse_it(world: World) -> None:
    kinds = (Feature(name="amount", maximum=0.3), Feature(name="thrice", kind="integer", max_missing=0))
    strict = Streaming(
        products(SECOND.model_copy(update={"features": kinds})),
        OnlineStore(FEATURES, CLIENTS),
        Arrivals(LAKE, CLIENTS),
        now=lambda: NOW,
    )
    # In float32 it is 0.30000001.
    with pytest.raises(InvalidRows, match=r"amount: 0.3, expected at most 0.3; .*thrice: missing, expected a value"):
        strict.ingest("last_sale", [row(amount=0.3)])
    with pytest.raises(InvalidRows, match="thrice: 16777217, expected a whole number within"):
        strict.ingest("last_sale", [row(thrice=2**24 + 1)])


@pytest.mark.parametrize("rows", [[], {}, "rows", None, [1], [row()] * (MOST_ROWS + 1)])
def test_what_is_no_list_of_rows_or_too_long_is_refused(world: World, rows: Any) -> None:
    with pytest.raises(InvalidRows, match="expected a"):
        streaming().ingest("last_sale", rows)
    with pytest.raises(InvalidProduct, match="nosuch"):
        streaming().ingest("nosuch", rows)


def test_whole_numbers_and_truths_are_checked_as_they_are_declared(world: World) -> None:
    kinds = (Feature(name="amount", kind="integer"), Feature(name="thrice", kind="boolean"))
    declared = products(SECOND.model_copy(update={"features": kinds}))
    strict = Streaming(declared, OnlineStore(FEATURES, CLIENTS), Arrivals(LAKE, CLIENTS), now=lambda: NOW)
    assert strict.ingest("last_sale", [row(amount=2, thrice=True)]).written == 1
    with pytest.raises(
        InvalidRows, match=r"amount: 2.5, expected a whole number within .*; .*thrice: 2, expected 0 or 1"
    ):
        strict.ingest("last_sale", [row(amount=2.5, thrice=2)])


# -- the function -----------------------------------------------------------------------------------------------------


def weather(**more: Any) -> dict[str, Any]:
    return {"origin": "JFK", "event_time": "2013-01-01T06:00:00Z", "temp": 40.0, **more}


def post(view: str, body: str) -> tuple[int, dict[str, Any]]:
    stream.service.cache_clear()  # type: ignore[attr-defined]
    event = {"rawPath": f"/features/{view}/rows", "body": body, "requestContext": {"http": {"method": "POST"}}}
    answer = held(event, stream.handler(event, Context()))
    return answer["statusCode"], json.loads(answer["body"])


def test_the_api_answers_what_became_of_rows_and_what_was_wrong_with_them(world: World) -> None:
    status, body = post("origin_weather", json.dumps({"rows": [weather()]}))
    assert (status, body["rows"], body["written"]) == (200, 1, 1)
    assert post("origin_weather", "{")[0] == 400
    assert post("nosuch", json.dumps({"rows": [weather()]}))[1]["reason"] == "InvalidProduct"
    status, body = post("origin_weather", json.dumps({"rows": [weather(event_time=None)]}))
    assert (status, body["reason"]) == (400, "InvalidRows")
    assert "event_time: missing" in body["message"]


def test_of_a_queues_messages_only_the_failed_come_again(world: World) -> None:
    stream.service.cache_clear()  # type: ignore[attr-defined]
    bodies = [{"view": "origin_weather", "rows": [weather()]}, {"view": "nosuch", "rows": [weather()]}]
    records = [
        {"messageId": str(number), "body": json.dumps(body), "eventSource": "aws:sqs"}
        for number, body in enumerate(bodies)
    ]
    answer = stream.handler({"Records": records}, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert list(world.online()) == ["origin|JFK"]
