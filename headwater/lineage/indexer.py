"""Brings the index up to date with the logs of facts, makes it anew, and compares the two."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from headwater.graph import Contribution, Log, Places, Told
from headwater.lineage.index import Cursor, Index, items_of
from headwater.values import Value

T = TypeVar("T")
_AT_ONCE = 100
"""Facts that are read and written before their log's cursor moves."""


class Caught(Value):
    """Result of bringing the index up to date."""

    facts: int = 0
    items: int = 0
    complete: bool = True
    """False if it was told to stop before all logs were read; the next call goes on there."""


class Checked(Value):
    """Result of comparing the index with the facts."""

    items: int
    """Items of the index that the facts tell."""
    missing: tuple[str, ...] = ()
    """Items that the facts tell and the index lacks, or has otherwise; the first `SHOWN`."""
    surplus: tuple[str, ...] = ()
    """Items of the index that no fact tells; the first `SHOWN`."""
    differing: int = 0
    """Number of both."""
    unchecked: int = 0
    """Items that facts told of which objects were deleted since: they can't be compared any more."""


SHOWN = 20


@dataclass(frozen=True)
class Indexer:
    """Reads the logs of all capabilities."""

    index: Index
    contributions: Mapping[str, Contribution]
    """By the capability's name."""
    places: Places
    """Where the stack keeps its facts."""

    def catch_up(self, stop: Callable[[], bool] = lambda: False, *, anew: bool = False) -> Caught:
        """Index every fact since the last call.

        Reads each log from its cursor, or ``anew`` from its beginning. A crash in between is harmless: the cursor moves
        after the items are written, and writing them again changes nothing.

        Parameters
        ----------
        stop : callable
            Returns True if the call should break off soon; the next call does the rest.
        """
        facts = items = 0
        for telling, log in self._logs():
            cursor = self.index.cursor(log.name)
            if anew or cursor.telling != telling:
                cursor = Cursor()
            for told, behind in news(log, cursor):
                items += self.index.add(told)
                facts += len(told)
                self.index.advance(log.name, behind.model_copy(update={"telling": telling}))
                if stop():
                    return Caught(facts=facts, items=items, complete=False)
        return Caught(facts=facts, items=items)

    def rebuild(self) -> Caught:
        """Delete the index and make it again from the facts, byte for byte."""
        self.index.clear()
        # Another indexer may have put back a cursor that it read before.
        return self.catch_up(anew=True)

    def check(self) -> Checked:
        """Compare the index with what the facts tell, without changing anything."""
        told: dict[tuple[object, object], Mapping[str, object]] = {}
        gone: set[str] = set()
        for _, log in self._logs():
            for _, tell in log.entries(""):
                fact = tell()
                told |= {(item["pk"], item["sk"]): item for item in items_of(fact)}
                gone |= set(fact.gone)
        count, unchecked, surplus = len(told), 0, []
        for item in self.index.items():
            if "log" in item or told.pop((item["pk"], item["sk"]), None) == item:
                continue
            # A name in the list of things has no fact: it stays as long as anything is known of the thing.
            if "thing" in item or item["fact"] in gone:
                unchecked += "fact" in item
            else:
                surplus.append(f"{item['pk']} {item['sk']}")
        missing = [f"{pk} {sk}" for pk, sk in told]
        return Checked(
            items=count,
            missing=tuple(sorted(missing)[:SHOWN]),
            surplus=tuple(sorted(surplus)[:SHOWN]),
            differing=len(missing) + len(surplus),
            unchecked=unchecked,
        )

    def _logs(self) -> Iterator[tuple[int, Log[Told]]]:
        for contribution in self.contributions.values():
            for log in contribution.logs(self.places):
                yield contribution.telling, log


def news(log: Log[T], cursor: Cursor, *, at_once: int = _AT_ONCE) -> Iterator[tuple[list[T], Cursor]]:
    """The facts of a log since ``cursor``, some at a time, with the cursor behind them."""
    entries: Iterable[tuple[str, Callable[[], T]]] = log.entries(cursor.position if log.is_ordered else "")
    known = hashlib.sha256()
    if not log.is_ordered:
        # Only positions are listed here: reading a fact waits until its turn.
        listed = list(entries)
        before = [entry for entry in listed if entry[0] <= cursor.position]
        if _hash(before) == cursor.below:
            entries = listed[len(before) :]
            known = _hashing(before)
        else:
            entries = listed
    waiting = iter(entries)
    while batch := list(islice(waiting, at_once)):
        for position, _ in batch:
            known.update(_line(position))
        below = "" if log.is_ordered else known.hexdigest()
        yield [tell() for _, tell in batch], Cursor(position=batch[-1][0], below=below)


def _hashing(entries: Iterable[tuple[str, object]]) -> hashlib._Hash:
    known = hashlib.sha256()
    for position, _ in entries:
        known.update(_line(position))
    return known


def _hash(entries: Iterable[tuple[str, object]]) -> str:
    return _hashing(entries).hexdigest()


def _line(position: str) -> bytes:
    return f"{position}\n".encode()
