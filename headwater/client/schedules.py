"""Schedules: when each runs next, what became of its ticks, and how it is paused, started and filled up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime

from headwater.client.connection import Verbs
from headwater.client.people import me
from headwater.collecting.scheduled import ScheduledCollection
from headwater.retraining.scheduled import PolicyTraining
from headwater.retraining.store import PolicyFunction, RetrainStore
from headwater.schedules.calls import ScheduledCall
from headwater.schedules.service import Scheduler
from headwater.schedules.store import DeployedSchedules, Ledger
from headwater.schedules.targets import Target
from headwater.schedules.ticks import upcoming
from headwater.schedules.types import CALL, Definition, Pause, ScheduleState, TickRecord, Work
from headwater.training.scheduled import ScheduledTraining
from headwater.values import Value

MOST_SHOWN = 1000


class ScheduleSummary(Value):
    """One schedule in a list."""

    name: str
    work: Work
    when: str
    """Such as ``cron(0 6 ? * MON *)`` or ``every 6h``."""
    zone: str
    next: datetime | None
    """The next tick, UTC; None if there is none, or while it is paused without an end."""
    paused: str
    """The person who paused it, until when and why; empty if it isn't paused."""
    running: tuple[str, ...]
    """Runs in progress."""
    waiting: int
    """Ticks that are due and wait for a run to end."""
    last: TickRecord | None
    """The newest tick in the ledger."""


class NextTick(Value):
    """A tick to come."""

    schedule: str
    at: AwareDatetime
    """UTC."""
    local: AwareDatetime
    """The same moment in the schedule's zone."""
    zone: str
    notes: tuple[str, ...]
    """Reasons why it is moved (a change of the clocks, a holiday), and the pause that skips it."""


class Schedules(Verbs):
    """The verbs on schedules; ``headwater.connect().schedules``."""

    @property
    def _ledger(self) -> Ledger:
        return Ledger(self._connection.table)

    @property
    def _deployed(self) -> DeployedSchedules:
        return DeployedSchedules(self._description.artifacts_bucket, self._connection.clients)

    @property
    def _scheduler(self) -> Scheduler:
        told, clients = self._description, self._connection.clients
        plain = ScheduledTraining(told.training_arn, told.artifacts_bucket, clients)
        training: Target = plain
        if told.retraining_function:
            answers = RetrainStore(self._connection.table)
            training = PolicyTraining(plain, PolicyFunction(told.retraining_function, clients).ask, answers)
        collecting, calls = ScheduledCollection(told.collecting_arn, clients), ScheduledCall(told.regular_arn, clients)
        return Scheduler(self._ledger, self._deployed, {"training": training, "collecting": collecting, CALL: calls})

    def list(self) -> tuple[ScheduleSummary, ...]:
        """Every schedule of the stack, by name."""
        deployed, ledger = self._deployed, self._ledger
        found = [one.definition for name in deployed.names() if (one := deployed.get(name))]
        return tuple(_summary(definition, ledger) for definition in found)

    def next(self, name: str | None = None, *, number: int = 10) -> tuple[NextTick, ...]:
        """The next ticks of one schedule, or of all, in the order of their times.

        Raises
        ------
        ScheduleNotFound
        HolidaysUnknown
            A calendar has holidays, and the package that knows them isn't installed here.
        """
        ledger, scheduler = self._ledger, self._scheduler
        names = [name] if name is not None else self._deployed.names()
        found = [tick for one in names for tick in _next(scheduler.definition(one), ledger.state(one), number=number)]
        return tuple(sorted(found, key=lambda tick: (tick.at, tick.schedule))[:number])

    def history(self, name: str, *, number: int = 20) -> tuple[TickRecord, ...]:
        """The last ticks in the ledger, newest first: how each stands, its run, and why it was skipped or missed.

        Raises
        ------
        ScheduleNotFound
            There is no such schedule, nor was there one.
        """
        found = self._ledger.newest(name, min(number, MOST_SHOWN))
        if not found:
            self._scheduler.definition(name)
        return tuple(found)

    def pause(self, name: str, *, until: datetime | None = None, why: str = "") -> Pause:
        """Start nothing of a schedule, before ``until`` if that is given. Ticks of that time are skipped for good.

        Raises
        ------
        ScheduleNotFound
        InvalidRequest
            ``until`` is past.
        """
        return self._scheduler.pause(name, until=until, by=me(), why=" ".join(why.split())[:300])

    def resume(self, name: str, *, missed: Literal["none", "last"] = "none") -> TickRecord | None:
        """End a pause. With ``missed="last"`` the last tick that it skipped is started after all, and returned.

        Raises
        ------
        ScheduleNotFound, NotPaused
        """
        return self._scheduler.resume(name, missed=missed)

    def run(self, name: str) -> TickRecord:
        """Start a run now, outside of the schedule's ticks, also while it is paused.

        Raises
        ------
        ScheduleNotFound
        StillRuns
            The schedule forbids two runs at once, and one is in progress.
        """
        return self._scheduler.run(name, by=me())

    def backfill(
        self,
        name: str,
        since: datetime,
        until: datetime,
        *,
        parallel: int = 1,
        again: bool = False,
        dry_run: bool = False,
    ) -> tuple[TickRecord, ...]:
        """Run the ticks of a range that were not run, so many at once.

        Parameters
        ----------
        name : str
        since, until : datetime
            With their time zones; ``until`` itself isn't part of the range.
        parallel : int
            Runs at once; the others follow by themselves.
        again : bool
            Whether ticks whose run succeeded are run again.
        dry_run : bool
            Whether to start nothing.

        Returns
        -------
        tuple of TickRecord
            The ticks that this call starts, or would start. The same call again goes on where one was interrupted.

        Raises
        ------
        ScheduleNotFound
        BadRange
            The range is empty, not past, or has too many ticks.
        """
        return tuple(
            self._scheduler.backfill(name, since, until, by=me(), parallel=parallel, again=again, dry_run=dry_run)
        )


def _summary(definition: Definition, ledger: Ledger) -> ScheduleSummary:
    state, schedule = ledger.state(definition.name), definition.schedule
    records = ledger.newest(definition.name, 1)
    running = [ledger.tick(definition.name, entry.key) for entry in state.open] if state else []
    pause = _pause(state)
    after = pause.until if pause else _now(state)
    following = upcoming(schedule, after, 1) if after else []
    return ScheduleSummary(
        name=definition.name,
        work=definition.work,
        when=schedule.said,
        zone=schedule.place.key,
        next=following[0].at if following else None,
        paused=str(pause) if pause else "",
        running=tuple(record.run for record in running if record and record.run),
        waiting=sum(entry.status == "DUE" for entry in state.open) if state else 0,
        last=records[0] if records else None,
    )


def _next(definition: Definition, state: ScheduleState | None, *, number: int) -> list[NextTick]:
    schedule, pause = definition.schedule, _pause(state)
    return [
        NextTick(
            schedule=definition.name,
            at=tick.at,
            local=tick.at.astimezone(schedule.place),
            zone=schedule.place.key,
            notes=(*tick.notes, f"skipped: {pause}") if pause and pause.holds(tick.at) else tick.notes,
        )
        for tick in upcoming(schedule, _now(state), number)
    ]


def _now(state: ScheduleState | None) -> datetime:
    """The time, or what the ledger has got to: a local cloud's clock may be ahead."""
    now = datetime.now(UTC)
    return max(now, state.cursor) if state else now


def _pause(state: ScheduleState | None) -> Pause | None:
    """The pause that holds now."""
    return state.pause if state and state.pause and state.pause.holds(_now(state)) else None
