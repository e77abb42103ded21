"""Calendars: sets of days on which a schedule may run, and their union, intersection and difference."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, StringConstraints, model_validator

from headwater.declare.base import Declaration

Weekday = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
MONDAY_TO_FRIDAY: tuple[Weekday, ...] = ("MON", "TUE", "WED", "THU", "FRI")


class _Days(Declaration):
    """A set of days: ``|`` is the days of either, ``&`` the days of both, ``-`` the days of the first alone."""

    def __or__(self, other: Any) -> Combined:
        return _combined("either", self, other)

    def __and__(self, other: Any) -> Combined:
        return _combined("both", self, other)

    def __sub__(self, other: Any) -> Combined:
        return _combined("without", self, other)


class Weekdays(_Days):
    """Some days of the week."""

    kind: Literal["weekdays"] = "weekdays"
    days: tuple[Weekday, ...] = Field(min_length=1)
    """``MON`` to ``SUN``."""


class Holidays(_Days):
    """Public holidays of a country, as the package `holidays` knows them."""

    kind: Literal["holidays"] = "holidays"
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    """ISO 3166-1 code, such as ``"DE"``."""
    subdivision: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,20}$")] | None = None
    """Code of a state or region, such as ``"BY"``: its own holidays too."""


class Dates(_Days):
    """Days that are listed."""

    kind: Literal["dates"] = "dates"
    days: tuple[date, ...] = Field(min_length=1)
    """The days, in any order."""


class LastOfMonth(_Days):
    """The last day of each month that a calendar has."""

    kind: Literal["last_of_month"] = "last_of_month"
    of: Calendar
    """The calendar, such as the business days."""


class Combined(_Days):
    """Two calendars' days together."""

    kind: Literal["combined"] = "combined"
    how: Literal["either", "both", "without"]
    """``either``: union; ``both``: intersection; ``without``: the first calendar's days that the second lacks."""
    first: Calendar
    """The left calendar."""
    second: Calendar
    """The right calendar."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if depth(self) > _DEEPEST:
            raise ValueError(f"calendar: more than {_DEEPEST} are combined into one another: list days by dates()")
        return self


Calendar = Annotated[Weekdays | Holidays | Dates | LastOfMonth | Combined, Discriminator("kind")]
"""Days on which a schedule may run."""
_DEEPEST = 20

LastOfMonth.model_rebuild()
Combined.model_rebuild()


def weekdays(*days: Weekday) -> Weekdays:
    """Days of the week, by default Monday to Friday."""
    return Weekdays(days=days or MONDAY_TO_FRIDAY)


def holidays(country: str, subdivision: str | None = None) -> Holidays:
    """Public holidays of a country (ISO 3166-1, such as ``"DE"``), and of a state or region of it."""
    return Holidays(country=country, subdivision=subdivision)


def dates(*days: str | date) -> Dates:
    """Days that are listed, such as ``"2026-12-24"``."""
    return Dates(days=days)  # type: ignore[arg-type] # pydantic reads ISO 8601


def business_days(country: str, subdivision: str | None = None) -> Combined:
    """Monday to Friday without the public holidays of a country, and of a state or region of it."""
    return weekdays() - holidays(country, subdivision)


def last_of_month(calendar: Weekdays | Holidays | Dates | LastOfMonth | Combined) -> LastOfMonth:
    """The last day of each month that ``calendar`` has: ``last_of_month(business_days("DE"))``."""
    return LastOfMonth(of=calendar)


def depth(calendar: Any) -> int:
    """How deep calendars are combined into one another."""
    if isinstance(calendar, Combined):
        return 1 + max(depth(calendar.first), depth(calendar.second))
    return 1 + depth(calendar.of) if isinstance(calendar, LastOfMonth) else 1


def _combined(how: Literal["either", "both", "without"], first: Any, second: Any) -> Combined:
    if not isinstance(second, Weekdays | Holidays | Dates | LastOfMonth | Combined):
        raise TypeError(
            f"a calendar can't be combined with {second!r}: give weekdays(), holidays(), dates(), business_days() or "
            "last_of_month()"
        )
    return Combined(how=how, first=first, second=second)
