"""The version, and the days of it, that a question about a model is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class AskedDays:
    """Some days of a version; by default the last ones, as many as the question shows, of the version that serves."""

    version: int | None = None
    since: date | None = None
    """The first day, UTC."""
    until: date | None = None
    """The last one."""


NEWEST = AskedDays()
