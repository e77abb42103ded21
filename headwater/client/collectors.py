"""Collectors: how far each is, what its runs fetched, and how one is run and reset by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from pydantic import Field

from headwater.client.connection import Connection
from headwater.client.ingestions import SentFile
from headwater.client.people import me
from headwater.client.schedules import Schedules
from headwater.client.waiting import wait_for
from headwater.collecting.errors import CollectFailed, CollectorNotFound
from headwater.collecting.service import reset
from headwater.collecting.settings import configure
from headwater.collecting.store import CollectorStore
from headwater.collecting.types import BatchRecord, CollectionRun, CollectorSettings, CollectorState, RunStatus
from headwater.declare.collectors import RunsIn
from headwater.errors import NotFound
from headwater.json_values import loads
from headwater.lake.types import Upload
from headwater.schedules.types import TickRecord, TickStatus, Work
from headwater.values import Value

MOST_SHOWN = 1000
_OVER = frozenset({TickStatus.DONE, TickStatus.FAILED, TickStatus.SKIPPED, TickStatus.MISSED})


class CollectorSummary(Value):
    """One collector in a list."""

    name: str
    runs_in: RunsIn
    """Where it runs: in the function, or in a container."""
    when: str
    """Such as ``cron(0 6 ? * MON *)`` or ``every 6h``."""
    next: datetime | None
    """The next tick, UTC; None if there is none, or while its schedule is paused without an end."""
    paused: str
    """The person who paused its schedule, until when and why; empty if it isn't paused."""
    cursor: Any
    """How far it is; None before its first batch, and if it has none."""
    pending: int
    """Batches that count and haven't landed yet."""
    last: CollectionRun | None
    """The newest run."""


class Collected(Value):
    """A collector and its last batches."""

    name: str
    state: CollectorState | None
    """None before its first run."""
    batches: tuple[BatchRecord, ...]
    """The newest first."""
    settings: Mapping[str, str] = Field(default_factory=dict)
    """Values that the stack has for itself, instead of the declared ones."""


class Collectors:
    """The verbs on collectors; ``headwater.connect().collectors``."""

    def __init__(self, connection: Connection, schedules: Schedules) -> None:
        self._connection, self._schedules = connection, schedules

    def _store(self, name: str) -> CollectorStore:
        return CollectorStore(self._connection.table, name)

    def _known(self, name: str) -> CollectorStore:
        store = self._store(name)
        if store.state() is None:
            try:
                self._schedules.history(f"collect-{name}", number=1)
            except NotFound:
                names = [one.name for one in self.list()]
                there = f"it has {', '.join(names)}" if names else "it has none"
                raise CollectorNotFound(
                    f"the stack has no collector {name!r}: {there}", next_steps=["headwater collect list"]
                ) from None
        return store

    def list(self) -> tuple[CollectorSummary, ...]:
        """Every collector of the stack, by name."""
        scheduled = [one for one in self._schedules.list() if one.work.kind == "collecting"]
        found = []
        for one in scheduled:
            store = self._store(one.work.name)
            state, runs = store.state(), store.runs(1)
            found.append(
                CollectorSummary(
                    name=one.work.name,
                    runs_in=one.work.runs_in or "function",
                    when=f"{one.when} {one.zone}",
                    next=one.next,
                    paused=one.paused,
                    cursor=loads(state.cursor) if state and state.cursor else None,
                    pending=len(state.pending) if state else 0,
                    last=runs[0] if runs else None,
                )
            )
        return tuple(sorted(found, key=lambda summary: summary.name))

    def show(self, name: str, *, number: int = 20) -> Collected:
        """How far a collector is, and its last batches: files, rows, and which upload each became.

        Raises
        ------
        CollectorNotFound
        """
        store = self._known(name)
        batches = tuple(islice(store.batches(), min(number, MOST_SHOWN)))
        own = store.settings()
        return Collected(name=name, state=store.state(), batches=batches, settings=own.settings if own else {})

    def landed(self, name: str, file: str) -> SentFile | None:
        """The upload that the newest batch of a file became; None if there is none, or it hasn't landed yet.

        Parameters
        ----------
        name : str
        file : str
            As the batch is named, with its suffix, such as ``2013-01.jsonl.gz``.

        Raises
        ------
        CollectorNotFound
        """
        store = self._known(name)
        newest = store.file(f"{name}/{file}")
        batch = store.batch(newest.sequence) if newest else None
        if batch is None or batch.landed is None:
            return None
        upload = Upload(**batch.landed.model_dump(), size=batch.size, sequencer="0")
        return SentFile.of(batch.source, batch.file, upload)

    def history(self, name: str, *, number: int = 20) -> tuple[CollectionRun, ...]:
        """A collector's last runs, newest first: where each ran, what it fetched, or why it failed.

        Raises
        ------
        CollectorNotFound
        """
        found = tuple(self._known(name).runs(min(number, MOST_SHOWN)))
        if not any(one.status is RunStatus.RUNNING for one in found):
            return found
        ticks = {one.run: one for one in self._schedules.history(f"collect-{name}", number=MOST_SHOWN) if one.run}
        return tuple(_as_ended(one, ticks.get(one.run)) for one in found)

    def run(self, name: str) -> TickRecord:
        """Start a run now, outside of the schedule's ticks.

        Raises
        ------
        CollectorNotFound
        StillRuns
            The schedule forbids two runs at once, and one is in progress.
        """
        self._known(name)
        return self._schedules.run(f"collect-{name}")

    def runs_in(self, name: str) -> RunsIn:
        """Where a collector runs, as it was deployed: in the function, or in a container."""
        work = self._work(name)
        return (work.runs_in if work else None) or "function"

    def _work(self, name: str) -> Work | None:
        """A collector as it was deployed."""
        works = (one.work for one in self._schedules.list())
        return next((one for one in works if (one.kind, one.name) == ("collecting", name)), None)

    def wait(self, name: str, tick: TickRecord, *, timeout: float = 3600.0) -> CollectionRun:
        """Wait until a run has ended.

        Parameters
        ----------
        name : str
        tick : TickRecord
            What `run` returned.
        timeout : float
            Seconds.

        Raises
        ------
        CollectFailed
            It failed.
        TookTooLong
        """

        def look() -> CollectionRun | None:
            ticks = self._schedules.history(f"collect-{name}", number=MOST_SHOWN)
            # A tick that waits for another run has none yet.
            now = next((one for one in ticks if one.key == tick.key), tick)
            found = next((one for one in self._store(name).runs(MOST_SHOWN) if one.run == now.run), None)
            if found is not None and found.status in {RunStatus.DONE, RunStatus.SUPERSEDED}:
                return found
            if now.status in _OVER:
                raise CollectFailed(
                    (found.reason if found else "") or now.reason or f"the run {now.run} is {now.status.value}",
                    next_steps=[f"headwater collect history {name}"],
                )
            return None

        return wait_for(look, what=f"the run of collector {name}", timeout=timeout)

    def configure(self, name: str, changes: Mapping[str, str | None]) -> CollectorSettings:
        """Give settings of a collector of the project's own values of this stack's: runs that begin later have them.

        Parameters
        ----------
        name : str
        changes : mapping of str to str or None
            By the names that the collector declares; None gives the declared value back. They are no place for
            secrets.

        Raises
        ------
        CollectorNotFound
        BadSetting
            The collector declares no such name, a value has a line break, or there are too many or too long ones.
        """
        store, work = self._known(name), self._work(name)
        declared = work.settings if work else None
        now = datetime.now(UTC)
        return configure(store, name, changes, declared=declared, by=me(), now=now, pause=time.sleep)

    def reset(self, name: str, *, cursor: Any = None) -> CollectorState:
        """Set a collector's cursor, or forget it: the next run reads from there, or from the beginning.

        What has landed stays. Rows that are read again land again, as files of their own; a source with ``keys`` counts
        the newest of each.

        Raises
        ------
        CollectorNotFound
        BadCursor
            JSON can't hold the cursor.
        """
        return reset(self._known(name), name, cursor, pause=time.sleep)


def _as_ended(run: CollectionRun, tick: TickRecord | None) -> CollectionRun:
    """A run as it is: one that was killed couldn't write down that it has failed, and its tick knows."""
    if run.status is not RunStatus.RUNNING or tick is None or tick.status is not TickStatus.FAILED:
        return run
    return run.model_copy(update={"status": RunStatus.FAILED, "reason": tick.reason, "changed_at": tick.changed_at})
