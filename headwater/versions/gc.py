"""Gc deletes objects that no branch, tag or recent move leads to, after a grace time; decision 52 explains its
safety."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import NamedTuple

from headwater.versions.history import COMMITS
from headwater.versions.refs import Refs, datasets
from headwater.versions.staging import Progress
from headwater.versions.store import Stored, ordered
from headwater.versions.types import PREFIX, STAGING, RefMove, Root
from headwater.versions.writing import Shared

RANGES, ROOTS = f"{PREFIX}ranges/", f"{PREFIX}roots/"


class GcResult(NamedTuple):
    """The result of gc: counts of what was deleted, or would be."""

    commits: int
    roots: int
    ranges: int
    files: int
    """Replaced versions of uploaded files that no commit pins."""
    dry_run: bool


class _Reachable:
    """Commits, roots and ranges that must stay, and those candidate versions that they pin."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.commits: set[str] = set()
        self.roots: set[str] = set()
        self.ranges: set[str] = set()
        self.pinned: set[tuple[str, str]] = set()

    def add_commits(self, heads: Iterable[str], wanted: set[tuple[str, str]]) -> None:
        todo = [head for head in heads if head not in self.commits]
        while todo:
            name = todo.pop()
            if name in self.commits:
                continue
            self.commits.add(name)
            commit = self._shared.history.get(name)
            self.add_root(commit.root, wanted)
            todo += [parent for parent in commit.parents if parent not in self.commits]

    def add_root(self, name: str, wanted: set[tuple[str, str]]) -> None:
        if name in self.roots:
            return
        self.roots.add(name)
        root: Root = self._shared.trees.root(name)
        for part in root.ranges:
            if part.id in self.ranges:
                continue
            self.ranges.add(part.id)
            if wanted:
                here = self._shared.objects.bucket
                pins = {(e.key, e.version_id) for e in self._shared.trees.rows(part) if e.bucket == here}
                self.pinned |= pins & wanted


def collect(shared: Shared, *, grace: timedelta, dry_run: bool, progress: Progress) -> GcResult:
    """Find objects that nothing leads to, and delete them unless it is a dry run.

    The order makes gc safe. Candidates are listed first, and refs are read afterwards. Commits are condemned before
    they are deleted, so that no ref can be moved to one of them. Between the two refs are read once more.
    """
    objects = shared.objects
    old = {prefix: [one for one in objects.stored(prefix) if one.idle > grace] for prefix in (COMMITS, ROOTS, RANGES)}
    files = [one for one in objects.stored(STAGING) if one.idle > grace and not one.is_latest and not one.is_marker]
    wanted = {(one.key, one.version_id) for one in files}
    # A young commit keeps all objects that it needs, even if no ref leads to it: a writer may be using it now.
    aged = {_name(one) for one in old[COMMITS]}
    young = {_name(one) for one in objects.stored(COMMITS)} - aged
    found = _Reachable(shared)
    found.add_commits(sorted(young), wanted)
    _add_refs(shared, found, grace, wanted)
    condemned = sorted(aged - found.commits)
    if not dry_run:
        by_dataset = _by_dataset(shared, condemned)
        for dataset, commits in by_dataset.items():
            Refs(shared.table, dataset, now=shared.now, pause=shared.pause).condemn(commits)
        _add_refs(shared, found, grace, wanted)
        for dataset, commits in by_dataset.items():
            if spared := [name for name in commits if name in found.commits]:
                Refs(shared.table, dataset, now=shared.now, pause=shared.pause).pardon(spared)
    # Commits first: if this is cut short, no commit is left without its tree.
    taken = [
        [one for one in old[COMMITS] if _name(one) not in found.commits],
        [one for one in old[ROOTS] if _name(one) not in found.roots],
        [one for one in old[RANGES] if _name(one) not in found.ranges],
        [one for one in files if (one.key, one.version_id) not in found.pinned],
    ]
    if not dry_run:
        for group in taken:
            for _ in ordered(_deleting(shared), group):
                progress(1)
    return GcResult(len(taken[0]), len(taken[1]), len(taken[2]), len(taken[3]), dry_run)


def _add_refs(shared: Shared, found: _Reachable, grace: timedelta, wanted: set[tuple[str, str]]) -> None:
    """The commits that refs point at, or were moved to or from within the grace time."""
    for dataset in datasets(shared.table):
        refs = Refs(shared.table, dataset, now=shared.now, pause=shared.pause)
        moves: dict[tuple[str, str], list[RefMove]] = {}
        for move in refs.moves():
            moves.setdefault((move.kind, move.name), []).append(move)
        for log in moves.values():
            recent = [move for move in log if shared.now() - move.at <= grace]
            # The last entry is the ref; a recent move also keeps what it left behind.
            before = [log[move.sequence - 2] for move in recent if move.sequence > 1]
            for move in (log[-1], *recent, *before):
                found.add_commits([move.to] if move.to else [], wanted)
                if move.staged:
                    found.add_root(move.staged, wanted)


def _by_dataset(shared: Shared, commits: Iterable[str]) -> dict[str, list[str]]:
    sorted_by: dict[str, list[str]] = {}
    for name in commits:
        sorted_by.setdefault(shared.history.get(name).dataset, []).append(name)
    return sorted_by


def _deleting(shared: Shared) -> Callable[[Stored], None]:
    return lambda one: shared.objects.delete(one.key, one.version_id)


def _name(one: Stored) -> str:
    return one.key.rpartition("/")[2].partition(".")[0]
