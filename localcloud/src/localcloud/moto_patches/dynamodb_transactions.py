"""A transaction costs what it touches. Moto copies each table whole before every TransactWriteItems, to roll back.

So n transactions in a table that grows take n² time, and the copies, which hold each other in circles, fill the memory
before they are collected. Here the items that a transaction names are kept, and put back if it is cancelled.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from moto.dynamodb import models
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from localcloud.moto_patches.patches import Patches


def apply(patches: Patches) -> None:
    """Let moto keep items instead of tables."""
    write = DynamoDBBackend.transact_write_items

    def transact_write_items(self: DynamoDBBackend, transact_items: Sequence[Mapping[str, Any]]) -> None:
        before = _before(self, transact_items)
        try:
            write(self, [dict(item) for item in transact_items])
        except Exception:
            for table, state in before:
                state.restore(table)
            raise

    patches.set(DynamoDBBackend, "transact_write_items", transact_write_items)
    # What moto calls the table's copy is then the table: what it puts back when it cancels is there already.
    patches.set(models, "copy", SimpleNamespace(deepcopy=_copy_unless_a_table))


def _copy_unless_a_table(value: Any) -> Any:
    return value if isinstance(value, Table) else copy.deepcopy(value)


class _State:
    """The named items of one table, and how long its stream was."""

    def __init__(self, table: Table) -> None:
        self.items: list[tuple[DynamoType, DynamoType | None, Item | None]] = []
        self._streamed = len(table.stream_shard.items) if table.stream_shard else 0

    def keep(self, table: Table, key: Mapping[str, Any]) -> None:
        names = (table.hash_key_attr, table.range_key_attr)
        # A key that lacks an attribute is moto's to refuse.
        with suppress(KeyError):
            partition, sort = (DynamoType(key[name]) if name else None for name in names)
            if partition is not None:
                # A copy: an update changes the item itself.
                self.items.append((partition, sort, copy.deepcopy(table.get_item(partition, sort))))

    def restore(self, table: Table) -> None:
        for partition, sort, item in self.items:
            table.delete_item(partition, sort)
            if item is not None:
                if sort is None:
                    table.items[partition] = item  # type: ignore[assignment]
                else:
                    table.items[partition][sort] = item
        if table.stream_shard:
            del table.stream_shard.items[self._streamed :]


def _before(backend: DynamoDBBackend, items: Sequence[Mapping[str, Any]]) -> list[tuple[Table, _State]]:
    states: dict[str, tuple[Table, _State]] = {}
    for item in items:
        for part in item.values():
            table = backend.tables.get(part.get("TableName", ""))
            if table is not None:
                _, state = states.setdefault(table.name, (table, _State(table)))
                state.keep(table, part.get("Key") or part.get("Item") or {})
    return list(states.values())
