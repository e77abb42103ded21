"""Times and days as people write them in a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, TypeVar

import typer

from headwater.clock import check_year
from headwater.errors import InvalidRequest

PausedUntilOption = Annotated[
    str | None, typer.Option("--until", help="ISO 8601, UTC unless it has an offset. [default: until you resume]")
]
Moment = TypeVar("Moment", date, datetime)


def time_of(text: str, option: str = "") -> datetime:
    """The time that ``text`` writes as ISO 8601, with a time zone if it has one.

    Raises
    ------
    InvalidRequest
        It is no time, or of a year that nobody means; the message begins with ``option``.
    """
    return _read(datetime.fromisoformat, text, option, "time", "2026-03-01T12:00:00Z")


def time_in_utc(text: str, option: str = "") -> datetime:
    """The same as UTC: so it is read without an offset, and so it is kept and shown."""
    found = time_of(text, option)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def time_with_zone(text: str, option: str) -> datetime:
    """The same as UTC, for where a time without an offset might be meant otherwise.

    Raises
    ------
    InvalidRequest
        It is no time, or has no offset.
    """
    found = time_of(text, option)
    if found.tzinfo is None:
        raise InvalidRequest(f"{_given(text, option)} has no time zone: write {found.isoformat()}Z for UTC")
    return found.astimezone(UTC)


def day_of(text: str, option: str = "", *, example: str = "2026-03-01") -> date:
    """The day that ``text`` writes as ISO 8601.

    Raises
    ------
    InvalidRequest
        It is no day, or of a year that nobody means; the message begins with ``option``.
    """
    return _read(date.fromisoformat, text, option, "day", example)


def _read(read: Callable[[str], Moment], text: str, option: str, what: str, example: str) -> Moment:
    try:
        found = read(text)
    except ValueError as error:
        raise InvalidRequest(f"{_given(text, option)} is no {what}: write it as {example}") from error
    check_year(found, _given(text, option))
    return found


def _given(text: str, option: str) -> str:
    return f"{option} {text!r}".lstrip()


def schedule_words(said: str) -> str:
    """A schedule's expression and zone as people read them: ``cron(...)`` without its word, and no UTC."""
    return re.sub(r"^cron\(([^)]*)\)", r"\1", said).removesuffix(" UTC")


def this_year(at: datetime) -> str:
    """A time in UTC, without its year if that is this one: a line of 80 columns has room for little."""
    form = "%m-%d %H:%M" if at.year == datetime.now(UTC).year else "%Y-%m-%d %H:%M"
    return at.strftime(form)
