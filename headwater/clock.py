"""The clock that services are given, so that tests and replays bring their own; and moments that requests name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from headwater.errors import InvalidRequest

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
        It isn't ISO 8601 with a time zone.
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
        raise InvalidRequest(f"{name} {text[:40]!r} has no time zone: write {text[:40]}Z for UTC")
    return time.astimezone(UTC)
