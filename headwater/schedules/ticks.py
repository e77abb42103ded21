"""The ticks of a schedule: every planned time in a span, as a moment, and why it was moved."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from headwater.declare import Schedule
from headwater.declare.cron import LAST_YEAR, Cron
from headwater.declare.schedules import said_of
from headwater.schedules.days import has_day, why_not

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
LONGEST_ROLL = 31
"""Days that a tick is moved at most to a day that the calendar has."""
CALENDAR_HORIZON = timedelta(days=366 * 12)
"""How far `upcoming` and `previous` look where a calendar decides: further than any 29 February is away."""
_SPANS = (timedelta(days=1), timedelta(days=40), timedelta(days=800), CALENDAR_HORIZON)
_FOREVER = timedelta(days=366 * 200)
_LAST = datetime(LAST_YEAR, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Tick:
    """A planned time."""

    at: datetime
    """UTC, whole minutes."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """Reasons why it was moved: a change of the clocks, a holiday."""


def ticks(schedule: Schedule, after: datetime, until: datetime) -> Iterator[Tick]:
    """Every tick later than ``after`` and not later than ``until``, in order, each moment once.

    Parameters
    ----------
    schedule : Schedule
    after, until : datetime
        With their time zones.

    Raises
    ------
    HolidaysUnknown
        The calendar has holidays that aren't known here.
    """
    after, until = after.astimezone(UTC), until.astimezone(UTC)
    if schedule.first is not None:
        after = max(after, schedule.first - SECOND)
    if schedule.last is not None:
        until = min(until, schedule.last)
    if after >= until:
        return iter(())
    if schedule.parsed is None:
        return _every(schedule, after, until)
    return _cron(schedule, schedule.parsed, after, until)


def upcoming(schedule: Schedule, after: datetime, number: int) -> list[Tick]:
    """The next ``number`` ticks after a moment; fewer if there are no more, or not within `CALENDAR_HORIZON`."""
    found: list[Tick] = []
    start = after
    for span in _spans(schedule):
        until = after + span if after < _LAST - span else _LAST
        for tick in ticks(schedule, start, until):
            found.append(tick)
            if len(found) == number:
                return found
        start = max(start, until)
    return found


def previous(schedule: Schedule, before: datetime) -> Tick | None:
    """The last tick earlier than a moment; None if there is none, or not within `CALENDAR_HORIZON`."""
    end = before - SECOND
    for span in _SPANS:
        if last := deque(ticks(schedule, before - span, end), maxlen=1):
            return last[0]
        end = min(end, before - span)
    return None


def _spans(schedule: Schedule) -> tuple[timedelta, ...]:
    return _SPANS if schedule.calendar else (*_SPANS, _FOREVER)


def _every(schedule: Schedule, after: datetime, until: datetime) -> Iterator[Tick]:
    step, anchor = schedule.interval, schedule.anchor
    assert step is not None  # noqa: S101 -- a schedule has either
    number = (after - anchor) // step + 1
    while (at := anchor + number * step) <= until:
        number += 1
        if schedule.calendar is None or has_day(schedule.calendar, at.astimezone(schedule.place).date()):
            yield Tick(at)


def _cron(schedule: Schedule, cron: Cron, after: datetime, until: datetime) -> Iterator[Tick]:
    place = schedule.place
    # A tick that a change of the clocks moves may belong to the day before.
    first, last = after.astimezone(place).date() - DAY, until.astimezone(place).date() + DAY
    came, moved = after, list[Tick]()
    for day, notes in _days(schedule, cron, first, last):
        of_day = sorted([*moved, *_of_day(schedule, place, day, cron.times, notes)])
        # Past midnight come only times that a change of the clocks moved there: they wait for those of the next day.
        midnight = datetime.combine(day + DAY, time(), place).astimezone(UTC)
        moved = [tick for tick in of_day if tick.at >= midnight]
        for tick in (tick for tick in of_day if tick.at < midnight):
            # Times that were moved meet others: each moment is one tick.
            if came < tick.at <= until:
                came = tick.at
                yield tick
    yield from (tick for tick in moved if came < tick.at <= until)


def _of_day(
    schedule: Schedule, place: ZoneInfo, day: date, times: tuple[time, ...], notes: tuple[str, ...]
) -> Iterator[Tick]:
    changes = _changes(place, day)
    for wall_time in times:
        wall = datetime.combine(day, wall_time)
        # Python reads a time that doesn't exist by the offset before the change: later by as much as clocks are put on.
        at = wall.replace(tzinfo=place).astimezone(UTC)
        if not changes:
            yield Tick(at, notes)
        elif (shown := at.astimezone(place).replace(tzinfo=None)) != wall:
            if schedule.dst == "shift":
                said = (
                    f"{wall_time:%H:%M} doesn't exist on {day}: the clocks are put forward by {said_of(shown - wall)}"
                )
                yield Tick(at, (*notes, said))
        elif wall.replace(tzinfo=place, fold=1).astimezone(UTC) != at:
            yield Tick(at, (*notes, f"{wall_time:%H:%M} comes twice on {day}: the first one"))
        else:
            yield Tick(at, notes)


@lru_cache(maxsize=4096)
def _changes(place: ZoneInfo, day: date) -> bool:
    """Whether the offset changes on a day, or within a day of it."""
    noon = datetime.combine(day, time(12), UTC)
    return len({(noon + hours).astimezone(place).utcoffset() for hours in (-1.5 * DAY, timedelta(0), 1.5 * DAY)}) > 1


def _days(schedule: Schedule, cron: Cron, first: date, last: date) -> Iterator[tuple[date, tuple[str, ...]]]:
    """Days with ticks, in order and each once, and what moved the ticks there."""
    calendar = schedule.calendar
    if calendar is None:
        for day in cron.days_from(first):
            if day > last:
                return
            yield day, ()
        return
    day = first
    while day <= last:
        if has_day(calendar, day):
            moved = _moved_to(schedule, cron, day)
            if cron.has(day) or moved:
                yield day, () if cron.has(day) else moved
        day += DAY


def _moved_to(schedule: Schedule, cron: Cron, day: date) -> tuple[str, ...]:
    """Notes on the days whose ticks are moved to ``day``: those between it and the calendar's next or previous day."""
    if schedule.roll == "skip" or schedule.calendar is None:
        return ()
    step, notes, lacking = (-DAY if schedule.roll == "next" else DAY), [], day
    for _ in range(LONGEST_ROLL):
        lacking += step
        if has_day(schedule.calendar, lacking):
            break
        if cron.has(lacking):
            notes.append(f"moved from {lacking} ({why_not(schedule.calendar, lacking)})")
    return tuple(notes)
