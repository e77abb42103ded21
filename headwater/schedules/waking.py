"""When EventBridge Scheduler wakes the ledger: at each tick of a schedule, and as seldom besides as it can be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from math import gcd
from zoneinfo import ZoneInfo

from headwater.declare import Schedule
from headwater.declare.cron import Cron
from headwater.declare.schedules import MINUTE

_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAY_MINUTES, _HOUR_MINUTES = 1440, 60
_FIRST_YEAR, _LAST_YEAR = 1990, 2040
"""Years whose changes of the clocks are looked at: by the rules of today they repeat."""


@dataclass(frozen=True)
class Wake:
    """Settings of the schedule on AWS."""

    expression: str
    zone: str
    window_minutes: int
    """Minutes within which the wake may come; 0: at once."""


def wake_of(schedule: Schedule) -> Wake:
    """The wakes for a schedule: one at each tick. Others find nothing to do.

    AWS leaves out a time that the change to summer time leaves out, and knows no calendar. A schedule that shifts such
    a time wakes at the shifted one too, each day; one that rolls from holidays wakes on all days.
    """
    window = 0 if schedule.jitter is None else schedule.jitter // MINUTE
    cron = schedule.parsed
    if cron is None:
        return Wake(_every(schedule), "UTC", window)
    minutes, hours, days = set(cron.minutes), set(cron.hours), cron.fields[2:]
    if schedule.roll != "skip":
        days = ("*", "*", "?", "*")
    if schedule.dst == "shift":
        for shifted, is_same_day in _shifted(schedule.place, cron):
            minutes.add(shifted.minute)
            hours.add(shifted.hour)
            if not is_same_day:
                days = ("*", "*", "?", "*")
    if (minutes, hours) == (set(cron.minutes), set(cron.hours)):
        first = cron.fields[:2]
    else:
        first = (_listed(minutes, _HOUR_MINUTES), _listed(hours, 24))
    return Wake(f"cron({' '.join((*first, *days))})", schedule.place.key, window)


def _every(schedule: Schedule) -> str:
    """Times of the day, UTC, that hold every tick of an interval: its phase is the anchor's, not the deployment's."""
    assert schedule.interval is not None  # noqa: S101 -- the caller saw that there is no cron
    anchor = schedule.anchor
    start, step = anchor.hour * 60 + anchor.minute, gcd(schedule.interval // MINUTE, _DAY_MINUTES)
    # Times of the day repeat themselves by this step, however long the interval is.
    if step % _HOUR_MINUTES:
        step = gcd(step, _HOUR_MINUTES)
        minutes, hours = set(range(start % step, _HOUR_MINUTES, step)), set(range(24))
    else:
        step //= _HOUR_MINUTES
        minutes, hours = {start % _HOUR_MINUTES}, {(start // _HOUR_MINUTES + step * k) % 24 for k in range(24 // step)}
    weekly = schedule.interval == timedelta(days=7)
    days = f"? * {_WEEKDAYS[anchor.isoweekday() % 7]} *" if weekly else "* * ? *"
    return f"cron({_listed(minutes, _HOUR_MINUTES)} {_listed(hours, 24)} {days})"


def _listed(numbers: set[int], of: int) -> str:
    return "*" if len(numbers) == of else ",".join(map(str, sorted(numbers)))


def _shifted(place: ZoneInfo, cron: Cron) -> list[tuple[time, bool]]:
    """Where times of ``cron`` go that a change of the clocks leaves out, and whether the day stays the same."""
    found = []
    for first, length in _gaps(place.key):
        for wall_time in cron.times:
            wall = datetime.combine(first.date(), wall_time)
            if first <= wall < first + length:
                found.append(((wall + length).time(), (wall + length).date() == wall.date()))
            elif (
                first.date() != (first + length - MINUTE).date() and first <= wall + timedelta(days=1) < first + length
            ):
                found.append(((wall + length).time(), True))
    return found


@lru_cache(maxsize=64)
def _gaps(zone: str) -> tuple[tuple[datetime, timedelta], ...]:
    """The first wall-clock time that each change of the clocks leaves out, and how long the gap is."""
    place, found = ZoneInfo(zone), set()
    hour, step = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC), timedelta(days=1)
    while hour.year < _LAST_YEAR:
        before, after = _offset(hour, place), _offset(hour + step, place)
        if after > before:
            low, high = hour, hour + step
            while high - low > MINUTE:
                middle = (low + (high - low) / 2).replace(second=0, microsecond=0)
                low, high = (middle, high) if _offset(middle, place) == before else (low, middle)
            found.add(((high + before).replace(tzinfo=None), after - before))
        hour += step
    return tuple(sorted(found))


def _offset(moment: datetime, place: ZoneInfo) -> timedelta:
    return moment.astimezone(place).utcoffset() or timedelta(0)
