"""The online store: what is read, that writes end alike in any order, and what throttling and lost answers change."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ConnectionClosedError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.features.errors import ItemTooLarge, OnlineStoreBusy
from headwater.features.online.encoding import Row, pack, unpack
from headwater.features.online.reading import (
    Lookup,
    ValueStatus,
    attribute_of,
    entity_of,
    microseconds,
    online_key,
    plan,
    read_online,
)
from headwater.features.online.store import OnlineStore, OnlineWrite
from headwater.registry.types import PackageFeature
from headwater.storage.environment import CLIENTS
from headwater.storage.http.connection import connection
from tests.unit.lake.world import FEATURES, World

NOW = datetime(2013, 5, 1, 12, tzinfo=UTC)
HOUR = 3600 * 1_000_000
VIEW = "0123456789ab"
OTHER = "ba9876543210"


def write(
    key: str = "JFK", *values: float | None, hours_ago: float = 1, late: float = 0, revision: int = 1, ttl: int = 24
) -> OnlineWrite:
    event = microseconds(NOW) - round(hours_ago * HOUR)
    row = Row(event, event + round(late * HOUR), revision, values or (0.25, None))
    return OnlineWrite(online_key(("origin",), (key,)) or "", pack(row), event // 1_000_000 + ttl * 3600)


def lookup(*key: str | None, ttl: float = 24, version: str = VIEW) -> Lookup:
    return Lookup("delays", version, ("origin",), key, ("rate", "count"), (0, 1), ttl * 3600)


@pytest.fixture
def store(world: World) -> OnlineStore:
    return OnlineStore(FEATURES, CLIENTS, pause=lambda _: None)


def test_found_missing_expired_and_future_are_told_apart(store: OnlineStore) -> None:
    writes = [write("found"), write("expired", hours_ago=25), write("future", late=2), write("edge", hours_ago=24)]
    store.write(VIEW, writes)
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
    store.write(VIEW, [write("JFK")])
    (answer,) = read_online(store, [lookup("JFK")], NOW - timedelta(hours=2))
    assert answer.status is ValueStatus.FUTURE


def test_a_time_without_a_zone_is_refused(store: OnlineStore) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        read_online(store, [], NOW.replace(tzinfo=None))


def test_view_versions_share_an_item_and_are_read_by_name_in_one_request(world: World, store: OnlineStore) -> None:
    store.write(VIEW, [write("JFK", 1.0, 2.0)])
    store.write(OTHER, [write("JFK", 3.0, 4.0, hours_ago=2, ttl=1)])
    store.write(OTHER, [write("LGA", 5.0, 6.0, ttl=1)])
    asked = counted("BatchGetItem")
    answers = read_online(
        store, [lookup(key, version=version) for key in ("JFK", "LGA") for version in (VIEW, OTHER)], NOW
    )
    assert [answer.values["rate"] for answer in answers] == [1.0, 3.0, None, 5.0]
    assert len(asked) == 1
    items = world.online()
    noon = int(NOW.timestamp())
    assert {key: int(item["expires"]["N"]) - noon for key, item in items.items()} == {
        "origin|JFK": 23 * 3600,
        "origin|LGA": 0,
    }
    assert items["origin|JFK"].keys() == {"pk", "expires", attribute_of(VIEW), attribute_of(OTHER)}


def test_more_than_a_hundred_keys_are_read_with_every_key_once(store: OnlineStore) -> None:
    store.write(VIEW, [write(f"k{number}") for number in range(130)])
    asked = counted("BatchGetItem")
    answers = read_online(store, [lookup(f"k{number % 130}") for number in range(300)], NOW)
    assert all(answer.status is ValueStatus.FOUND for answer in answers)
    sizes = [len(json.loads(body)["RequestItems"][FEATURES]["Keys"]) for body in asked]
    assert sorted(sizes) == [30, 100]


def test_odd_keys_are_kept_apart(store: OnlineStore) -> None:
    odd = ["a|b", "a%7Cb", "ü", "", "x" * 3000, "a b", "?"]
    store.write(VIEW, [write(key) for key in odd if len(key) < 1000])
    answers = read_online(store, [lookup(key) for key in odd], NOW)
    assert [answer.status.value for answer in answers] == [
        "FOUND", "FOUND", "FOUND", "FOUND", "MISSING", "FOUND", "FOUND"]  # fmt: skip


@given(st.lists(st.text(max_size=6), min_size=1, max_size=3), st.lists(st.text(max_size=6), min_size=1, max_size=3))
def test_a_key_says_which_entity_it_is_of(one: list[str], other: list[str]) -> None:
    left, right = (online_key(["k", "l", "m"][: len(values)], values) for values in (one, other))
    assert (left == right) == (one == other)
    assert left is not None
    assert entity_of(left) == tuple(one)


def test_half_of_a_surrogate_pair_is_no_question_mark() -> None:
    assert online_key(("k",), ("\ud800",)) != online_key(("k",), ("?",))
    assert entity_of(online_key(("k",), ("\ud800",)) or "") == ("\ud800",)


def test_a_plan_has_one_lookup_a_view_and_instance() -> None:
    features = [
        PackageFeature(
            name=name, column="c", view=name[0], entity=entity, ttl_seconds=60, version=name[0], position=place
        )
        for name, entity, place in (("a.x", ("origin",), 2), ("b.y", ("origin", "dest"), 0), ("a.z", ("origin",), 1))
    ]
    (first, second) = plan(features, [{"origin": "JFK", "dest": 5}, {"origin": None}])
    assert first == [
        Lookup("a", "a", ("origin",), ("JFK",), ("x", "z"), (2, 1), 60),
        Lookup("b", "b", ("origin", "dest"), ("JFK", "5"), ("y",), (0,), 60),
    ]
    assert [entry.key for entry in second] == [(None,), (None, None)]
    with pytest.raises(ValueError, match=r"a\.x names no version of its view"):
        plan([features[0].model_copy(update={"position": None})], [{}])


# -- writing ----------------------------------------------------------------------------------------------------------

ENTITIES = ("a", "b")
WRITES = st.builds(
    lambda key, version, hours, late, revision, value: (
        version,
        write(key, value, hours_ago=hours, late=late, revision=revision, ttl=1 if version == VIEW else 3)),
    st.sampled_from(ENTITIES), st.sampled_from((VIEW, OTHER)), st.integers(0, 2), st.integers(0, 1), st.integers(1, 2),
    st.sampled_from([None, -1.0, 0.0, 2.0]),
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WRITES, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_order_repetition_and_concurrency_ends_with_the_largest_values(
    world: World, store: OnlineStore, writes: list[tuple[str, OnlineWrite]], random: Any
) -> None:
    empty()
    shuffled = writes * 2
    random.shuffle(shuffled)
    halves = (shuffled[: len(writes)], shuffled[len(writes) :])
    run_together([lambda half=half: [store.write(version, [entry]) for version, entry in half] for half in halves])
    assert state(world) == clean(writes)


def test_writing_what_is_there_already_changes_nothing(store: OnlineStore) -> None:
    assert store.write(VIEW, [write("a"), write("b")]) == 2
    asked = counted("BatchExecuteStatement")
    assert store.write(VIEW, [write("a"), write("b", hours_ago=0.5)]) == 1
    (body,) = asked
    assert len(json.loads(body)["Statements"]) == 1


def test_a_hot_key_that_many_write_at_once_ends_with_the_newest(world: World, store: OnlineStore) -> None:
    writes = [write("hot", float(number), hours_ago=number / 10) for number in range(40)]
    run_together([lambda part=writes[start::4]: [store.write(VIEW, [entry]) for entry in part] for start in range(4)])
    assert state(world) == clean([(VIEW, entry) for entry in writes])


def test_an_item_that_expires_between_reading_and_writing_is_written_anew(world: World, store: OnlineStore) -> None:
    store.write(VIEW, [write(hours_ago=3)])
    gone = iter([True])
    before("BatchExecuteStatement", lambda _: empty() if next(gone, False) else None)
    assert store.write(VIEW, [write(hours_ago=1)]) == 1
    assert state(world) == clean([(VIEW, write(hours_ago=1))])


def test_a_write_whose_answer_was_lost_finds_itself_and_counts_once(world: World, store: OnlineStore) -> None:
    lose = iter([True])

    def lost(body: dict[str, Any]) -> Exception | None:
        if not next(lose, False):
            return None
        ask("BatchExecuteStatement", body)
        return ConnectionClosedError(endpoint_url="http://lost")

    before("BatchExecuteStatement", lost)
    assert store.write(VIEW, [write("a"), write("b")]) == 2
    assert state(world) == clean([(VIEW, write("a")), (VIEW, write("b"))])


@pytest.mark.parametrize("operation", ["BatchExecuteStatement", "BatchGetItem"])
def test_throttled_calls_are_tried_again(store: OnlineStore, operation: str) -> None:
    fails = iter([True] * 4)
    before(operation, lambda _: THROTTLED if next(fails, False) else None)
    assert store.write(VIEW, [write()]) == 1
    assert len(store.read([write().key], [attribute_of(VIEW)])) == 1


def test_statements_that_are_throttled_alone_are_tried_again_alone(world: World, store: OnlineStore) -> None:
    rounds: list[int] = []

    def some(body: dict[str, Any]) -> dict[str, Any] | None:
        rounds.append(len(body["Statements"]))
        if len(rounds) > 3:
            return None
        done = ask("BatchExecuteStatement", {"Statements": body["Statements"][:1]})
        error = {"Error": {"Code": "ProvisionedThroughputExceeded", "Message": "slow down"}}
        return {"Responses": [*done["Responses"], *[error] * (len(body["Statements"]) - 1)]}

    before("BatchExecuteStatement", some)
    writes = [write(f"k{number}") for number in range(6)]
    assert store.write(VIEW, writes) == 6
    assert rounds == [6, 5, 4, 3]
    assert state(world) == clean([(VIEW, entry) for entry in writes])


def test_a_store_that_stays_throttled_says_so_and_another_error_is_told_as_it_is(store: OnlineStore) -> None:
    answers = [THROTTLED] * 5
    before("BatchExecuteStatement", lambda _: answers.pop(0))
    with pytest.raises(OnlineStoreBusy, match="throttled until all retries were spent"):
        store.write(VIEW, [write()])
    answers.append({"Responses": [{"Error": {"Code": "AccessDenied", "Message": "not allowed"}}]})
    with pytest.raises(ClientError, match="AccessDenied"):
        store.write(VIEW, [write()])


def test_keys_that_stay_unprocessed_are_asked_for_again_and_at_last_told(store: OnlineStore) -> None:
    store.write(VIEW, [write("a"), write("b")])
    partly = iter([True] * 3)

    def withhold(body: dict[str, Any]) -> dict[str, Any]:
        found = ask("BatchGetItem", body)
        if next(partly, False) and found["Responses"][FEATURES]:
            item = found["Responses"][FEATURES].pop()
            found["UnprocessedKeys"] = {FEATURES: {"Keys": [{"pk": item["pk"]}]}}
        return found

    before("BatchGetItem", withhold)
    keys, names = [write("a").key, write("b").key], [attribute_of(VIEW)]
    assert len(store.read(keys, names)) == 2
    partly = iter([True] * 100)
    with pytest.raises(OnlineStoreBusy, match="keys still unprocessed"):
        store.read(keys, names)


def test_an_item_over_400_kb_is_refused_with_the_entity(world: World, store: OnlineStore) -> None:
    wide = tuple(float(number) for number in range(60_000))
    store.write(VIEW, [write("JFK", *wide)])
    with pytest.raises(ItemTooLarge, match=r"online item 'origin\|JFK': .* would be too large") as refused:
        store.write(OTHER, [write("JFK", *wide)])
    assert refused.value.exit_code == 2
    assert state(world) == clean([(VIEW, write("JFK", *wide))])


def test_whoever_is_told_of_progress_may_stop_the_writing(world: World, store: OnlineStore) -> None:
    told: list[str] = []

    def until_it_is_enough(last: OnlineWrite, count: int) -> bool:
        told.append(f"{entity_of(last.key)[0]} {count}")
        return len(told) < 2

    endless = (write(f"{number:06}") for number in range(10**9))
    written = OnlineStore(FEATURES, CLIENTS, workers=2).write(VIEW, endless, written=until_it_is_enough)
    assert told[:2] == ["000099 100", "000199 100"]
    assert written == len(world.online()) < 1500


# -- what happens on the way ------------------------------------------------------------------------------------------


def state(world: World) -> dict[str, Any]:
    """All items: values as rows, and when they expire."""
    return {
        key: {name: unpack(value["B"]) if "B" in value else value for name, value in item.items() if name != "pk"}
        for key, item in world.online().items()
    }


def clean(writes: Sequence[tuple[str, OnlineWrite]]) -> dict[str, Any]:
    """What one undisturbed writer leaves: the largest of everything."""
    ends: dict[str, Any] = {}
    for version, entry in sorted(writes, key=lambda pair: pair[1].value):
        ends.setdefault(entry.key, {})[attribute_of(version)] = unpack(entry.value)
    for key, item in ends.items():
        item["expires"] = {"N": str(max(entry.expires for _, entry in writes if entry.key == key))}
    return ends


def empty() -> None:
    for item in CLIENTS("dynamodb").scan(TableName=FEATURES)["Items"]:
        CLIENTS("dynamodb").delete_item(TableName=FEATURES, Key={"pk": item["pk"]})


def run_together(tasks: Sequence[Any]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def counted(operation: str) -> list[bytes]:
    """The bodies of the calls from now on."""
    bodies: list[bytes] = []
    CLIENTS("dynamodb").meta.events.register_first(
        f"before-send.dynamodb.{operation}", lambda request, **_: bodies.append(request.body)
    )
    return bodies


_inside = threading.local()


def before(operation: str, act: Callable[[dict[str, Any]], dict[str, Any] | Exception | None]) -> None:
    """Let ``act`` answer in DynamoDB's place, or do something before it answers."""

    def handle(request: Any, **_: Any) -> AWSResponse | None:
        if getattr(_inside, "acting", False):
            return None
        _inside.acting = True
        try:
            found = act(json.loads(request.body))
        finally:
            _inside.acting = False
        if isinstance(found, Exception):
            raise found
        return None if found is None else answer(found, 400 if "__type" in found else 200)

    CLIENTS("dynamodb").meta.events.register_first(f"before-send.dynamodb.{operation}", handle)


def answer(body: dict[str, Any], status: int) -> AWSResponse:
    return AWSResponse("http://dynamodb", status, {}, Raw(json.dumps(body).encode()))


class Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def ask(operation: str, body: dict[str, Any]) -> dict[str, Any]:
    return connection("dynamodb", CLIENTS).call(operation, body)


THROTTLED = {"__type": "ThrottlingException", "message": "slow down"}
