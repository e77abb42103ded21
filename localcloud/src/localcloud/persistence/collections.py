"""Moto's large collections, which know what of them was touched: one more object must not cost a copy of all others.

Each has an id of its own; its rows are a part of the book. What was touched is written again with the call that
touched it, so a collection must be touched by whoever changes a value in place: `__getitem__` and `get` touch.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from moto.s3.utils import _VersionedKeyStore

Row = tuple[str, Any]
"""A key, and the value to write there; None takes it away."""


class Collection(Protocol):
    """A collection that is kept in rows of its own."""

    uid: str

    def changes(self, *, thorough: bool) -> list[Row]:
        """What was touched since `settle`. ``thorough`` says that older versions of a touched key may have changed."""

    def settle(self) -> None:
        """What `changes` told is written."""

    def load(self, rows: Iterable[Row]) -> None:
        """Take the content from its rows, in the order of their keys."""


class ObjectVersions(_VersionedKeyStore):
    """The versions of a bucket's objects: a row for each version, and one for each key with their order."""

    def __init__(self) -> None:
        super().__init__()
        self.uid = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._touched: set[str] = set()
        self._written: dict[str, list[int]] = {}

    def __sgetitem__(self, key: str) -> list[Any]:
        self._touched.add(key)
        return super().__sgetitem__(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._touched.add(key)
        super().__setitem__(key, value)

    def setlist(self, key: Any, list_: Any) -> None:
        """Replace all versions of a key."""
        self._touched.add(key)
        super().setlist(key, list_)

    def pop(self, key: str) -> None:  # type: ignore[override]
        """Forget a key."""
        self._touched.add(key)
        super().pop(key)

    def _self_iterable(self) -> dict[str, Any]:
        return dict(self)

    def _itervalues(self) -> Iterator[Any]:
        # Not through `__getitem__`: whoever looks at all changes none.
        for versions in list(dict.values(self)):
            yield versions[-1]

    def _iteritems(self) -> Iterator[tuple[str, Any]]:
        for key, versions in list(dict.items(self)):
            yield key, versions[-1]

    def _iterlists(self) -> Iterator[tuple[str, list[Any]]]:
        yield from list(dict.items(self))

    items = iteritems = _iteritems
    lists = iterlists = _iterlists
    values = itervalues = _itervalues

    def changes(self, *, thorough: bool) -> list[Row]:
        """Each touched key's order of versions, and those of its versions that are new or may have changed."""
        rows: list[Row] = []
        for key in list(self._touched):
            versions = dict.get(self, key)
            before = self._written.get(key, [])
            numbers = [self._number(version) for version in versions or ()]
            rows += [(f"v{number:012d}", None) for number in set(before) - set(numbers)]
            known = set(before)
            for number, version in zip(numbers, versions or (), strict=True):
                # A call that names no version changes at most the newest one.
                if thorough or number not in known or number == numbers[-1]:
                    rows.append((f"v{number:012d}", version))
            if numbers or before:
                rows.append((f"k{key}", numbers or None))
        return rows

    def settle(self) -> None:
        """Remember the order that was written."""
        for key in list(self._touched):
            versions = dict.get(self, key)
            if versions:
                self._written[key] = [self._number(version) for version in versions]
            else:
                self._written.pop(key, None)
        self._touched.clear()

    def load(self, rows: Iterable[Row]) -> None:
        """Put the versions in their order again."""
        orders: dict[str, list[int]] = {}
        versions: dict[int, Any] = {}
        for key, value in rows:
            if key.startswith("k"):
                orders[key[1:]] = value
            else:
                versions[int(key[1:])] = value
        for key, numbers in orders.items():
            dict.__setitem__(self, key, [versions[number] for number in numbers])
        self._written = orders
        self._numbers = itertools.count(max(versions, default=0) + 1)

    def _number(self, version: Any) -> int:
        owner, number = vars(version).get("_kept_as", ("", 0))
        if owner != self.uid:  # new, or copied from another bucket
            number = next(self._numbers)
            version._kept_as = (self.uid, number)
        return int(number)


class _Partition(dict):  # type: ignore[type-arg]
    """The items of one partition key, by sort key."""

    def __init__(self, touch: Callable[[Any], None]) -> None:
        super().__init__()
        self._touch = touch

    def __getitem__(self, sort: Any) -> Any:
        self._touch(sort)
        return super().__getitem__(sort)

    def __setitem__(self, sort: Any, item: Any) -> None:
        self._touch(sort)
        super().__setitem__(sort, item)

    def get(self, sort: Any, default: Any = None) -> Any:
        """The item, if it is there."""
        self._touch(sort)
        return super().get(sort, default)

    def pop(self, sort: Any, *default: Any) -> Any:
        """Take an item out."""
        self._touch(sort)
        return super().pop(sort, *default)

    def __deepcopy__(self, memo: Any) -> dict[Any, Any]:
        from copy import deepcopy

        return {deepcopy(sort, memo): deepcopy(item, memo) for sort, item in list(self.items())}


class TableItems(defaultdict):  # type: ignore[type-arg]
    """A table's items, by partition key and sort key (if there is one): a row for each item."""

    def __init__(self) -> None:
        super().__init__(dict)
        self.uid = uuid.uuid4().hex
        self._touched: dict[tuple[str, str], tuple[Any, Any]] = {}

    def __missing__(self, partition: Any) -> Any:
        made = _Partition(lambda sort: self._touch(partition, sort))
        super().__setitem__(partition, made)
        return made

    def __getitem__(self, partition: Any) -> Any:
        self._touch(partition, None)
        return super().__getitem__(partition)

    def __setitem__(self, partition: Any, item: Any) -> None:
        self._touch(partition, None)
        super().__setitem__(partition, item)

    def get(self, partition: Any, default: Any = None) -> Any:
        """The item or the partition, if it is there."""
        self._touch(partition, None)
        return super().get(partition, default)

    def pop(self, partition: Any, *default: Any) -> Any:
        """Take an item out."""
        self._touch(partition, None)
        return super().pop(partition, *default)

    def __deepcopy__(self, memo: Any) -> TableItems:
        from copy import deepcopy

        copied = TableItems()
        for partition, found in list(self.items()):
            if isinstance(found, _Partition):
                for sort, item in list(found.items()):
                    copied[deepcopy(partition, memo)][deepcopy(sort, memo)] = deepcopy(item, memo)
            else:
                copied[deepcopy(partition, memo)] = deepcopy(found, memo)
        return copied

    def changes(self, *, thorough: bool) -> list[Row]:  # noqa: ARG002 - an item has no subresources
        """Each touched item."""
        rows: list[Row] = []
        for (partition_text, sort_text), (partition, sort) in list(self._touched.items()):
            found = dict.get(self, partition)
            if isinstance(found, _Partition):
                if sort is None:
                    continue
                found = dict.get(found, sort)
            elif sort is not None:
                found = None
            value = None if found is None else (partition, sort, found)
            rows.append((f"{partition_text}{sort_text}", value))
        return rows

    def settle(self) -> None:
        """All is written."""
        self._touched.clear()

    def load(self, rows: Iterable[Row]) -> None:
        """Put the items where they were."""
        for _, (partition, sort, item) in rows:
            if sort is None:
                dict.__setitem__(self, partition, item)
            else:
                dict.__setitem__(self[partition], sort, item)
        self._touched.clear()

    def _touch(self, partition: Any, sort: Any) -> None:
        self._touched[_text(partition), "" if sort is None else _text(sort)] = (partition, sort)


def _text(key: Any) -> str:
    return json.dumps([key.type, str(key.value)])


class Growing(list):  # type: ignore[type-arg]
    """A list that grows at its end, such as a log's events: a row for each chunk that was added."""

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__(values)
        self.uid = uuid.uuid4().hex
        self._written = 0
        self._last: Any = None
        self._rows: list[str] = []

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (list, (list(self),))  # a copy of it is a list

    def changes(self, *, thorough: bool) -> list[Row]:  # noqa: ARG002 - what was added stays as it is
        """What was added; everything, if something was taken away."""
        count = len(self)
        if self._intact():
            return [(f"{self._written:012d}", self[self._written :])] if count > self._written else []
        gone: list[Row] = [(key, None) for key in self._rows if key != _FIRST]
        return [*gone, (_FIRST, list(self) or None)]

    def settle(self) -> None:
        """All is written."""
        if not self._intact():
            self._rows = [_FIRST]
        elif len(self) > self._written:
            self._rows.append(f"{self._written:012d}")
        self._written, self._last = len(self), self[-1] if self else None

    def load(self, rows: Iterable[Row]) -> None:
        """Join the chunks."""
        self.clear()
        self._rows = []
        for key, chunk in rows:
            self._rows.append(key)
            self += chunk
        self._written, self._last = len(self), self[-1] if self else None

    def _intact(self) -> bool:
        written = self._written
        return len(self) >= written and (not written or self[written - 1] is self._last)


_FIRST = f"{0:012d}"
