"""Windows that come again: each begins at a tick of a schedule and ends by the clocks of its zone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from headwater.declare.schedules import Schedule
from headwater.schedules.errors import HolidaysUnknown
from headwater.schedules.ticks import ticks, upcoming

_DAY = timedelta(days=1)
_COMPARED = 60
"""Windows that are compared with their successors when a recurrence is checked."""
_BACK = (timedelta(days=2), timedelta(days=32))
"""How far back the last window that ended is looked for, beside a window's length."""

Window = tuple[datetime, datetime]
"""The first moment, and the first one after it, UTC."""


def end_of(schedule: Schedule, start: datetime, lasts: timedelta) -> datetime:
    """The end of the window that begins at ``start``: when the zone's clocks have moved on by ``lasts``.

    From 22:00 on for eight hours ends at 06:00, also in the night when the clocks are changed. An end that they leave
    out is later by as much as they are put forward; of one that comes twice it is the first, as for a schedule's ticks.
    """
    wall = start.astimezone(schedule.place).replace(tzinfo=None) + lasts
    return wall.replace(tzinfo=schedule.place).astimezone(UTC)


@lru_cache(maxsize=4096)
def window_at(schedule: Schedule, lasts: timedelta, now: datetime) -> Window | None:
    """The window that ``now`` is in; None if it is in none.

    None too if the calendar's holidays aren't known here: whoever is told too much can do something about it.
    """
    found = (window for window in _windows(schedule, lasts, now - lasts - _DAY, now) if now < window[1])
    return max(found, key=lambda window: window[1], default=None)


@lru_cache(maxsize=4096)
def next_window(schedule: Schedule, lasts: timedelta, now: datetime) -> Window | None:
    """The first window that begins after ``now``; None if there are no more."""
    try:
        found = upcoming(schedule, now, 1)
    except HolidaysUnknown:
        return None
    return (found[0].at, end_of(schedule, found[0].at, lasts)) if found else None


@lru_cache(maxsize=4096)
def last_window(schedule: Schedule, lasts: timedelta, until: datetime) -> Window | None:
    """The last window that ended at ``until`` or before it, within a month; None if there is none."""
    for span in _BACK:
        ended = (window for window in _windows(schedule, lasts, until - lasts - span, until) if window[1] <= until)
        if last := deque(ended, maxlen=1):
            return last[0]
    return None


def gap_between(schedule: Schedule, lasts: timedelta, after: datetime) -> timedelta | None:
    """The shortest time between two of the next windows; None if fewer than two are left.

    Raises
    ------
    HolidaysUnknown
        The calendar has holidays that aren't known here.
    """
    starts = [tick.at for tick in upcoming(schedule, after, _COMPARED)]
    return min((later - end_of(schedule, start, lasts) for start, later in pairwise(starts)), default=None)


def _windows(schedule: Schedule, lasts: timedelta, after: datetime, until: datetime) -> Iterator[Window]:
    try:
        for tick in ticks(schedule, after, until):
            yield tick.at, end_of(schedule, tick.at, lasts)
    except HolidaysUnknown:
        return
