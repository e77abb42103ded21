"""The clock that services are given, so that tests and replays bring their own; and moments that requests name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from headwater.errors import InvalidRequest

FIRST_YEAR, LAST_YEAR = 1000, 8999
"""Years of the days and times that people may ask about: at the ends of what Python counts, a day more is none."""

Clock = Callable[[], datetime]
"""Tells the time, UTC."""


def utc_now() -> datetime:
    """The time by the machine's clock, UTC."""
    return datetime.now(UTC)


def moment_asked(query: Mapping[str, str], name: str) -> datetime | None:
    """The parameter ``name`` of a request's query as a moment, UTC; None if it isn't given.

    Raises
    ------
    InvalidRequest
        It isn't ISO 8601 with a time zone, or is of a year that nobody means.
    """
    text = query.get(name)
    if text is None:
        return None
    try:
        # A plus sign in a query that nobody quoted is a blank by now.
        time = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError as error:
        raise InvalidRequest(f"{name} {text[:40]!r} is no time: write it as 2026-03-01T12:00:00Z") from error
    if time.tzinfo is None:
        raise InvalidRequest(f"{name} {text[:40]!r} has no time zone: write {time.isoformat()}Z for UTC")
    check_year(time, f"{name} {text[:40]!r}")
    return time.astimezone(UTC)


def check_year(given: date, said: str) -> None:
    """Raise InvalidRequest unless the year of ``given`` is one that people may ask about; ``said`` begins the words."""
    if not FIRST_YEAR <= given.year <= LAST_YEAR:
        raise InvalidRequest(f"{said}: expected a year from {FIRST_YEAR} to {LAST_YEAR}")


def in_utc(at: datetime, name: str) -> datetime:
    """A moment that somebody gave, as UTC: what is kept and shown says so, whatever offset it came with.

    Raises
    ------
    InvalidRequest
        It has no time zone, or lies before the year 1 or after 9999 in UTC; the message begins with ``name``.
    """
    if at.tzinfo is None:
        raise InvalidRequest(f"{name} {at.isoformat()} has no time zone: give it one, such as {at.isoformat()}+00:00")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise InvalidRequest(f"{name} {at.isoformat()} is before the year 1 or after 9999 in UTC") from error
