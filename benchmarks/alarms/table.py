"""DynamoDB's conditional puts and transactions in memory, with throttles: moto would take hours for a storm."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headwater.storage.table import Table, WriteRefused


class Throttled(Exception):
    """The table refused, as DynamoDB does under load; what asked is delivered again."""


class FastTable(Table):
    """A `Table` whose items lie in memory; ``share`` of all calls are throttled."""

    def __init__(self, share: float, seed: int) -> None:
        self.table, self.share, self._chance = "memory", share, random.Random(seed)
        self._items: dict[str, dict[str, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self.calls = self.throttles = 0

    def _call(self) -> None:
        self.calls += 1
        if self._chance.random() < self.share:
            self.throttles += 1
            raise Throttled

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        """The item."""
        self._call()
        return self._items.get(pk, {}).get(sk)

    def query(self, pk: str, prefix: str, *, after: str = "", page_size: int = 1000) -> Iterator[dict[str, Any]]:
        """The items under ``pk`` in their order; a page of 1,000 is a call."""
        found = [sk for sk in sorted(self._items.get(pk, {})) if sk.startswith(prefix) and sk > after]
        for place, sk in enumerate(found or [""]):
            if place % page_size == 0:
                self._call()
            if sk:
                yield self._items[pk][sk]

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        """All or none."""
        self.calls += 1
        if self._chance.random() < self.share:
            self.throttles += 1
            raise WriteRefused("throttled")
        with self._lock:
            if not all(self._holds(write["Put"]) for write in writes):
                raise WriteRefused("a condition failed")
            for write in writes:
                self._keep(write["Put"])

    def write(self, put: Mapping[str, Any]) -> bool:
        """One."""
        self._call()
        with self._lock:
            if not self._holds(put["Put"]):
                return False
            self._keep(put["Put"])
        return True

    def _holds(self, put: Mapping[str, Any]) -> bool:
        condition = put.get("ConditionExpression", "")
        item = _plain(put["Item"])
        here = self._items.get(item["pk"], {}).get(item["sk"])
        if not condition:
            return True
        if condition.startswith("attribute_not_exists"):
            return here is None
        name, _, value = condition.lstrip("#").partition(" = ")
        wanted = _plain(put["ExpressionAttributeValues"])[value]
        return here is not None and here.get(name) == wanted

    def _keep(self, put: Mapping[str, Any]) -> None:
        item = _plain(put["Item"])
        self._items.setdefault(item["pk"], {})[item["sk"]] = item


def _plain(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        name: None if "NULL" in typed else int(typed["N"]) if "N" in typed else typed["S"]
        for name, typed in item.items()
    }
