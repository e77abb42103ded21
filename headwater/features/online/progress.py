"""Progress of a definition's materialisations: the runs in progress, and the last completed one.

The registry has one item a definition. Each change raises a count, so of two concurrent runs one always sees the other.
A row needs no writing if it was its entity's newest, with the same values, in the completed run *and* in every run in
progress: such a row is online already, or will be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from headwater.lake.types import DataVersion, PinnedCommit
from headwater.registry.errors import RegistryBusy
from headwater.storage.retries import tries
from headwater.storage.table import Scalar, Table, WriteRefused
from headwater.values import Stored, Value

_TRIES = 12


class Run(Value):
    """A materialisation of some data at some moment, whoever works on it."""

    data_version: str
    revision: int
    """Revision of the data: `DataVersion.revision`."""
    commits: Mapping[str, str]
    """By source."""
    moment: int
    """Microseconds since 1970: rows that become known later aren't brought online."""
    full: bool = False
    """Whether the run writes every entity, whatever was written before."""
    after: tuple[str, ...] | None = None
    """The last finished entity, as the values of its join keys. All entities before it are finished too."""
    attempts: int = 0
    """Executions of the materialisation machine that were started for the run; 0 if functions do it."""

    @property
    def id(self) -> tuple[str, bool, int]:
        """Identifies the run among the definition's runs."""
        return self.data_version, self.full, self.moment

    @property
    def version(self) -> DataVersion:
        """The data, to be read."""
        return DataVersion(
            commits={name: PinnedCommit(commit=commit, revision=1) for name, commit in self.commits.items()}
        )


class Progress(Stored):
    """State of a definition's materialisations."""

    completed: Run | None = None
    """The newest completed run. Every row of a run with a lower or equal revision is already stored."""
    next_known: int | None = None
    """When the next row of the completed run's data becomes known; microseconds since 1970."""
    in_progress: tuple[Run, ...] = ()

    @property
    def revision(self) -> int:
        """The highest revision that any run has read."""
        return max(
            (run.revision for run in (*self.in_progress, *([self.completed] if self.completed else []))), default=0
        )

    def is_done(self, version: DataVersion, now: int) -> bool:
        """Whether a materialisation of ``version`` at ``now`` would change nothing."""
        done = self.completed is not None and self.completed.data_version == version.id
        return done and (self.next_known is None or self.next_known > now)

    def wanted(self, run: Run) -> Run | None:
        """The stored state of ``run``; None if the run was completed or gives way to newer data.

        A full run always goes on, since no other run rewrites unchanged entities.
        """
        known = next((other for other in self.in_progress if other.id == run.id), None)
        if run.full:
            return known or run
        return known if self.revision <= run.revision else None

    def handed_over(self, version: DataVersion) -> tuple[Run, ...]:
        """Runs of other data than ``version`` that executions may be working on, and that newer data should wait for.

        Full runs aren't among them: newer data find their changes beside a full run as without one.
        """
        return tuple(
            run
            for run in self.in_progress
            if run.attempts and not run.full and run.data_version != version.id and self.wanted(run)
        )

    def same(self, run: Run) -> Run | None:
        """A run in progress that does the same work. The caller may join the run, or finish it if its process died."""
        alike = (run.data_version, run.full)
        return next((other for other in self.in_progress if (other.data_version, other.full) == alike), None)


class ProgressOf:
    """The progress of one definition of a view.

    Parameters
    ----------
    store : Table
        The registry table.
    view, version : str
        The view's name and its definition's version.
    pause : callable
        Called with seconds before a contended write is tried again.
    """

    def __init__(self, store: Table, view: str, version: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._store, self._pause = store, pause
        self._pk, self._sk, self._name = f"VIEW#{view}", f"PROGRESS#{version}", f"feature view {view!r}"

    def read(self) -> Progress:
        """The state as the registry has it now."""
        return self._read()[0]

    def begin(self, run: Run) -> tuple[Run, Progress] | None:
        """Begin a run, or join one that does the same work, with that run's moment and position.

        Returns
        -------
        (Run, Progress) or None
            The run, and the progress at that moment. None if a run of newer data is in progress or completed: pin the
            data again.

        Raises
        ------
        RegistryBusy
            Other writers kept coming first.
        """

        def change(known: Progress) -> Progress:
            if known.revision > run.revision or known.same(run):
                return known
            return known.model_copy(update={"in_progress": (*known.in_progress, run)})

        known = self._change(change)
        mine = known.same(run)
        if known.revision > run.revision or mine is None:
            return None
        others = tuple(other for other in known.in_progress if other != mine)
        return mine, known.model_copy(update={"in_progress": others})

    def note(self, run: Run, after: Sequence[str]) -> None:
        """Remember that all of a run's entities up to ``after`` are done; raises `RegistryBusy`."""
        place = tuple(after)
        self._update(run, lambda other: {"after": max(place, other.after or place)})

    def hand_over(self, run: Run, attempts: int) -> None:
        """Remember how many executions were started for a run; raises `RegistryBusy`."""
        self._update(run, lambda other: {"attempts": max(attempts, other.attempts)})

    def _update(self, run: Run, news: Callable[[Run], dict[str, Any]]) -> None:
        def change(known: Progress) -> Progress:
            in_progress = tuple(
                other.model_copy(update=news(other)) if other.id == run.id else other for other in known.in_progress
            )
            return known.model_copy(update={"in_progress": in_progress})

        self._change(change)

    def end(self, run: Run, next_known: int | None) -> None:
        """A run is completed; raises `RegistryBusy`.

        Runs of older data are forgotten. This run has checked the rows that they may still write; a run that began
        later has given way.
        """

        def change(known: Progress) -> Progress:
            before = known.completed
            alike = (run.data_version, run.full)
            in_progress = tuple(
                other
                for other in known.in_progress
                if other.revision >= run.revision and (other.data_version, other.full) != alike
            )
            done = run.model_copy(update={"after": None, "full": False, "attempts": 0})
            if before is not None and (before.revision, before.moment) > (done.revision, done.moment):
                return known.model_copy(update={"in_progress": in_progress})
            return Progress(completed=done, next_known=next_known, in_progress=in_progress)

        self._change(change)

    def _read(self) -> tuple[Progress, int]:
        item: dict[str, Any] | None = self._store.get(self._pk, self._sk)
        if item is None:
            return Progress(), 0
        return Progress.model_validate_json(item["document"]), int(item["count"])

    def _change(self, change: Callable[[Progress], Progress]) -> Progress:
        """The progress after ``change``. The change may be applied twice; the second time has no effect."""
        for _ in tries(_TRIES, self._pause):
            known, count = self._read()
            changed = change(known)
            if changed == known:
                return known
            item: dict[str, Scalar] = {
                "pk": self._pk,
                "sk": self._sk,
                "document": changed.model_dump_json(exclude_defaults=True),
                "count": count + 1,
            }
            write = self._store.put_over(item, "count", count or None)
            # Refused, another one was first, or our answer was lost: then the change is there already.
            with suppress(WriteRefused):
                self._store.transact([write])
                return changed
        raise RegistryBusy(f"{self._name}: its progress couldn't be written, {_TRIES} times another writer came first; "
                           "run it again")  # fmt: skip
