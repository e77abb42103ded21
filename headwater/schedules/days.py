"""Which days a calendar has; public holidays are those of the package `holidays`, which is loaded when one asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from importlib.metadata import version
from typing import assert_never

from headwater.declare.calendars import Calendar, Combined, Dates, Holidays, LastOfMonth, Weekdays
from headwater.schedules.errors import HolidaysUnknown

_NAMES = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_DAY = timedelta(days=1)


# A last day of the month asks for all later ones, and those again in a calendar of such calendars.
@lru_cache(maxsize=1 << 15)
def has_day(calendar: Calendar, day: date) -> bool:
    """Whether ``calendar`` has ``day``; raises `HolidaysUnknown`."""
    match calendar:
        case Weekdays():
            return _NAMES[day.weekday()] in calendar.days
        case Dates():
            return day in calendar.days
        case Holidays():
            return day in holidays_of(calendar.country, calendar.subdivision, day.year)
        case LastOfMonth():
            return has_day(calendar.of, day) and not any(has_day(calendar.of, later) for later in _rest_of_month(day))
        case Combined(how="either"):
            return has_day(calendar.first, day) or has_day(calendar.second, day)
        case Combined(how="both"):
            return has_day(calendar.first, day) and has_day(calendar.second, day)
        case Combined():
            return has_day(calendar.first, day) and not has_day(calendar.second, day)
        case _:
            assert_never(calendar)


def why_not(calendar: Calendar, day: date) -> str:
    """Why ``calendar`` lacks ``day``: a holiday's name, the day of the week, or that it is not listed."""
    for found in _holidays_in(calendar):
        if name := holidays_of(found.country, found.subdivision, day.year).get(day):
            return name
    return day.strftime("%A")


def check(calendar: Calendar) -> None:
    """Raise `HolidaysUnknown` if a country or subdivision of ``calendar`` isn't known."""
    for found in _holidays_in(calendar):
        holidays_of(found.country, found.subdivision, 2026)


@lru_cache(maxsize=512)
def holidays_of(country: str, subdivision: str | None, year: int) -> Mapping[date, str]:
    """Public holidays of one year, by day.

    Raises
    ------
    HolidaysUnknown
        The package isn't installed, or knows no such country or subdivision.
    """
    try:
        import holidays
    except ImportError:
        raise HolidaysUnknown(
            f"the calendar holidays({country!r}) needs the package holidays, which isn't installed",
            next_steps=["pip install holidays"],
        ) from None
    try:
        # The same names wherever it runs: without a language they follow the machine's own.
        found = holidays.country_holidays(country, subdiv=subdivision, years=year, expand=False, language="en_US")
    except NotImplementedError as error:
        asked = f"{country!r}" + (f", {subdivision!r}" if subdivision else "")
        raise HolidaysUnknown(
            f"the calendar holidays({asked}): the package holidays {version('holidays')} knows no such country or "
            f"subdivision ({' '.join(str(error).split())[:200]})"
        ) from None
    return dict(found.items())


def _holidays_in(calendar: Calendar) -> list[Holidays]:
    match calendar:
        case Holidays():
            return [calendar]
        case LastOfMonth():
            return _holidays_in(calendar.of)
        case Combined():
            return [*_holidays_in(calendar.first), *_holidays_in(calendar.second)]
    return []


def _rest_of_month(day: date) -> list[date]:
    later, found = day + _DAY, []
    while later.month == day.month:
        found.append(later)
        later += _DAY
    return found
