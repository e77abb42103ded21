"""Data version control over one lake: its datasets, and gc."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from headwater.storage.clients import Clients
from headwater.storage.table import Table
from headwater.versions.dataset import Dataset
from headwater.versions.errors import InvalidRevision
from headwater.versions.gc import GcResult, collect
from headwater.versions.history import History
from headwater.versions.hooks import Event, Hook
from headwater.versions.refs import datasets
from headwater.versions.staging import Progress
from headwater.versions.store import Functions, Objects
from headwater.versions.tree import Trees
from headwater.versions.types import Commit, check_dataset
from headwater.versions.writing import Shared, no_progress

GRACE = timedelta(days=7)
"""How long gc keeps objects that nothing leads to; a commit must not take longer than half of this time."""


class Versions:
    """The datasets of a lake.

    Parameters
    ----------
    bucket : str
        The lake; must have versioning.
    table : str
        The registry table.
    clients : Clients
    grace : timedelta
        Must be the same for everyone who commits to or collects the lake.
    now : callable
        The time, UTC.
    pause : callable
        Called with seconds before a contended write is tried again.
    elapsed : callable
        Seconds, of a clock that only goes forward.
    """

    def __init__(
        self,
        bucket: str,
        table: Table,
        clients: Clients,
        *,
        grace: timedelta = GRACE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        objects = Objects(bucket, clients, grace)
        trees = Trees(objects)
        self._shared = Shared(
            objects=objects,
            trees=trees,
            history=History(objects, trees),
            table=table,
            functions=Functions(clients),
            now=now,
            pause=pause,
            elapsed=elapsed,
        )

    def datasets(self) -> tuple[str, ...]:
        """The names of all datasets that have, or had, a branch; sorted."""
        return datasets(self._shared.table)

    def dataset(self, name: str, *, hooks: Mapping[Event, Sequence[Hook]] | None = None) -> Dataset:
        """A dataset by name; it begins to exist with its first commit. Raises `InvalidName`."""
        return Dataset(check_dataset(name), self._shared, hooks)

    def commit(self, name: str) -> Commit:
        """The commit of that whole id, in one read; raises `Corrupt` if it is gone."""
        return self._shared.history.get(name)

    def gc(self, *, dry_run: bool = True, progress: Progress = no_progress) -> GcResult:
        """Delete objects that nothing leads to, or by default only count them.

        Commits, roots and ranges that no branch, no tag and no recent move leads to; and under ``data/`` versions of
        files that no remaining commit pins and that a newer version has replaced, both for longer than the grace time.
        """
        if self._shared.objects.grace < timedelta(hours=1) and not dry_run:
            raise InvalidRevision("a grace time below an hour leaves commits under way no time")
        return collect(self._shared, grace=self._shared.objects.grace, dry_run=dry_run, progress=progress)
