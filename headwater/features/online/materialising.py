"""Brings the newest values of a view's entities online: the changes since the last run, resumable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from headwater.clock import Clock
from headwater.declare import FeatureView
from headwater.features.offline.rows import Ensure, ToRead
from headwater.features.online.completing import complete
from headwater.features.online.handoff import HandOver
from headwater.features.online.pending_rows import count, find, writes
from headwater.features.online.progress import Progress, ProgressOf, Run
from headwater.features.online.reading import EPOCH, entity_of, microseconds
from headwater.features.online.records import Materialisations, Materialised
from headwater.features.online.store import OnlineStore, OnlineWrite
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion
from headwater.registry.errors import RegistryBusy
from headwater.storage.table import Table

NOTED = 100_000
"""Entities between two checkpoints. A run that dies is resumed from its last checkpoint."""
_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialiseOptions:
    """Options of a materialisation."""

    full: bool = False
    """Whether to write every entity, also unchanged ones. Needed after a table was restored from a backup."""
    progress: Callable[[str, int, int], None] = lambda _view, _done, _all: None
    """Called with the view's name, how many entities are done and how many there are to do."""
    stop: Callable[[], bool] = lambda: False
    """Returns True if the run should break off soon, because a function's time is running out."""
    hand_over: HandOver | None = None
    """Starts executions for runs that are too large for this process."""

    @property
    def is_late(self) -> bool:
        """Whether the rest of the run is to be handed over now."""
        return self.hand_over is not None and self.hand_over.unfinished and self.stop()


AS_USUAL = MaterialiseOptions()


@dataclass(frozen=True)
class Materialiser:
    """Materialises definitions of views.

    Concurrent, killed and late materialisations end with the online values of one undisturbed run, because an item
    only ever gives way to a newer value.
    """

    lake: Lake
    online: OnlineStore
    registry: Table
    """The registry table."""
    ensure: Ensure
    """Makes the table of a view's offline rows (`headwater.features.service.Features`)."""
    to_read: ToRead
    """Names the data that the table needs (as well)."""
    now: Clock

    def materialise(self, view: FeatureView, options: MaterialiseOptions) -> Materialised:
        """Bring the view's values online; see `headwater.features.service.Features.materialise`."""
        progress, written = ProgressOf(self.registry, view.name, view.version), 0
        for _ in range(_ROUNDS):
            version, moment = self.lake.pin(view.sources, [view.name]), microseconds(self.now())
            if not options.full:
                known = progress.read()
                if known.is_done(version, moment):
                    return self._unchanged(view, version, moment, written)
                if at_it := self._waits_for(view, version, known, options.hand_over):
                    return at_it.model_copy(update={"written": written})
            # Before anything is begun or fetched: rows that Spark has to compute aren't there yet.
            parts = self.to_read([view], version)
            run = Run(
                data_version=version.id,
                revision=version.revision,
                commits=version.ids,
                moment=moment,
                full=options.full,
            )
            begun = progress.begin(run)
            if begun is None:
                continue  # another run reads newer data: read those too
            mine, others = begun
            # A run that was handed over stays with the machine: another execution follows one that failed.
            to = options.hand_over
            if to and (mine.attempts or to.at_once or options.is_late):
                done = self._hand_over(view, mine, progress, to)
            else:
                baselines = [] if options.full or not others.completed else [others.completed, *others.in_progress]
                done = self._run(view, version, parts, mine, baselines, progress, options)
            written += done.written
            if not done.complete or mine.moment == moment:
                return done.model_copy(update={"written": written})
            # An earlier run is completed; rows that became known since are next.
            options = replace(options, full=False)
        raise RegistryBusy(f"feature view {view.name!r}: newer data kept coming; run it again")

    def _unchanged(self, view: FeatureView, version: DataVersion, moment: int, written: int) -> Materialised:
        record = Materialisations(self.registry).newest(view.name, view.version)
        rows, entities = (record.rows, record.entities) if record else (0, 0)
        if record is not None and record.data_version == version.id:
            last_at = EPOCH + timedelta(microseconds=moment)
            Materialisations(self.registry).record(record.model_copy(update={"last_at": last_at}))
        return Materialised(
            view=view.name, version=view.version, data_version=version.id, written=written, rows=rows, entities=entities
        )

    def _waits_for(
        self, view: FeatureView, version: DataVersion, known: Progress, to: HandOver | None
    ) -> Materialised | None:
        """An execution that brings older data online and must end before newer data are written.

        If the execution gave way to each new upload, a view with frequent uploads would never be written. If the
        execution failed, newer data may fix the failure, so newer data go first.
        """
        if to is None:
            return None
        for run in known.handed_over(version):
            if execution := to.running(view.name, view.version, run):
                return self._handed_over(view, run, execution)
        return None

    def _hand_over(
        self, view: FeatureView, run: Run, progress: ProgressOf, to: HandOver, written: int = 0
    ) -> Materialised:
        execution, attempt = to.start(view.name, view.version, run)
        if attempt != run.attempts:
            progress.hand_over(run, attempt)
        return self._handed_over(view, run, execution, written)

    def _handed_over(self, view: FeatureView, run: Run, execution: str, written: int = 0) -> Materialised:
        return Materialised(
            view=view.name,
            version=view.version,
            data_version=run.data_version,
            written=written,
            complete=False,
            execution=execution,
        )

    def _run(
        self,
        view: FeatureView,
        version: DataVersion,
        parts: Collection[str],
        run: Run,
        baselines: Sequence[Run],
        progress: ProgressOf,
        options: MaterialiseOptions,
    ) -> Materialised:
        to = options.hand_over
        with self.lake.tables(version, parts) as connection:
            counted = count(connection, view, self.ensure(connection, view, version), run)
            due = find(connection, self.lake.objects, view, run, baselines)
            if to and due > to.above:
                return self._hand_over(view, run, progress, to)
            tracker = _Tracker(view, run, due, progress, options)
            written = self.online.write(view.version, writes(connection, view, run.revision), written=tracker)
        if not tracker.stopped:
            complete(self.registry, view.name, view.version, run, counted, written)
        else:
            progress.note(run, tracker.last)
            if to and options.is_late:
                return self._hand_over(view, run, progress, to, written)
        return Materialised(
            view=view.name,
            version=view.version,
            data_version=version.id,
            rows=counted.rows,
            entities=counted.entities,
            written=written,
            complete=not tracker.stopped,
        )


@dataclass(slots=True)
class _Tracker:
    """Follows the writing: reports progress, stores checkpoints, and decides when to stop."""

    view: FeatureView
    run: Run
    total: int
    progress: ProgressOf
    options: MaterialiseOptions
    done: int = 0
    noted: int = 0
    last: tuple[str, ...] = ()
    stopped: bool = False

    def __call__(self, last: OnlineWrite, count: int) -> bool:
        self.done += count
        self.last = entity_of(last.key)
        self.options.progress(self.view.name, self.done, self.total)
        if self.done - self.noted >= NOTED:
            self.noted = self.done
            self.progress.note(self.run, self.last)
        self.stopped = self.done < self.total and self.options.stop()
        return not self.stopped
