"""A query looks at its partition. Moto sorts the whole table for each, and casts both sides of every comparison.

What is answered is the same: `localcloud/tests/moto_patches/test_speed.py` asks moto with and without.
"""

from __future__ import annotations

import base64
import copy
import inspect
import threading
from decimal import Decimal
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table

from localcloud.moto_patches.patches import Patches

_AS_IT_IS = frozenset({"S", "B", "BOOL"})  # types whose value is what moto compares
_WHOLE = frozenset({"S", "B", "BOOL", "N", "NULL"})  # types whose value is one thing that nothing changes
_SETS = frozenset({"SS", "NS", "BS"})


def apply(patches: Patches) -> None:
    """Let moto's tables answer sooner."""
    _compare(patches)
    _copy(patches)
    _find(patches)


def _compare(patches: Patches) -> None:
    slowly = vars(DynamoType)["cast_value"].fget
    sized = DynamoType.size

    def cast_value(self: DynamoType) -> Any:
        kind = self.type
        if kind in _AS_IT_IS:
            return self.value
        return Decimal(self.value) if kind == "N" else slowly(self)

    def equal(self: DynamoType, other: DynamoType) -> bool:
        if self.type != other.type:
            return False
        return bool(
            self.value == other.value if self.type in _AS_IT_IS else cast_value(self) == cast_value(other),
        )

    def less(self: DynamoType, other: DynamoType) -> bool:
        return bool(cast_value(self) < cast_value(other))

    def digest(self: DynamoType) -> int:
        return hash((self.type, cast_value(self)))

    def size(self: DynamoType) -> int:
        return len(self.value.encode()) if self.type == "S" and type(self.value) is str else int(sized(self))

    patches.set(DynamoType, "cast_value", property(cast_value))
    patches.set(DynamoType, "__eq__", equal)
    patches.set(DynamoType, "__lt__", less)
    patches.set(DynamoType, "__hash__", digest)
    patches.set(DynamoType, "size", size)


def _copy(patches: Patches) -> None:
    def copied(one: Any) -> Any:
        if type(one) is not DynamoType:
            return copy.deepcopy(one)
        made: DynamoType = object.__new__(DynamoType)
        made.type, value = one.type, one.value
        if one.type in _WHOLE:
            made.value = value
        elif one.type == "L":
            made.value = [copied(part) for part in value]
        elif one.type == "M":
            made.value = {name: copied(part) for name, part in value.items()}
        else:
            made.value = list(value) if one.type in _SETS else copy.deepcopy(value)
        return made

    def copied_item(self: Item, _: dict[int, Any]) -> Item:
        made: Item = object.__new__(Item)
        made.hash_key = copied(self.hash_key)
        made.range_key = copied(self.range_key)
        made.attrs = LimitedSizeDict.__new__(LimitedSizeDict)
        dict.update(made.attrs, {name: copied(value) for name, value in self.attrs.items()})
        return made

    def plain(self: DynamoType) -> dict[str, Any]:
        value = self.value
        if isinstance(value, dict):
            value = {name: plain_part(part) for name, part in value.items()}
        elif isinstance(value, list):
            value = [plain_part(part) for part in value]
        elif self.is_binary() and isinstance(value, str):
            value = base64.b64decode(value)
        return {self.type: value}

    def plain_part(part: Any) -> Any:
        return plain(part) if type(part) is DynamoType else copy.deepcopy(part)

    patches.set(DynamoType, "__deepcopy__", lambda self, _: copied(self))
    patches.set(DynamoType, "to_regular_json", plain)
    patches.set(Item, "__deepcopy__", copied_item)


def _find(patches: Patches) -> None:
    asked = threading.local()
    query = Table.query
    signature = inspect.signature(query)

    def query_a_partition(self: Table, *arguments: Any, **more: Any) -> Any:
        given = signature.bind(self, *arguments, **more).arguments
        asked.partition = None if given.get("index_name") else given["hash_key"]
        try:
            return query(self, *arguments, **more)
        finally:
            asked.partition = None

    def all_items(self: Table) -> list[Item]:
        partition: DynamoType | None = getattr(asked, "partition", None)
        if partition is None:
            found = list(self.items.values())
        else:
            found = [self.items[partition]] if partition in self.items else []
        items: list[Any] = [item for held in found for item in held.values()] if self.range_key_attr else found
        return sorted(items, key=_place)

    patches.set(Table, "query", query_a_partition)
    patches.set(Table, "all_items", all_items)


def _place(item: Item) -> tuple[Any, ...]:
    """Where an item is in its table: the keys of all items have the same types."""
    keys = (item.hash_key,) if item.range_key is None else (item.hash_key, item.range_key)
    return tuple(key.cast_value for key in keys)
