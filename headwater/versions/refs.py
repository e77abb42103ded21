"""Branches and tags in the registry table: their commits and their append-only log."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from headwater.storage.pointers import Last, LoggedPointer, Proposal
from headwater.storage.stamped import StampedTable
from headwater.storage.table import ABSENT, Scalar, Table
from headwater.versions.errors import CommitCollected, RefMoved, RefsBusy
from headwater.versions.types import Kind, RefMove

TRIES = 16
_NAMES = "DATA#"


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or tag as it is now."""

    kind: Kind
    name: str
    commit: str
    staged: str | None
    sequence: int


class Refs(StampedTable):
    """The refs of one dataset.

    Each is a `LoggedPointer`; a move also checks, in its transaction, that gc has condemned none of its commits.

    Parameters
    ----------
    dataset : str
    store, now, pause
        As of `StampedTable`.
    """

    def __init__(
        self,
        store: Table,
        dataset: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(store, now=now, pause=pause)
        self.dataset = dataset
        self._pk = f"{_NAMES}{dataset}"

    def get(self, kind: Kind, name: str) -> Ref | None:
        """The ref after the last acknowledged move; None if there is none."""
        item = self._store.get(self._pk, f"REF#{kind}#{name}")
        return _ref(item) if item else None

    def all(self) -> tuple[Ref, ...]:
        """Every branch, then every tag, by name."""
        return tuple(map(_ref, self._store.query(self._pk, "REF#")))

    def log(self, kind: Kind, name: str) -> tuple[RefMove, ...]:
        """Every move of a ref, oldest first; also of a deleted ref."""
        return tuple(map(_move, self._pointer(kind, name).log()))

    def newest(self, kind: Kind, name: str) -> RefMove | None:
        """The last move of a ref, read alone; None if there was none."""
        item = self._store.newest(self._pk, f"LOG#{kind}#{name}#")
        return _move(item) if item else None

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
        pointer = self._pointer(kind, name)
        wanted = {"kind": kind, "name": name, "to": to, "staged": staged, "by": by, "why": why, "write_id": write_id}

        def propose(last: Last | None) -> Proposal:
            move = self._next(last, expected, wanted)
            before_try()
            return self._proposal(move, parents, pointer.key(move.sequence) if given else None)

        kept = partial(self._check_kept, [commit for commit in (to, *parents) if commit])
        if (entry := pointer.move(propose, made=lambda _: self._entry_made(given), refused=kept, count=TRIES)) is None:
            raise RefsBusy(f"{kind} {name!r} of dataset {self.dataset!r} couldn't be moved: "
                           f"{TRIES} times another writer came first")  # fmt: skip
        return _move(entry)

    def _pointer(self, kind: Kind, name: str) -> LoggedPointer:
        return LoggedPointer(
            self._store, self._pk, f"REF#{kind}#{name}", log=f"LOG#{kind}#{name}#", target="commit", pause=self._pause
        )  # fmt: skip

    def _next(self, last: Last | None, expected: str | None, wanted: Mapping[str, Any]) -> RefMove:
        """The wanted move after the last one; raises `RefMoved`."""
        sequence, current, at = 1, None, self._now()
        if last is not None:
            # A clock that runs backwards must not put the log out of order.
            sequence, current, at = last.sequence + 1, last.to, max(at, datetime.fromisoformat(last.item["at"]))
        if current != expected:
            raise RefMoved(
                f"{wanted['kind']} {wanted['name']!r} of dataset {self.dataset!r} points at {_words(current)}, not at "
                f"{_words(expected)} as expected; nothing was changed",
                next_steps=[f"headwater data log {self.dataset} {wanted['name']}"],
            )
        return RefMove(dataset=self.dataset, sequence=sequence, before=current, at=at, **wanted)

    def _proposal(self, move: RefMove, parents: Sequence[str], found_by: str | None) -> Proposal:
        """A move and what belongs to it; ``found_by`` is the key of its log entry if the call may be repeated."""
        store = self._store
        entry = move.model_dump(mode="json", exclude={"dataset"})
        fields = {name: entry[name] for name in ("kind", "name", "staged", "at")}
        also: list[dict[str, Any]] = []
        if found_by is not None:
            # A repeated call finds its move by this item, however many moves came afterwards.
            made: dict[str, Scalar] = {"pk": self._pk, "sk": _write_key(move.write_id), "log": found_by}
            also.append(store.put(made, only_if=ABSENT))
        if move.to is not None:
            for commit in dict.fromkeys((move.to, *parents)):
                also.append(store.check(self._pk, _condemned_key(commit), only_if=ABSENT))  # noqa: PERF401
            if move.sequence == 1:
                also.append(store.put({"pk": _NAMES, "sk": f"NAME#{self.dataset}"}))
        return Proposal(entry=entry, fields=fields, also=also)

    def condemn(self, commits: Sequence[str]) -> None:
        """Condemn ``commits``: from now on no ref can be moved to them."""
        for commit in commits:
            self._store.transact([self._store.put({"pk": self._pk, "sk": _condemned_key(commit)})])

    def pardon(self, commits: Sequence[str]) -> None:
        """Lift the condemnation of commits that a ref needs."""
        for commit in commits:
            sk = _condemned_key(commit)
            self._store.transact([self._store.delete(self._pk, sk, only_if="attribute_exists(pk)")])

    def _check_kept(self, commits: Sequence[str]) -> None:
        for commit in commits:
            if self._store.get(self._pk, _condemned_key(commit)) is not None:
                raise CommitCollected(
                    f"commit {commit[:12]} of dataset {self.dataset!r} was given to gc, for no branch or tag led to it"
                )

    def made(self, write_id: str) -> RefMove | None:
        """The move with that write id; None if there is none."""
        entry = self._entry_made(write_id)
        return _move(entry) if entry else None

    def _entry_made(self, write_id: str | None) -> dict[str, Any] | None:
        known = self._store.get(self._pk, _write_key(write_id)) if write_id else None
        return self._store.get(self._pk, known["log"]) if known else None


def datasets(store: Table) -> tuple[str, ...]:
    """The names of all datasets that have, or had, a ref; sorted."""
    return tuple(item["sk"].removeprefix("NAME#") for item in store.query(_NAMES, "NAME#"))


def _write_key(write_id: str) -> str:
    return f"WRITE#{write_id}"


def _condemned_key(commit: str) -> str:
    return f"CONDEMNED#{commit}"


def _ref(item: dict[str, Any]) -> Ref:
    return Ref(
        kind=item["kind"], name=item["name"], commit=item["commit"], staged=item["staged"], sequence=item["sequence"]
    )


def _move(item: dict[str, Any]) -> RefMove:
    return RefMove.from_item(item, dataset=item["pk"].removeprefix(_NAMES))


def _words(commit: str | None) -> str:
    return "no commit" if commit is None else commit[:12]
