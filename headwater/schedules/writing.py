"""The ledger's writes: each brings the schedule's ticks up to now, and comes first or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from headwater.clock import Clock
from headwater.schedules.errors import ScheduleBusy, ScheduleNotFound
from headwater.schedules.planning import Planned, plan
from headwater.schedules.starting import is_of, with_open
from headwater.schedules.store import DeployedSchedules, Entry, Ledger
from headwater.schedules.ticks import Tick, previous, ticks
from headwater.schedules.types import Definition, Effective, ScheduleState, TickRecord, TickStatus
from headwater.storage.retries import tries

_MOST_ENTRIES = 60
"""Entries of one transaction before ticks that stay undone share them."""
_TRIES = 12


class Turn(NamedTuple):
    """A state as it was read, and the time of the look."""

    state: ScheduleState
    now: datetime


Change = Callable[[Turn], tuple[ScheduleState, list[Entry]]]
"""From a state to the next one, and the ticks that change with it."""


@dataclass(frozen=True)
class Writer:
    """Writes states and ticks; see `headwater.schedules.service.Scheduler` for the arguments."""

    ledger: Ledger
    deployed: DeployedSchedules
    now: Clock
    pause: Callable[[float], None]

    def definition(self, name: str) -> Definition:
        """The definition that is deployed; raises `ScheduleNotFound`."""
        if (found := self.deployed.get(name)) is None:
            names = self.deployed.names()
            there = f"it has {', '.join(names)}" if names else "it has none"
            raise ScheduleNotFound(
                f"the stack has no schedule {name!r}: {there}", next_steps=["headwater schedule list"]
            )
        return found.definition

    def change(self, name: str, change: Change) -> ScheduleState:
        """Bring the ledger up to now, then write what ``change`` makes of the state, unless others came first."""
        for _ in tries(_TRIES, self.pause):
            now = self.now()
            self.catch_up(name, now)
            before = self.ledger.state(name)
            assert before is not None  # noqa: S101 -- the look before made one
            changed, entries = change(Turn(before, max(now, before.cursor)))
            state = changed.model_copy(update={"write": _new_id()})
            if self._written(state, before, entries):
                return state
        raise ScheduleBusy(f"schedule {name!r}: others kept writing it first", next_steps=["try again"])

    def catch_up(self, name: str, now: datetime) -> None:
        """Write every tick until ``now`` that isn't in the ledger, with what is done with it."""
        for _ in tries(_TRIES, self.pause):
            deployed, before = self.deployed.get(name), self.ledger.state(name)
            if deployed is None:
                return
            new, since = deployed.definition, min(deployed.since, now)
            if before is None:
                state = ScheduleState(write=_new_id(), definition=new, cursor=since)
                found = list(ticks(new.schedule, since, now))
            elif before.definition == new:
                state = before.model_copy(update={"write": _new_id()})
                if not (found := list(ticks(new.schedule, before.cursor, now))):
                    return
            else:
                # A definition never reaches back: neither to what another one decided, nor to before it was deployed.
                since = max(before.cursor, since)
                state = before.model_copy(update={"write": _new_id(), "definition": new})
                found = [*ticks(before.definition.schedule, before.cursor, since), *ticks(new.schedule, since, now)]
            state, entries = self._decided(state, found, now=now)
            is_new = before is None or before.definition != new
            if self._written(state, before, entries, Effective(definition=new, since=since) if is_new else None):
                return
        raise ScheduleBusy(f"schedule {name!r}: others kept writing it first")

    def _decided(
        self, state: ScheduleState, found: Sequence[Tick], *, now: datetime
    ) -> tuple[ScheduleState, list[Entry]]:
        """The state with its cursor at ``now``, and an entry for each tick found until then."""
        schedule, name, covered = state.definition.schedule, state.definition.name, state.covered
        if covered is None and found and (before := previous(schedule, found[0].at)):
            covered = before.at
        planned, covered = plan(schedule, found, now=now, covered=covered, pause=state.pause, busy=self.busy(state))
        records = _entries(name, planned, self.now())
        due = [record for record in records if record.status is TickStatus.DUE]
        changed = {"cursor": max(state.cursor, now), "covered": covered}
        return with_open(state.model_copy(update=changed), due), [(record, None) for record in records]

    def busy(self, state: ScheduleState) -> str:
        """The run of the schedule's own that is in progress or about to start, in words; empty if there is none."""
        for entry in state.open:
            if is_of(entry, "scheduled"):
                record = self.ledger.tick(state.definition.name, entry.key)
                return (record.run if record else "") or f"the run of {entry.key.removeprefix('TICK#')}"
        return ""

    def _written(
        self,
        state: ScheduleState,
        before: ScheduleState | None,
        entries: Sequence[Entry],
        defined: Effective | None = None,
    ) -> bool:
        """Whether the write came first; if nobody knows, what is there now tells."""
        if self.ledger.write(state, before, ticks=entries, defined=defined):
            return True
        there = self.ledger.state(state.definition.name)
        return there is not None and there.write == state.write


def _entries(name: str, planned: Sequence[Planned], now: datetime) -> list[TickRecord]:
    """A record for each tick; where there are too many for a transaction, those that stay undone share some."""
    records = [
        TickRecord(
            schedule=name,
            at=one.tick.at,
            status=one.status,
            since=one.since,
            reason=one.reason,
            notes=one.tick.notes,
            changed_at=now,
        )
        for one in planned
    ]
    if len(records) <= _MOST_ENTRIES:
        return records
    shared: list[TickRecord] = []
    for (status, _), same in groupby(records, lambda record: (record.status, record.reason)):
        group = list(same)
        if status is TickStatus.DUE or len(group) == 1:
            shared += group
        else:
            update = {"through": group[-1].at, "count": len(group), "notes": ()}
            shared.append(group[0].model_copy(update=update))
    return shared


def _new_id() -> str:
    return uuid.uuid4().hex
