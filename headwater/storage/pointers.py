"""Pointers that move together with an entry of their log: branches, tags and aliases stand on this."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from headwater.storage.retries import tries
from headwater.storage.table import ABSENT, Item, Scalar, Table, WriteRefused


class Last(NamedTuple):
    """Where a pointer points by its last move."""

    to: Any
    """None if the last move took the pointer away."""
    sequence: int
    item: Mapping[str, Any]
    """The pointer's own item, or its newest log entry if it was taken away."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A move before it is made."""

    entry: Mapping[str, Any]
    """The log entry: ``sequence`` from 1, ``before`` and ``to`` (None: no pointer), ``write_id``, and whatever the
    pointer's owner keeps beside them."""
    fields: Item
    """Fields that the pointer's item keeps beside its target, ``sequence`` and ``write_id``."""
    also: Sequence[Mapping[str, Any]] = ()
    """Further writes and checks of the same transaction."""


class LoggedPointer:
    """A pointer with an append-only log, moved by compare and set.

    A move is one transaction: it compares the pointer with what the mover has seen, sets it, and appends the log entry
    of the next number. That this entry doesn't exist yet serialises all movers. An entry carries its writer's id, so a
    writer whose answer was lost finds out by reading the log instead of guessing.

    Parameters
    ----------
    table : Table
    pk : str
        Key of the pointer and of its log.
    sk : str
        Sort key of the pointer's item.
    log : str
        Beginning of the log entries' sort keys; a number of eight digits follows.
    target : str
        The attribute of the pointer's item that says where it points.
    pause : callable
        Called with seconds before a contended move is tried again.
    """

    def __init__(
        self, table: Table, pk: str, sk: str, *, log: str, target: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._table, self._pk, self._sk, self._log, self._target = table, pk, sk, log, target
        self._pause = pause

    def last(self) -> Last | None:
        """Where the last move left the pointer; None if there was no move."""
        if (item := self._table.get(self._pk, self._sk)) is not None:
            return Last(item[self._target], item["sequence"], item)
        # Never made, or taken away: only the log knows.
        newest = self._table.newest(self._pk, self._log)
        return Last(newest["to"], newest["sequence"], newest) if newest else None

    def log(self) -> Iterator[dict[str, Any]]:
        """The entries of all moves, oldest first; also of a pointer that was taken away."""
        return self._table.query(self._pk, self._log)

    def entry(self, sequence: int) -> dict[str, Any] | None:
        """The log entry of one move; None if there is none."""
        return self._table.get(self._pk, self.key(sequence))

    def key(self, sequence: int) -> str:
        """Sort key of a log entry."""
        return f"{self._log}{sequence:08d}"

    def move(
        self,
        propose: Callable[[Last | None], Proposal],
        *,
        made: Callable[[Last | None], dict[str, Any] | None] = lambda _: None,
        refused: Callable[[], None] = lambda: None,
        count: int,
    ) -> dict[str, Any] | None:
        """Move the pointer once.

        Parameters
        ----------
        propose : callable
            The move, given the last one; called before each try. Raises if the pointer isn't where the mover expects
            it, or the move isn't allowed.
        made : callable
            The log entry of this very move if an earlier call made it; called before each try.
        refused : callable
            Called when a try was refused and the log has another writer's entry, or none; an exception ends the move.
        count : int
            Tries.

        Returns
        -------
        dict or None
            The log entry of the move, made by this call or by an earlier one. None if other writers came first each
            time: nothing was changed.
        """
        for _ in tries(count, self._pause):
            last = self.last()
            # After the last move was read: a twin of this call that came before that read is found here.
            if (known := made(last)) is not None:
                return known
            proposal = propose(last)
            number, write_id = proposal.entry["sequence"], proposal.entry["write_id"]
            entry = {"pk": self._pk, "sk": self.key(number), **proposal.entry}
            try:
                self._table.transact([self._table.put(entry, only_if=ABSENT), self._set(proposal), *proposal.also])
            except WriteRefused:
                # Either the answer or the race was lost: the append-only log tells which.
                there = self.entry(number)
                if there is not None and there["write_id"] == write_id:
                    return there
                refused()
            else:
                return entry
        return None

    def _set(self, proposal: Proposal) -> dict[str, Any]:
        entry = proposal.entry
        if entry["to"] is None:
            return self._table.delete(self._pk, self._sk, only_if=f"#{self._target} = :before", before=entry["before"])
        item: dict[str, Scalar] = {"pk": self._pk, "sk": self._sk, **proposal.fields, self._target: entry["to"]}
        item |= {name: entry[name] for name in ("sequence", "write_id")}
        return self._table.put_over(item, self._target, entry["before"])
