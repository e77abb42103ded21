"""Which commits of a dataset held which file versions, whatever replaced them since."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from headwater.lineage.forgetting.store import at_once
from headwater.storage.table import Table
from headwater.versions.dataset import Dataset, Logged
from headwater.versions.errors import Corrupt, DatasetNotFound, RevisionNotFound
from headwater.versions.refs import Refs
from headwater.versions.types import Entry

Place = tuple[str, str, str]
"""Bucket, key and version id."""
_GONE = (Corrupt, RevisionNotFound, DatasetNotFound)


def place_of(entry: Entry) -> Place:
    """The version of an object that an entry pins."""
    return entry.bucket, entry.key, entry.version_id


class _Step(NamedTuple):
    """A commit, by its difference from its first parent."""

    id: str
    at: datetime
    generation: int
    parent: str | None
    added: tuple[Entry, ...]
    removed: tuple[Place, ...]


class DatasetHistory:
    """All commits of a dataset that can still be read: of branches and tags, also of those that were deleted.

    Parameters
    ----------
    dataset : Dataset
    table : Table
        The registry table.
    """

    def __init__(self, dataset: Dataset, table: Table) -> None:
        self._dataset, self._refs = dataset, Refs(table, dataset.name)

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self._dataset.name

    @cached_property
    def _steps(self) -> tuple[_Step, ...]:
        steps = at_once(self._step, list(self._commits()))
        return tuple(sorted(steps, key=lambda step: (step.generation, step.id)))

    def _commits(self) -> Iterator[Logged]:
        seen = set[str]()
        heads = [ref.commit for ref in self._refs.all()]
        heads += [move.to for move in self._refs.moves() if move.to is not None]
        for head in heads:
            if head in seen:
                continue
            try:
                for logged in self._dataset.log(head):
                    if logged.id not in seen:
                        seen.add(logged.id)
                        yield logged
            except _GONE:
                # Gc has taken what no branch or tag leads to.
                continue

    def _step(self, logged: Logged) -> _Step:
        commit, parent = logged.commit, next(iter(logged.commit.parents), None)
        try:
            changes = list(self._dataset.changes(logged.id))
        except _GONE:
            # Its parent is gone: the whole tree is new.
            added = tuple(self._dataset.files(logged.id))
            return _Step(logged.id, commit.time, commit.generation, None, added, ())
        added = tuple(change.after for change in changes if change.after is not None)
        removed = tuple(place_of(change.before) for change in changes if change.before is not None)
        return _Step(logged.id, commit.time, commit.generation, parent, added, removed)

    def files(self) -> dict[Place, Entry]:
        """Every file version that any commit held."""
        return {place_of(entry): entry for step in self._steps for entry in step.added}

    def holding(self, wanted: Collection[Place]) -> dict[str, frozenset[Place]]:
        """The commits that hold some of ``wanted``, oldest first, and which."""
        looked_for, held = frozenset(wanted), dict[str, frozenset[Place]]()
        for step in self._steps:
            # Parents come first. A merge differs from its first parent by what the other one brought.
            before = held.get(step.parent or "", frozenset())
            removed, added = before.intersection(step.removed), looked_for.intersection(map(place_of, step.added))
            # Most commits share the set of their parent.
            held[step.id] = (before - removed) | added if removed or added else before
        return {name: places for name, places in held.items() if places}

    @cached_property
    def times(self) -> Mapping[str, datetime]:
        """When each commit was made."""
        return {step.id: step.at for step in self._steps}

    @cached_property
    def refs(self) -> Mapping[str, tuple[str, ...]]:
        """The branches and tags, by the commit that they point at now."""
        found: dict[str, tuple[str, ...]] = {}
        for ref in self._refs.all():
            found[ref.commit] = (*found.get(ref.commit, ()), ref.name if ref.kind == "branch" else f"tag {ref.name}")
        return found
