"""The scheduler: wakes enumerate ticks, the ledger decides which are started, and each is started at most once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Literal

from headwater.clock import Clock, in_utc, utc_now
from headwater.errors import InvalidRequest
from headwater.schedules.errors import BadRange, NotPaused, StillRuns
from headwater.schedules.starting import Starter, with_open
from headwater.schedules.store import DeployedSchedules, Entry, Ledger
from headwater.schedules.targets import Target
from headwater.schedules.ticks import SECOND, Tick, previous, ticks
from headwater.schedules.types import BACKFILL, Definition, Pause, ScheduleState, TickRecord, TickStatus, tick_key
from headwater.schedules.writing import Change, Turn, Writer

MOST_BACKFILLED = 500
"""Ticks that one backfill takes."""
_MICROSECOND = timedelta(microseconds=1)
_CHUNK = 50
"""Ticks that are inserted in one transaction."""


class Scheduler:
    """Verbs on schedules and their ledger.

    A wake may come late, twice, in another order or be killed at any place: the ledger's cursor moves in one
    transaction with the ticks that it passes, and a run's id follows from its tick.

    Parameters
    ----------
    ledger : Ledger
    deployed : DeployedSchedules
        The definitions of the last deployment.
    targets : mapping of str to Target
        By the kind of work.
    pause : callable
        Called with seconds before a contended write is tried again.
    """

    def __init__(
        self,
        ledger: Ledger,
        deployed: DeployedSchedules,
        targets: Mapping[str, Target],
        *,
        now: Clock = utc_now,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger, self._now = ledger, now
        self._starter = Starter(ledger, targets, now=now, pause=pause)
        self._writer = Writer(ledger, deployed, now=now, pause=pause)

    def wake(self, name: str, scheduled: datetime) -> ScheduleState | None:
        """Take up every tick until now, or until ``scheduled`` if that is later, and start what is due.

        Parameters
        ----------
        name : str
            A schedule that is not deployed any more gets no further ticks.
        scheduled : datetime
            The time that the wake was planned for, UTC.

        Returns
        -------
        ScheduleState or None
            Afterwards; None if there never was such a schedule.
        """
        # First what an earlier wake left behind: whether that runs decides about new ticks.
        self.advance(name)
        self._writer.catch_up(name, max(self._now(), scheduled))
        return self.advance(name)

    def advance(self, name: str) -> ScheduleState | None:
        """See which runs are over, and start what is due and may be; the state afterwards, None if there is none."""
        return self._starter.advance(name)

    def definition(self, name: str) -> Definition:
        """The definition that is deployed; raises `ScheduleNotFound`."""
        return self._writer.definition(name)

    def pause(self, name: str, *, until: datetime | None, by: str, why: str = "") -> Pause:
        """Start nothing more, before ``until`` if that is given. Ticks of that time are skipped for good.

        Raises
        ------
        ScheduleNotFound
        InvalidRequest
            ``until`` is past.
        """

        until = None if until is None else in_utc(until, "until")

        def change(turn: Turn) -> tuple[ScheduleState, list[Entry]]:
            if until is not None and until <= turn.now:
                raise InvalidRequest(
                    f"--until {until:%Y-%m-%dT%H:%M:%SZ} is past: it is {turn.now:%Y-%m-%dT%H:%M:%SZ} now"
                )
            pause = Pause(since=turn.now, until=until, by=by, why=why)
            return turn.state.model_copy(update={"pause": pause}), []

        made = self._changed(name, change).pause
        assert made is not None  # noqa: S101 -- just written
        return made

    def resume(self, name: str, *, missed: Literal["none", "last"] = "none") -> TickRecord | None:
        """End a pause. With ``missed="last"`` the last tick that it skipped is started after all; returns it.

        Raises
        ------
        ScheduleNotFound, NotPaused
        """
        late: list[TickRecord] = []

        def change(turn: Turn) -> tuple[ScheduleState, list[Entry]]:
            late.clear()
            state = turn.state
            if state.pause is None or (state.pause.until is not None and state.pause.until <= turn.now):
                raise NotPaused(f"schedule {name!r} isn't paused", next_steps=["headwater schedule list"])
            resumed = state.model_copy(update={"pause": None})
            skipped = self._last_paused(state) if missed == "last" else None
            if skipped is None:
                return resumed, []
            at = skipped.through or skipped.at
            before = previous(state.definition.schedule, at)
            due = TickRecord(
                schedule=name,
                at=at,
                status=TickStatus.DUE,
                since=before.at if before else None,
                notes=skipped.notes,
                reason="skipped by a pause, started after it",
                changed_at=turn.now,
            )
            late.append(due)
            return with_open(resumed, [due]), [(due, skipped if skipped.key == due.key else None)]

        self._changed(name, change)
        self.advance(name)
        return self._ledger.tick(name, late[0].key) if late else None

    def run(self, name: str, *, by: str) -> TickRecord:
        """Start a run now, outside of the schedule's ticks, paused or not.

        Raises
        ------
        ScheduleNotFound
        StillRuns
            The schedule forbids two runs at once, and one is in progress.
        """
        made: list[TickRecord] = []

        def change(turn: Turn) -> tuple[ScheduleState, list[Entry]]:
            if made and self._ledger.tick(name, made[0].key):
                # It was written, only the answer was lost.
                return turn.state, []
            if turn.state.definition.schedule.overlap == "forbid" and (busy := self._writer.busy(turn.state)):
                raise StillRuns(
                    f"schedule {name!r} forbids two runs at once, and {busy} is in progress",
                    next_steps=[f"headwater schedule history {name}"],
                )
            if not made:
                record = TickRecord(
                    schedule=name,
                    at=_by_hand(turn.now),
                    status=TickStatus.DUE,
                    origin="manual",
                    since=turn.state.covered,
                    by=by,
                    changed_at=turn.now,
                )
                while self._ledger.tick(name, record.key):
                    # Started by hand in the same microsecond, by a clock that stands.
                    record = record.model_copy(update={"at": record.at + _MICROSECOND})
                made.append(record)
            record = made[0]
            return with_open(turn.state, [record]), [(record, None)]

        self._changed(name, change)
        self.advance(name)
        return self._ledger.tick(name, made[0].key) or made[0]

    def backfill(
        self,
        name: str,
        since: datetime,
        until: datetime,
        *,
        by: str,
        parallel: int = 1,
        again: bool = False,
        dry_run: bool = False,
    ) -> list[TickRecord]:
        """Insert the ticks of a range that were not run, and start them, so many at once.

        Ticks are those of the definition that is deployed, at most `MOST_BACKFILLED`; ``by`` says who asks. All else is
        as the client says it (`headwater.client.schedules.Schedules.backfill`).
        """
        definition, now = self._writer.definition(name), self._now()
        if since >= until:
            raise BadRange(f"the range {since:%Y-%m-%dT%H:%MZ} to {until:%Y-%m-%dT%H:%MZ} is empty")
        state = self._ledger.state(name)
        if until > max(now, state.cursor if state else now):
            raise BadRange(f"the range ends at {until:%Y-%m-%dT%H:%MZ}, which is to come: a backfill is of the past")
        found = list(islice(ticks(definition.schedule, since - SECOND, until - SECOND), MOST_BACKFILLED + 1))
        if len(found) > MOST_BACKFILLED:
            raise BadRange(
                f"the range has more than {MOST_BACKFILLED} ticks, the first of which are until "
                f"{found[-1].at:%Y-%m-%dT%H:%MZ}: give a shorter one"
            )
        wanted = self._to_backfill(name, definition, found, by=by, again=again, now=now)
        if dry_run:
            return wanted
        for start in range(0, len(wanted), _CHUNK):
            self._insert(name, wanted[start : start + _CHUNK], parallel=parallel, again=again)
        self.advance(name)
        return [self._ledger.tick(name, record.key) or record for record in wanted]

    def _insert(self, name: str, wanted: Sequence[TickRecord], *, parallel: int, again: bool) -> None:
        def change(turn: Turn) -> tuple[ScheduleState, list[Entry]]:
            entries: list[Entry] = []
            for record in wanted:
                was = self._ledger.tick(name, record.key)
                # Somebody else may have inserted it meanwhile.
                if was is None or _may_start(was, again=again):
                    attempt = was.attempt + 1 if was is not None and was.run else record.attempt
                    entries.append((record.model_copy(update={"attempt": attempt}), was))
            state = with_open(turn.state, [record for record, _ in entries])
            return state.model_copy(update={"parallel": parallel}), entries

        self._changed(name, change)

    def _changed(self, name: str, change: Change) -> ScheduleState:
        self._writer.definition(name)
        # What runs decides about the ticks until now.
        self.advance(name)
        return self._writer.change(name, change)

    def _to_backfill(
        self, name: str, definition: Definition, found: Sequence[Tick], *, by: str, again: bool, now: datetime
    ) -> list[TickRecord]:
        if not found:
            return []
        first = previous(definition.schedule, found[0].at)
        before = [first.at if first else None, *(tick.at for tick in found)]
        after, last = tick_key(found[0].at - SECOND), tick_key(found[-1].at)
        written = self._ledger.ticks(name, after=after)
        known = {record.key: record for record in takewhile(lambda record: record.key <= last, written)}
        wanted = []
        for tick, since in zip(found, before, strict=False):
            was = known.get(tick_key(tick.at))
            if was is None or _may_start(was, again=again):
                wanted.append(
                    TickRecord(
                        schedule=name,
                        at=tick.at,
                        status=TickStatus.DUE,
                        origin=BACKFILL,
                        since=since,
                        by=by,
                        attempt=was.attempt + 1 if was is not None and was.run else 1,
                        notes=tick.notes,
                        changed_at=now,
                    )
                )
        return wanted

    def _last_paused(self, state: ScheduleState) -> TickRecord | None:
        pause = state.pause
        assert pause is not None  # noqa: S101 -- the caller looked
        for record in self._ledger.newest(state.definition.name, MOST_BACKFILLED):
            if (record.through or record.at) < pause.since:
                break
            if record.status is TickStatus.SKIPPED and record.reason == str(pause):
                return record
        return None


def _may_start(record: TickRecord, *, again: bool) -> bool:
    """Whether a backfill starts a tick that is in the ledger."""
    return not record.status.is_open and (again or record.status is not TickStatus.DONE)


def _by_hand(now: datetime) -> datetime:
    """The time of a start by hand: never a whole second, as a schedule's are."""
    return now if now.microsecond else now.replace(microsecond=1)
