"""What is written of a large collection, and read again, is the collection."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from localcloud.persistence.collections import Growing, ObjectVersions, TableItems
from moto.dynamodb.models.dynamo_type import DynamoType


class Rows:
    """A collection, and its rows as they are on disk."""

    def __init__(self, collection: Any) -> None:
        self.collection = collection
        self.rows: dict[str, Any] = {}

    def write(self, *, thorough: bool = False) -> int:
        changes = self.collection.changes(thorough=thorough)
        for key, value in changes:
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = deepcopy(value)
        self.collection.settle()
        return len(changes)

    def read(self, make: Callable[[], Any]) -> Any:
        made = make()
        made.load(sorted(self.rows.items()))
        return made


def version(text: str) -> Any:
    return SimpleNamespace(text=text, dispose=lambda: None)


S3 = st.lists(st.tuples(st.sampled_from(["put", "replace", "delete", "one", "tag"]), st.sampled_from("abc"), st.text()))


@given(S3, st.booleans())
def test_versions_of_objects_come_back_in_their_order(calls: list[tuple[str, str, str]], often: bool) -> None:
    kept = Rows(ObjectVersions())
    keys = kept.collection
    for verb, key, text in calls:
        thorough = False
        if verb == "put":
            keys[key] = version(text)
        elif verb == "replace":
            keys.setlist(key, [version(text)])
        elif key in keys and verb == "delete":
            keys.pop(key)
        elif key in keys and verb == "one":
            keys.setlist(key, keys.getlist(key)[1:])
            if not keys.getlist(key):
                keys.pop(key)
        elif key in keys:
            keys.getlist(key)[0].text = text  # of an older version, by a subresource
            thorough = True
        if often or thorough:
            kept.write(thorough=thorough)
    kept.write()
    again = kept.read(ObjectVersions)
    assert {key: [each.text for each in versions] for key, versions in again.lists()} == {
        key: [each.text for each in versions] for key, versions in keys.lists()
    }


def test_one_more_version_writes_one_version() -> None:
    kept = Rows(ObjectVersions())
    for number in range(50):
        kept.collection["key"] = version(str(number))
        assert kept.write() <= 2  # the version, and the order


DYNAMODB = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "update"]), st.sampled_from("ab"), st.sampled_from("12"), st.integers())
)


@given(DYNAMODB, st.booleans(), st.booleans())
def test_items_of_a_table_come_back(calls: list[tuple[str, str, str, int]], sorted_: bool, often: bool) -> None:
    kept = Rows(TableItems())
    items = kept.collection
    for verb, partition_text, sort_text, number in calls:
        partition, sort = DynamoType({"S": partition_text}), DynamoType({"N": sort_text})
        place, key = (items[partition], sort) if sorted_ else (items, partition)
        if verb == "put":
            place[key] = {"v": number}
        elif verb == "delete":
            place.pop(key, None)
        elif dict.get(place, key):
            place[key]["v"] = number  # in place, as moto's UpdateItem
        if often:
            kept.write()
    kept.write()

    def plain(found: Any) -> dict[Any, Any]:
        flat = {key: value for key, value in found.items() if not sorted_ or value}
        return {key: dict(value) for key, value in flat.items()}

    assert plain(kept.read(TableItems)) == plain(items)
    assert plain(deepcopy(items)) == plain(items)


@given(st.lists(st.one_of(st.lists(st.integers(), max_size=4), st.sampled_from(["cut", "clear"]))), st.booleans())
def test_a_growing_list_comes_back(steps: list[Any], often: bool) -> None:
    kept = Rows(Growing())
    events = kept.collection
    for step in steps:
        if step == "cut":
            del events[:1]
        elif step == "clear":
            events.clear()
        else:
            events += [object() if each % 7 == 0 else each for each in step]
        if often:
            kept.write()
    kept.write()
    assert [type(each) for each in kept.read(Growing)] == [type(each) for each in events]


def test_a_growing_list_writes_what_was_added() -> None:
    kept = Rows(Growing())
    for number in range(30):
        kept.collection.append(number)
        assert kept.collection.changes(thorough=False) == [(f"{number:012d}", [number])]
        kept.write()
    assert kept.read(Growing) == list(range(30))
