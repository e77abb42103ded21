"""Moves a branch: builds a tree on its commit, runs the hooks, stores the commit, and moves the branch in one write."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from headwater.storage.retries import tries
from headwater.storage.table import Table
from headwater.versions import gc_threshold as collector
from headwater.versions.errors import (
    CommitTooSlow,
    Conflicts,
    NothingToCommit,
    NotPinnable,
    RefMoved,
    RefsBusy,
    RevisionNotFound,
)
from headwater.versions.history import History
from headwater.versions.hooks import Event, Hook, Hooks, Proposal
from headwater.versions.merging import Strategy, merged
from headwater.versions.refs import Ref, Refs
from headwater.versions.staging import Progress, differences, origin_of, pinned, unlike
from headwater.versions.store import Functions, Objects
from headwater.versions.tree import EMPTY, Edit, Trees, sorted_edits
from headwater.versions.types import PREFIX, STAGING, Commit, Entry, RefMove, Root, check_ref, staging_area

TRIES = 12
SHOWN_PATHS = 5


def no_progress(_: int) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Shared:
    """Values that all datasets of a lake share."""

    objects: Objects
    trees: Trees
    history: History
    table: Table
    functions: Functions
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    pause: Callable[[float], None] = time.sleep
    elapsed: Callable[[], float] = time.monotonic
    """Seconds, of a clock that only goes forward."""


class Committed(NamedTuple):
    """A commit that a branch points at now."""

    id: str
    commit: Commit
    move: RefMove
    conflicts: tuple[str, ...] = ()
    """Paths that a merge's strategy decided."""


@dataclass(frozen=True)
class _Draft:
    """A branch's next tree, before it is a commit."""

    root: Root
    staged: str | None
    message: str
    event: Event = "pre-commit"
    others: tuple[str, ...] = ()
    """Further parents."""
    as_it_is: str | None = None
    """An existing commit, to which the branch is moved forward."""
    conflicts: tuple[str, ...] = ()
    allow_empty: bool = False


class Writer:
    """Moves the branches of one dataset.

    Parameters
    ----------
    dataset : str
    shared : Shared
    refs : Refs
    hooks : Hooks
    given : mapping
        The caller's own hooks.
    """

    def __init__(
        self, dataset: str, shared: Shared, refs: Refs, hooks: Hooks, given: Mapping[Event, Sequence[Hook]]
    ) -> None:
        self._dataset, self._shared, self._refs = dataset, shared, refs
        self._objects, self._trees, self._history = shared.objects, shared.trees, shared.history
        self._hooks, self._given = hooks, given

    def commit_place(self, branch: str, *, progress: Progress, **given: Any) -> Committed:
        """Commit the changes in the branch's place since its last commit."""
        place = staging_area(self._objects.bucket, self._dataset, check_ref("branch", branch))
        self._objects.check_versioned(self._objects.bucket)

        def draft(head: Ref | None) -> _Draft:
            known, base = self._root_of(head), self._trees.root(head.staged if head else None)
            edits = pinned(self._objects, place, differences(self._objects, self._trees, place, base, progress))
            if base == known:
                # All entries belong to the place: one pass, without holding the changes in memory.
                root = staged = self._trees.apply(base, edits)
            else:
                held = list(edits)
                root, staged = self._trees.apply(known, held), self._trees.apply(base, held)
            return _Draft(root, staged.id, given["message"], allow_empty=given["allow_empty"])

        return self._advance(branch, draft, **given)

    def commit_edits(
        self,
        branch: str,
        edits: Iterable[Edit],
        *,
        staged: Iterable[Edit] = (),
        start: Ref | None = None,
        allow_empty: bool = False,
        **given: Any,
    ) -> Committed:
        """Commit edits that were made on the branch's commit of now, or of ``start``."""
        wanted, placed = sorted_edits(edits), sorted_edits(staged)
        began = start or self._refs.get("branch", check_ref("branch", branch))

        def draft(head: Ref | None) -> _Draft:
            known = self._root_of(head)
            if (head and head.commit) != (began and began.commit):
                self._check_untouched(branch, self._root_of(began), known, dict(wanted))
            self._check_kept(known, wanted, placed)
            base = head.staged if head else None
            if placed:
                base = self._trees.apply(self._trees.root(base), placed).id
            return _Draft(self._trees.apply(known, wanted), base, given["message"], allow_empty=allow_empty)

        return self._advance(branch, draft, **given)

    def commit_import(self, branch: str, uri: str, *, progress: Progress, **given: Any) -> Committed:
        """Commit the objects under a foreign prefix."""
        origin = origin_of(uri)
        bucket, _, prefix = origin.partition("/")
        if bucket == self._objects.bucket and (prefix.startswith((STAGING, PREFIX)) or not prefix):
            raise NotPinnable(f"{uri}: {STAGING} and {PREFIX} of the lake are the versions' own; import another prefix")
        self._objects.check_versioned(bucket)

        def draft(head: Ref | None) -> _Draft:
            known = self._root_of(head)
            edits = pinned(self._objects, origin, unlike(self._objects, self._trees, origin, known, progress))
            return _Draft(self._trees.apply(known, edits), head.staged if head else None, given["message"])

        return self._advance(branch, draft, **given)

    def pin(self, uri: str, path: str, version_id: str) -> Entry:
        """The entry of an object that lies elsewhere."""
        origin = origin_of(uri)
        if origin.startswith(f"{self._objects.bucket}/{STAGING}"):
            raise NotPinnable(
                f"{uri}: versions under {STAGING} are gc's to judge; stage the file and commit the branch"
            )
        return self._objects.pin(origin, path, version_id)

    def merge(
        self, into: str, source: str, theirs: str, strategy: Strategy | None, *, message: str, author: str
    ) -> Committed:
        """Bring the commit ``theirs``, which the caller calls ``source``, into the branch ``into``."""
        message = message or f"Merge {source} into {into}"

        def draft(head: Ref | None) -> _Draft:
            ours = self._existing(into, head)
            bases = self._history.bases(ours.commit, theirs)
            if theirs in bases:
                raise NothingToCommit(f"branch {into!r} of dataset {self._dataset!r} holds all of {source!r} already")
            root = self._trees.root(self._history.get(theirs).root)
            if ours.commit in bases:
                return _Draft(root, ours.staged, message, "pre-merge", as_it_is=theirs)
            known = self._root_of(ours)
            roots = [self._trees.root(self._history.get(base).root) for base in bases] or [EMPTY]
            edits, conflicts = merged(self._trees, roots, known, root, strategy)
            if conflicts and strategy is None:
                raise self._conflict(f"{source!r} and branch {into!r}", conflicts)
            return _Draft(
                self._trees.apply(known, edits), ours.staged, message, "pre-merge", (theirs,),
                conflicts=tuple(conflicts), allow_empty=True,
            )  # fmt: skip

        return self._advance(into, draft, author=author, meta={})

    def revert(self, branch: str, target: str, *, message: str, author: str) -> Committed:
        """Undo on ``branch`` the changes of the commit ``target`` since its first parent."""
        commit = self._history.get(target)
        before = self._trees.root(self._history.get(commit.parents[0]).root if commit.parents else None)
        message = message or f"Revert {target[:12]}: {commit.message}"

        def draft(head: Ref | None) -> _Draft:
            ours = self._existing(branch, head)
            if not self._history.stands_on(ours.commit, target):
                raise RevisionNotFound(f"branch {branch!r} of dataset {self._dataset!r} doesn't stand on {target[:12]}")
            known = self._root_of(ours)
            edits, conflicts = merged(self._trees, [self._trees.root(commit.root)], known, before)
            if conflicts:
                raise self._conflict(f"commit {target[:12]} and what came after it on {branch!r}", conflicts)
            return _Draft(self._trees.apply(known, edits), ours.staged, message)

        return self._advance(branch, draft, author=author, meta={})

    def reset(self, branch: str, to: str, *, by: str, why: str) -> RefMove:
        """Point a branch at another commit."""
        for _ in tries(TRIES, self._shared.pause):
            head = self._existing(branch, self._refs.get("branch", branch))
            with suppress(RefMoved):
                return self._refs.move(
                    "branch", branch, expected=head.commit, to=to, staged=head.staged, by=by, why=why
                )
        raise self._busy(branch)

    # -- the one way --------------------------------------------------------------------------------------------

    def _advance(
        self,
        branch: str,
        draft_on: Callable[[Ref | None], _Draft],
        *,
        author: str,
        meta: Mapping[str, str],
        write_id: str | None = None,
        **_: Any,
    ) -> Committed:
        given, write_id = write_id, write_id or uuid.uuid4().hex
        for _number in tries(TRIES, self._shared.pause):
            started = self._shared.elapsed()
            head = self._refs.get("branch", branch)
            # After the head was read: a write that isn't made by now isn't in this head, so a head that equals the
            # draft owes it to another write. The other way round, a twin between the two reads would look like that.
            if given and (made := self._refs.made(given)) and made.to:
                return Committed(made.to, self._history.get(made.to), made)
            with collector.seldom():
                draft = draft_on(head)
            name, commit = self._commit(branch, head, draft, author=author, meta=meta)
            # Moved, another writer came first: build on that commit.
            with suppress(RefMoved):
                move = self._refs.move(
                    "branch",
                    branch,
                    expected=head.commit if head else None,
                    to=name,
                    staged=draft.staged,
                    parents=commit.parents,
                    by=author,
                    why=draft.message,
                    write_id=write_id,
                    before_try=partial(self._check_time, started),
                )
                made_by = move.to or name
                return Committed(made_by, self._history.get(made_by), move, draft.conflicts)
        raise self._busy(branch)

    def _commit(
        self, branch: str, head: Ref | None, draft: _Draft, *, author: str, meta: Mapping[str, str]
    ) -> tuple[str, Commit]:
        """Let the hooks judge the draft's commit, and store the commit."""
        known = self._root_of(head)
        if draft.as_it_is is not None:
            commit = self._history.get(draft.as_it_is)
        else:
            if draft.root == known and head is not None and not draft.allow_empty:
                raise NothingToCommit(f"branch {branch!r} of dataset {self._dataset!r} holds exactly this already")
            parents = tuple([head.commit] if head else []) + draft.others
            before = [self._history.get(parent) for parent in parents]
            commit = Commit(
                dataset=self._dataset,
                root=draft.root.id,
                parents=parents,
                generation=1 + max((parent.generation for parent in before), default=0),
                author=author,
                # A clock that runs backwards must not make a child older than its parents.
                time=max([self._shared.now(), *(parent.time for parent in before)]),
                message=draft.message,
                meta=dict(meta),
            )
        self._hooks.ask(
            Proposal(
                event=draft.event,
                dataset=self._dataset,
                branch=branch,
                commit=commit,
                read_changes=lambda: self._trees.diff(known, draft.root),
                read_entries=lambda: self._trees.entries(draft.root),
            ),
            self._given,
        )
        return draft.as_it_is or self._history.keep(commit), commit

    def _root_of(self, head: Ref | None) -> Root:
        return self._trees.root(self._history.get(head.commit).root if head else None)

    def _existing(self, branch: str, head: Ref | None) -> Ref:
        if head is None:
            known = ", ".join(ref.name for ref in self._refs.all() if ref.kind == "branch") or "none"
            raise RevisionNotFound(f"dataset {self._dataset!r} has no branch {branch!r}. It has: {known}")
        return head

    def _check_untouched(self, branch: str, before: Root, after: Root, wanted: Mapping[str, Entry | None]) -> None:
        """Raise `Conflicts` if another writer moved the branch meanwhile and changed an edited path."""
        touched = [
            change.path
            for change in self._trees.diff(before, after)
            if change.path in wanted and change.after != wanted[change.path]
        ]
        if touched:
            raise self._conflict(f"this commit and another one to branch {branch!r} at the same time", touched)

    def _check_kept(self, known: Root, wanted: Sequence[Edit], placed: Sequence[Edit]) -> None:
        """Raise `NotPinnable` for a version under ``data/`` that gc may delete: the branch lacks it, and a newer one
        exists."""
        just_now = {entry for _, entry in placed}
        for path, entry in wanted:
            if entry is None or entry in just_now or not entry.origin.startswith(f"{self._objects.bucket}/{STAGING}"):
                continue
            if self._trees.find(known, path) != entry and not self._objects.is_newest(entry):
                raise NotPinnable(
                    f"s3://{entry.bucket}/{entry.key} version {entry.version_id} was replaced, and gc may take it: "
                    "merge or revert a commit that holds it, or stage its bytes again"
                )

    def _conflict(self, between: str, paths: Sequence[str]) -> Conflicts:
        shown = ", ".join(map(repr, paths[:SHOWN_PATHS])) + (" …" if len(paths) > SHOWN_PATHS else "")
        return Conflicts(
            f"dataset {self._dataset!r}: {between} changed the same paths ({len(paths)}): {shown}",
            paths=paths,
            next_steps=["merge with --strategy ours or theirs, or commit the paths as they should be first"],
        )

    def _check_time(self, started: float) -> None:
        limit = self._objects.grace.total_seconds() / 2
        if (took := self._shared.elapsed() - started) > limit:
            raise CommitTooSlow(
                f"the commit took {took:.0f} s; gc may take what is unreferenced for {2 * limit:.0f} s, and half of "
                "that is the limit. Nothing was changed: commit in smaller steps, or with a longer grace time"
            )

    def _busy(self, branch: str) -> RefsBusy:
        return RefsBusy(f"branch {branch!r} of dataset {self._dataset!r}: {TRIES} times another commit came first")
