"""Branches and tags in the registry table: their commits and their append-only log."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from headwater.storage.table import Scalar, Table, WriteRefused
from headwater.versions.errors import CommitCollected, RefMoved, RefsBusy
from headwater.versions.types import Kind, RefMove

TRIES = 16
_NAMES = "DATA#"
_ABSENT = "attribute_not_exists(pk)"


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or tag as it is now."""

    kind: Kind
    name: str
    commit: str
    staged: str | None
    sequence: int


class _Last(NamedTuple):
    """State of a ref, from its item, or from its log if the ref was deleted."""

    commit: str | None
    sequence: int
    at: datetime


class Refs:
    """The refs of one dataset.

    A move is one transaction: it compares the ref with the caller's expectation, appends to the log and carries a write
    id. A caller whose answer was lost finds its own entry by that id.

    Parameters
    ----------
    store : Table
    dataset : str
    now : callable
        The time, UTC.
    pause : callable
        Called with seconds before a contended write is tried again.
    """

    def __init__(
        self,
        store: Table,
        dataset: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self.dataset = dataset
        self._pk = f"{_NAMES}{dataset}"
        self._now = now
        self._pause = pause

    def get(self, kind: Kind, name: str) -> Ref | None:
        """The ref after the last acknowledged move; None if there is none."""
        item = self._store.get(self._pk, _ref_key(kind, name))
        return _ref(item) if item else None

    def all(self) -> tuple[Ref, ...]:
        """Every branch, then every tag, by name."""
        return tuple(map(_ref, self._store.query(self._pk, "REF#")))

    def log(self, kind: Kind, name: str) -> tuple[RefMove, ...]:
        """Every move of a ref, oldest first; also of a deleted ref."""
        return tuple(map(_move, self._store.query(self._pk, f"LOG#{kind}#{name}#")))

    def moves(self) -> tuple[RefMove, ...]:
        """Every move of every ref of the dataset."""
        return tuple(map(_move, self._store.query(self._pk, "LOG#")))

    def move(
        self,
        kind: Kind,
        name: str,
        *,
        expected: str | None,
        to: str | None,
        staged: str | None = None,
        parents: Sequence[str] = (),
        by: str = "",
        why: str = "",
        write_id: str | None = None,
        before_try: Callable[[], None] = lambda: None,
    ) -> RefMove:
        """Point a ref at ``to`` if it still points at ``expected``.

        Parameters
        ----------
        kind : {"branch", "tag"}
        name : str
        expected : str or None
            The commit that the caller believes the ref points at; None if the ref should not exist.
        to : str or None
            The ref's new commit; None deletes the ref.
        staged : str, optional
            Root of the branch's staged files at this move.
        parents : sequence of str
            Parents of ``to``: none of them may have been condemned by gc.
        by, why : str
            Kept in the log.
        write_id : str, optional
            Identifies the move. A caller that may run twice for one decision passes the same id again and gets the
            first call's move.
        before_try : callable
            Called before each try; an exception ends the move.

        Raises
        ------
        RefMoved
            The ref points elsewhere. Nothing was changed.
        CommitCollected
            A commit was given to gc.
        RefsBusy
            Other writers kept coming first.
        """
        given, write_id = write_id, write_id or uuid.uuid4().hex
        for attempt in range(TRIES):
            if given and (made := self.made(given)) is not None:
                return made
            last = self._last(kind, name)
            current = last.commit if last else None
            if current != expected:
                raise RefMoved(
                    f"{kind} {name!r} of dataset {self.dataset!r} points at {_words(current)}, not at "
                    f"{_words(expected)} as expected; nothing was changed",
                    next_steps=[f"headwater data log {self.dataset} {name}"],
                )
            # A clock that runs backwards must not put the log out of order.
            at = max(self._now(), last.at) if last else self._now()
            move = RefMove(
                dataset=self.dataset, kind=kind, name=name, sequence=last.sequence + 1 if last else 1, before=current,
                to=to, staged=staged, at=at, by=by, why=why, write_id=write_id,
            )  # fmt: skip
            before_try()
            try:
                self._store.transact(self._writes(move, parents, once=given is not None))
            except WriteRefused:
                # Either the answer or the race was lost: the append-only log tells which.
                entry = self._store.get(self._pk, _log_key(move))
                if entry is not None and entry["write_id"] == write_id:
                    return _move(entry)
                self._check_kept(*(name for name in (to, *parents) if name))
                # Full jitter: writers that collided once shouldn't collide again.
                self._pause(random.uniform(0, min(1.0, 0.01 * 2**attempt)))  # noqa: S311
            else:
                return move
        raise RefsBusy(
            f"{kind} {name!r} of dataset {self.dataset!r} couldn't be moved: {TRIES} times another writer came first"
        )

    def _writes(self, move: RefMove, parents: Sequence[str], *, once: bool) -> list[dict[str, Any]]:
        store, pk, sk = self._store, self._pk, _ref_key(move.kind, move.name)
        entry = {key: value for key, value in move.model_dump(mode="json").items() if key != "dataset"}
        # The log entry of the next number doesn't exist: that alone serialises all movers of one ref.
        writes = [store.put({"pk": pk, "sk": _log_key(move), **entry}, only_if=_ABSENT)]
        if once:
            # A repeated call finds its move by this item, however many moves came afterwards.
            made: dict[str, Scalar] = {"pk": pk, "sk": _write_key(move.write_id), "log": _log_key(move)}
            writes.append(store.put(made, only_if=_ABSENT))
        if move.to is None:
            return [*writes, store.delete(pk, sk, only_if="#commit = :before", before=move.before)]
        ref: dict[str, Scalar] = {
            "pk": pk, "sk": sk, "kind": move.kind, "name": move.name, "commit": move.to, "staged": move.staged,
            "sequence": move.sequence, "write_id": move.write_id, "at": entry["at"],
        }  # fmt: skip
        if move.before is None:
            writes.append(store.put(ref, only_if=_ABSENT))
        else:
            writes.append(store.put(ref, only_if="#commit = :before", before=move.before))
        for commit in dict.fromkeys((move.to, *parents)):
            writes.append(store.check(pk, _condemned_key(commit), only_if=_ABSENT))  # noqa: PERF401
        if move.sequence == 1:
            writes.append(store.put({"pk": _NAMES, "sk": f"NAME#{self.dataset}"}))
        return writes

    def condemn(self, commits: Sequence[str]) -> None:
        """Condemn ``commits``: from now on no ref can be moved to them."""
        for commit in commits:
            self._store.transact([self._store.put({"pk": self._pk, "sk": _condemned_key(commit)})])

    def pardon(self, commits: Sequence[str]) -> None:
        """Lift the condemnation of commits that a ref needs."""
        for commit in commits:
            sk = _condemned_key(commit)
            self._store.transact([self._store.delete(self._pk, sk, only_if="attribute_exists(pk)")])

    def _check_kept(self, *commits: str) -> None:
        for commit in commits:
            if self._store.get(self._pk, _condemned_key(commit)) is not None:
                raise CommitCollected(
                    f"commit {commit[:12]} of dataset {self.dataset!r} was given to gc, for no branch or tag led to it"
                )

    def _last(self, kind: Kind, name: str) -> _Last | None:
        if (item := self._store.get(self._pk, _ref_key(kind, name))) is not None:
            return _Last(item["commit"], item["sequence"], datetime.fromisoformat(item["at"]))
        # Never made, or deleted: only the log knows.
        newest = self._store.newest(self._pk, f"LOG#{kind}#{name}#")
        return _Last(newest["to"], newest["sequence"], datetime.fromisoformat(newest["at"])) if newest else None

    def made(self, write_id: str) -> RefMove | None:
        """The move with that write id; None if there is none."""
        known = self._store.get(self._pk, _write_key(write_id))
        entry = self._store.get(self._pk, known["log"]) if known else None
        return _move(entry) if entry else None


def datasets(store: Table) -> tuple[str, ...]:
    """The names of all datasets that have, or had, a ref; sorted."""
    return tuple(item["sk"].removeprefix("NAME#") for item in store.query(_NAMES, "NAME#"))


def _ref_key(kind: Kind, name: str) -> str:
    return f"REF#{kind}#{name}"


def _log_key(move: RefMove) -> str:
    return f"LOG#{move.kind}#{move.name}#{move.sequence:08d}"


def _write_key(write_id: str) -> str:
    return f"WRITE#{write_id}"


def _condemned_key(commit: str) -> str:
    return f"CONDEMNED#{commit}"


def _ref(item: dict[str, Any]) -> Ref:
    return Ref(
        kind=item["kind"], name=item["name"], commit=item["commit"], staged=item["staged"], sequence=item["sequence"]
    )


def _move(item: dict[str, Any]) -> RefMove:
    fields = {name: value for name, value in item.items() if name not in {"pk", "sk"}}
    return RefMove.model_validate({"dataset": item["pk"].removeprefix(_NAMES), **fields})


def _words(commit: str | None) -> str:
    return "no commit" if commit is None else commit[:12]
