"""AWS's dialect of cron: minutes, hours, day of month, month, day of week, year; with ``?``, ``L``, ``W`` and ``#``.

After EventBridge Scheduler's user guide, "Schedule types". Days of the week count from 1 = SUN; ranges may wrap around
(``20-2``, ``SAT-MON``); exactly one of the two day fields is ``?``. The local cloud reads the same dialect in code of
its own: neither may need the other.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache

MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
FIRST_YEAR, LAST_YEAR = 1970, 2199

DaysOfMonth = Callable[[int, int], set[int]]
_FIELDS = ("minute", "hour", "day of month", "month", "day of week", "year")


@dataclass(frozen=True)
class Cron:
    """A parsed expression: times of the day, and the days that have them."""

    fields: tuple[str, ...]
    """The six fields as they were written, in capitals."""
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DaysOfMonth
    months: frozenset[int]
    years: frozenset[int]

    @property
    def times(self) -> tuple[time, ...]:
        """The wall-clock times of a day that fires, in order."""
        return tuple(time(hour, minute) for hour in self.hours for minute in self.minutes)

    def has(self, day: date) -> bool:
        """True if the expression fires on ``day``."""
        return day.year in self.years and day.month in self.months and day.day in self.days(day.year, day.month)

    def days_from(self, first: date) -> Iterator[date]:
        """Every day from ``first`` on that it fires on, in order."""
        for year in sorted(year for year in self.years if year >= first.year):
            for month in sorted(self.months):
                if (year, month) >= (first.year, first.month):
                    for day in sorted(self.days(year, month)):
                        if (found := date(year, month, day)) >= first:
                            yield found


@lru_cache(maxsize=1024)
def parse(text: str) -> Cron:
    """Read six fields, with or without ``cron(...)`` around them.

    Raises
    ------
    ValueError
        AWS wouldn't take them, or they never fire, such as on 30 February.
    """
    inner = text[5:-1] if text.startswith("cron(") and text.endswith(")") else text
    parts = tuple(part.upper() for part in inner.split())
    if len(parts) != 6:
        hint = ". Unix's cron has five: one of its day fields becomes ?, and a year (*) is added" * (len(parts) == 5)
        raise ValueError(f"cron takes six fields (minute hour day month weekday year), not {len(parts)}{hint}")
    minutes, hours, day_of_month, month, day_of_week, year = parts
    if (day_of_month == "?") == (day_of_week == "?"):
        raise ValueError("exactly one of day of month and day of week must be ?")
    readers: tuple[Callable[[], object], ...] = (
        lambda: tuple(sorted(_numbers(minutes, 0, 59))),
        lambda: tuple(sorted(_numbers(hours, 0, 23))),
        lambda: None if day_of_month == "?" else _by_day(day_of_month),
        lambda: frozenset(_numbers(month, 1, 12, MONTHS)),
        lambda: None if day_of_week == "?" else _by_weekday(day_of_week),
        lambda: frozenset(_numbers(year, FIRST_YEAR, LAST_YEAR)),
    )
    found: list[object] = []
    for name, field, read in zip(_FIELDS, parts, readers, strict=True):
        try:
            found.append(read())
        except ValueError as error:
            raise ValueError(f"{name} {field!r}: {error}") from None
    made = Cron(parts, found[0], found[1], found[2] or found[4], found[3], found[5])  # type: ignore[arg-type]
    if next(made.days_from(date(FIRST_YEAR, 1, 1)), None) is None:
        raise ValueError("it never fires: no month that it names has such a day")
    return made


def _numbers(field: str, lowest: int, highest: int, names: dict[str, int] | None = None) -> set[int]:
    """The numbers that a field of lists, ranges and steps stands for."""
    found: set[int] = set()
    for item in field.split(","):
        span, slash, step_text = item.partition("/")
        step = _number(step_text, 1, highest) if slash else 1
        first_text, dash, last_text = span.partition("-")
        if span == "*":
            first, last = lowest, highest
        else:
            first = _number(first_text, lowest, highest, names)
            last = _number(last_text, lowest, highest, names) if dash else highest if slash else first
        if last < first:  # wraps around: 20-2
            last += highest - lowest + 1
        found |= {lowest + (number - lowest) % (highest - lowest + 1) for number in range(first, last + 1, step)}
    return found


def _number(text: str, lowest: int, highest: int, names: dict[str, int] | None = None) -> int:
    number = (names or {}).get(text)
    if number is None:
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise ValueError(f"{text!r} is no number")
        number = int(text)
    if not lowest <= number <= highest:
        raise ValueError(f"{text} is not in {lowest}..{highest}")
    return number


def _by_day(field: str) -> DaysOfMonth:
    if field == "L":
        return lambda year, month: {_length(year, month)}
    if field == "LW":
        return lambda year, month: {_nearest_weekday(year, month, _length(year, month))}
    if field.endswith("W"):
        wanted = _number(field[:-1], 1, 31)
        # A month without that day has no such weekday either.
        return lambda year, month: {_nearest_weekday(year, month, wanted)} if wanted <= _length(year, month) else set()
    days = _numbers(field, 1, 31)
    return lambda year, month: {day for day in days if day <= _length(year, month)}


def _by_weekday(field: str) -> DaysOfMonth:
    if field == "L":
        field = "SAT"
    if "#" in field:
        name, _, nth_text = field.partition("#")
        weekday, nth = _number(name, 1, 7, WEEKDAYS), _number(nth_text, 1, 5)
        return lambda year, month: set(_on_weekday(year, month, {weekday})[nth - 1 : nth])
    if field.endswith("L"):
        weekday = _number(field[:-1], 1, 7, WEEKDAYS)
        return lambda year, month: set(_on_weekday(year, month, {weekday})[-1:])
    weekdays = _numbers(field, 1, 7, WEEKDAYS)
    return lambda year, month: set(_on_weekday(year, month, weekdays))


def _length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _on_weekday(year: int, month: int, weekdays: set[int]) -> list[int]:
    days = range(1, _length(year, month) + 1)
    return [day for day in days if (date(year, month, day).isoweekday() % 7) + 1 in weekdays]


def _nearest_weekday(year: int, month: int, day: int) -> int:
    """Monday to Friday nearest to ``day`` within the month."""
    weekday = date(year, month, day).weekday()
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < _length(year, month) else day - 2
    return day
