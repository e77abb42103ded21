"""The online store: what is read, and that writes end alike in any order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.aws import client
from headwater.features.errors import OnlineStoreBusy
from headwater.features.online import Lookup, OnlineItem, ValueStatus, microseconds, online_key, plan, read_online
from headwater.features.store import OnlineStore, OnlineWrite
from headwater.registry.types import PackageFeature
from tests.unit.lake.world import FEATURES, World

NOW = datetime(2013, 5, 1, 12, tzinfo=UTC)
HOUR = 3600 * 1_000_000


def write(key: str = "JFK", *, hours_ago: float = 1, late: float = 0, revision: int = 1, **values: Any) -> OnlineWrite:
    event = microseconds(NOW) - round(hours_ago * HOUR)
    item = OnlineItem(event, event + round(late * HOUR), values or {"rate": 0.25, "count": None})
    return OnlineWrite(key=online_key("delays", (key,)) or "", item=item, revision=revision, expires=2_000_000_000)


def lookup(*key: str | None, ttl: float = 24) -> Lookup:
    return Lookup("delays", key, ("rate", "count"), ttl * 3600)


@pytest.fixture
def store(world: World) -> OnlineStore:
    return OnlineStore(FEATURES, pause=lambda _: None)


def test_found_missing_expired_and_future_are_told_apart(store: OnlineStore) -> None:
    store.write([write("found"), write("expired", hours_ago=25), write("future", late=2), write("edge", hours_ago=24)])
    keys = ("found", "never seen", "expired", "future", None, "edge", "found")
    answers = read_online(store, [lookup(key) for key in keys], NOW)
    assert [answer.status for answer in answers] == [
        ValueStatus.FOUND, ValueStatus.MISSING, ValueStatus.EXPIRED, ValueStatus.FUTURE, ValueStatus.MISSING,
        ValueStatus.FOUND, ValueStatus.FOUND,
    ]  # fmt: skip
    assert answers[0].values == {"rate": 0.25, "count": None}
    assert (answers[0].age_seconds, answers[2].age_seconds) == (3600, 25 * 3600)
    assert answers[2].values == {"rate": None, "count": None}
    assert answers[0].event_time == NOW - timedelta(hours=1)


def test_a_moment_before_the_newest_value_knows_nothing(store: OnlineStore) -> None:
    store.write([write("JFK")])
    (answer,) = read_online(store, [lookup("JFK")], NOW - timedelta(hours=2))
    assert answer.status is ValueStatus.FUTURE


def test_a_time_without_a_zone_is_refused(store: OnlineStore) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        read_online(store, [], NOW.replace(tzinfo=None))


def test_more_than_a_hundred_keys_are_read_with_every_key_once(store: OnlineStore) -> None:
    store.write([write(f"k{number}") for number in range(130)])
    asked: list[int] = []
    client("dynamodb").meta.events.register(
        "provide-client-params.dynamodb.BatchGetItem",
        lambda params, **_: asked.append(len(params["RequestItems"][FEATURES]["Keys"])),
    )
    answers = read_online(store, [lookup(f"k{number % 130}") for number in range(300)], NOW)
    assert all(answer.status is ValueStatus.FOUND for answer in answers)
    assert asked == [100, 30]


def test_odd_keys_are_kept_apart(store: OnlineStore) -> None:
    odd = ["a|b", "a%7Cb", "ü", "", "x" * 3000, "a b"]
    store.write([write(key) for key in odd if len(key) < 1000])
    answers = read_online(store, [lookup(key) for key in odd], NOW)
    assert [answer.status.value for answer in answers] == ["FOUND", "FOUND", "FOUND", "FOUND", "MISSING", "FOUND"]
    assert online_key("v", ("a|b", "c")) != online_key("v", ("a", "b|c"))


def test_a_plan_has_one_lookup_a_view_and_instance() -> None:
    features = [
        PackageFeature(name=name, column="c", view=name.split(".")[0], entity=entity, ttl_seconds=60)
        for name, entity in (("a.x", ("origin",)), ("b.y", ("origin", "dest")), ("a.z", ("origin",)))
    ]
    (first, second) = plan(features, [{"origin": "JFK", "dest": 5}, {"origin": None}])
    assert first == [Lookup("a", ("JFK",), ("x", "z"), 60), Lookup("b", ("JFK", "5"), ("y",), 60)]
    assert [entry.key for entry in second] == [(None,), (None, None)]


def test_writes_in_any_order_and_twice_end_with_the_newest(world: World, store: OnlineStore) -> None:
    writes = [
        write(hours_ago=3, rate=1.0),
        write(hours_ago=2, rate=2.0),
        write(hours_ago=2, late=0.5, rate=3.0),
        write(hours_ago=2, late=0.5, revision=2, rate=4.0),
    ]
    ends = []
    for order in permutations(writes):
        client("dynamodb").delete_item(TableName=FEATURES, Key={"pk": {"S": writes[0].key}})
        for entry in (*order, order[0]):
            store.write([entry])
        ends.append(world.online()[writes[0].key])
    assert ends[0]["values"]["M"]["rate"] == {"N": "4.0"}
    assert all(end == ends[0] for end in ends)


def test_writing_what_is_there_already_changes_nothing(store: OnlineStore) -> None:
    assert store.write([write("a"), write("b")]) == 2
    assert store.write([write("a"), write("b", hours_ago=0.5)]) == 1


@pytest.mark.parametrize(("value", "kept"), [(1e-200, 0.0), (1e300, None), (float("inf"), None), (float("nan"), None)])
def test_numbers_that_dynamodb_cannot_hold_are_kept_as_well_as_it_can(
    store: OnlineStore, value: float, kept: float | None
) -> None:
    store.write([write(rate=value)])
    assert store.read([write().key])[write().key].values["rate"] == kept


def throttled(times: int) -> Iterator[bool]:
    yield from [True] * times
    while True:
        yield False


@pytest.mark.parametrize("operation", ["PutItem", "BatchGetItem"])
def test_throttled_calls_are_tried_again(store: OnlineStore, operation: str) -> None:
    fails = throttled(5)

    def throttle(**_: Any) -> None:
        if next(fails):
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, operation)

    client("dynamodb").meta.events.register(f"before-call.dynamodb.{operation}", throttle)
    assert store.write([write()]) == 1
    assert len(store.read([write().key])) == 1


def test_keys_that_stay_unprocessed_are_asked_for_again_and_at_last_told(store: OnlineStore) -> None:
    store.write([write("a"), write("b")])
    partly = throttled(3)

    def withhold(parsed: dict[str, Any], **_: Any) -> None:
        if next(partly) and parsed["Responses"][FEATURES]:
            item = parsed["Responses"][FEATURES].pop()
            parsed["UnprocessedKeys"] = {FEATURES: {"Keys": [{"pk": item["pk"]}]}}

    client("dynamodb").meta.events.register("after-call.dynamodb.BatchGetItem", withhold)
    assert len(store.read([write("a").key, write("b").key])) == 2
    partly = throttled(100)
    with pytest.raises(OnlineStoreBusy, match="keys still unprocessed"):
        store.read([write("a").key, write("b").key])
