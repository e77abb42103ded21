"""AWS's dialect of cron: minutes, hours, day of month, month, day of week, year; with ``?``, ``L``, ``W`` and ``#``.

After https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html. Days of the week count
from 1 = SUN; ranges may wrap around (``20-2``, ``SAT-MON``); exactly one of the two day fields is ``?``.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
FIRST_YEAR, LAST_YEAR = 1970, 2199

DaysOfMonth = Callable[[int, int], set[int]]


@dataclass(frozen=True)
class Cron:
    """A parsed expression."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DaysOfMonth
    months: frozenset[int]
    years: frozenset[int]

    @classmethod
    def parse(cls, fields: str) -> Cron:
        """Read the six fields; raises `ValueError` if AWS wouldn't take them."""
        parts = fields.split()
        if len(parts) != 6:
            raise ValueError(f"expected six fields, not {len(parts)}")
        minutes, hours, day_of_month, month, day_of_week, year = (part.upper() for part in parts)
        if (day_of_month == "?") == (day_of_week == "?"):
            raise ValueError("exactly one of day-of-month and day-of-week must be ?")
        return cls(
            minutes=tuple(sorted(_numbers(minutes, 0, 59))),
            hours=tuple(sorted(_numbers(hours, 0, 23))),
            days=_by_weekday(day_of_week) if day_of_month == "?" else _by_day(day_of_month),
            months=frozenset(_numbers(month, 1, 12, MONTHS)),
            years=frozenset(_numbers(year, FIRST_YEAR, LAST_YEAR)),
        )

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Every time strictly after ``moment``, in order; both without a time zone."""
        start = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        for day in self._days_from(start.date()):
            for hour in self.hours:
                for minute in self.minutes:
                    found = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 -- wall-clock time
                    if found >= start:
                        yield found

    def _days_from(self, first: date) -> Iterator[date]:
        for year in sorted(year for year in self.years if year >= first.year):
            for month in sorted(self.months):
                if (year, month) >= (first.year, first.month):
                    for day in sorted(self.days(year, month)):
                        if (found := date(year, month, day)) >= first:
                            yield found


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
        if not re.fullmatch(r"[0-9]+", text):
            raise ValueError(f"{text!r} is not a number")
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
