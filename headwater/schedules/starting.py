"""Open ticks go on: those that are due are started as the rule on overlaps allows, those that run are looked at."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from headwater.clock import Clock
from headwater.schedules.errors import ScheduleBusy
from headwater.schedules.store import Ledger
from headwater.schedules.targets import Target, run_of
from headwater.schedules.types import BACKFILL, Open, Origin, ScheduleState, TickRecord, TickStatus
from headwater.storage.retries import tries

_TRIES = 12
UNSEEN = timedelta(days=1)
"""How long a run that was started may be unknown to who runs it, before it counts as lost."""


@dataclass(frozen=True)
class Starter:
    """Starts and follows the runs of open ticks.

    A run is started first and written down after: its id follows from the tick, so whoever comes after a crash in
    between starts the same run once more, which is none.
    """

    ledger: Ledger
    targets: Mapping[str, Target]
    now: Clock
    pause: Callable[[float], None]

    def advance(self, name: str) -> ScheduleState | None:
        """Go on until nothing can be started and every run was looked at; the state then, None if there is none."""
        seen: set[str] = set()
        while True:
            state = self.ledger.state(name)
            if state is None or not (self._settle(state, seen) or self._start_next(state)):
                return state

    def _settle(self, state: ScheduleState, seen: set[str]) -> bool:
        """Look at one run that nobody looked at since; whether there was one."""
        for entry in state.open:
            if entry.status == "STARTED" and entry.key not in seen:
                seen.add(entry.key)
                record = self._record(state, entry)
                status, reason = self._ended(state, record)
                if status is not None:
                    self._move(record, status, reason=reason)
                return True
        return False

    def _ended(self, state: ScheduleState, record: TickRecord) -> tuple[TickStatus | None, str]:
        found = self._target(state).look(state.definition.work, record.run)
        if found is None:
            lost = self.now() - record.changed_at > UNSEEN
            return (TickStatus.FAILED, f"there is no run {record.run} any more") if lost else (None, "")
        if found.status == "RUNNING":
            return None, ""
        return TickStatus(found.status), found.reason

    def _start_next(self, state: ScheduleState) -> bool:
        """Start one tick that may be started; whether there was one."""
        own = [entry for entry in state.open if is_of(entry, "scheduled")]
        running, overlap = [entry for entry in own if entry.status == "STARTED"], state.definition.schedule.overlap
        due = next((entry for entry in own if entry.status == "DUE"), None)
        if due is not None and not (running and overlap == "forbid"):
            if overlap == "replace":
                for entry in running:
                    self._replace(state, self._record(state, entry), by=due)
            self._start(state, self._record(state, due))
            return True
        filled = [entry for entry in state.open if is_of(entry, BACKFILL)]
        due = next((entry for entry in filled if entry.status == "DUE"), None)
        is_paused = state.pause is not None and state.pause.holds(max(self.now(), state.cursor))
        if due is None or is_paused or sum(entry.status == "STARTED" for entry in filled) >= state.parallel:
            return False
        self._start(state, self._record(state, due))
        return True

    def _start(self, state: ScheduleState, record: TickRecord) -> None:
        work = state.definition.work
        run = run_of(work, record)
        self._target(state).start(work, run, _given(record))
        self._move(record, TickStatus.STARTED, run=run)

    def _replace(self, state: ScheduleState, record: TickRecord, *, by: Open) -> None:
        why = f"replaced by the tick of {by.key.removeprefix('TICK#')}"
        self._target(state).stop(state.definition.work, record.run, why, self.now())
        self._move(record, TickStatus.FAILED, reason=why)

    def _move(self, record: TickRecord, status: TickStatus, **changes: Any) -> None:
        """Write a tick's new status and the state's open ticks together, unless somebody did."""
        moved = record.model_copy(update={"status": status, "changed_at": self.now(), **changes})
        for _ in tries(_TRIES, self.pause):
            before, there = self.ledger.state(record.schedule), self.ledger.tick(record.schedule, record.key)
            if before is None or there is None or there.status is not record.status or there.attempt != record.attempt:
                # Another one did, or this one did and the answer was lost.
                return
            state = with_open(before.model_copy(update={"write": uuid.uuid4().hex}), [moved])
            if self.ledger.write(state, before, ticks=[(moved, there)]):
                return
        raise ScheduleBusy(f"schedule {record.schedule!r}: others kept writing it first")

    def _record(self, state: ScheduleState, entry: Open) -> TickRecord:
        record = self.ledger.tick(state.definition.name, entry.key)
        assert record is not None  # noqa: S101 -- written in one transaction with the state
        return record

    def _target(self, state: ScheduleState) -> Target:
        return self.targets[state.definition.work.kind]


def is_of(entry: Open, lane: Origin) -> bool:
    """Whether an open tick is one of a backfill, or one of the schedule's own; a start by hand counts as such."""
    return (entry.origin == BACKFILL) == (lane == BACKFILL)


def with_open(state: ScheduleState, records: Sequence[TickRecord]) -> ScheduleState:
    """The state with ``records`` among its open ticks, as far as they are open."""
    entries = {entry.key: entry for entry in state.open}
    for record in records:
        if record.status.is_open:
            is_due = record.status is TickStatus.DUE
            entries[record.key] = Open(key=record.key, status="DUE" if is_due else "STARTED", origin=record.origin)
        else:
            entries.pop(record.key, None)
    return state.model_copy(update={"open": tuple(entries[key] for key in sorted(entries))})


def _given(record: TickRecord) -> dict[str, Any]:
    """The part of a run's input that tells its tick."""
    return {
        "schedule": record.schedule,
        "tick": record.at.isoformat(),
        "interval": [record.since.isoformat() if record.since else None, record.at.isoformat()],
        "origin": record.origin,
        "by": record.by,
    }
