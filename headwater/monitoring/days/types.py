"""Values of stored profiles: what a compacted part adds to a day of a model version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, Self

from pydantic import AwareDatetime, Field

from headwater.monitoring.log.types import hour_text
from headwater.monitoring.profiles.types import Count, WindowProfile
from headwater.serving.store import PROFILES
from headwater.values import Packed, Stored

WHOLE = ""
"""The segment of all predictions."""
OTHER, MISSING = "(other)", "(missing)"
"""Values that are rare or unknown in training share a segment; those that are missing have one of their own."""


def segment_name(column: str, value: str) -> str:
    """A segment as people write it: ``carrier=UA``."""
    return f"{column}={value}"


def segment_names(column: str, values: Iterable[str]) -> list[str]:
    """The segments of a column that has these values of its own, then the others and the missing ones.

    A value that looks like one of these two is written with a backslash before it.
    """
    named = [f"\\{value}" if value.startswith(("(", "\\")) else value for value in values]
    return [segment_name(column, value) for value in (*named, OTHER, MISSING)]


class PartName(NamedTuple):
    """A compacted part: the hour in which its requests were received, and the hash of their ids."""

    hour: datetime
    name: str

    @property
    def text(self) -> str:
        """As keys have it."""
        return f"{hour_text(self.hour)}-{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read `text`; None if it is none."""
        at, name = text[:13], text[14:]
        try:
            return cls(datetime.fromisoformat(f"{at}:00+00:00"), name) if name and text[13] == "-" else None
        except ValueError:
            return None


class PartDay(Packed):
    """Counts of one part's predictions of one version that were asked as of one day."""

    model: str
    version: int
    day: date
    """UTC, of the predictions' ``as_of``."""
    received: AwareDatetime
    """The hour in which they were received."""
    part: str
    rows: Count
    hours: Mapping[int, WindowProfile] = Field(default_factory=dict)
    """All predictions, by the hour of ``as_of``; none of a version that has no bank."""
    segments: Mapping[str, WindowProfile] = Field(default_factory=dict)
    """The day's predictions of each segment that has any."""
    skipped: Count = 0
    """Rows that couldn't be counted."""
    reasons: tuple[str, ...] = ()
    """Why not: id, column and value of the first ones."""


class PartIndex(Stored):
    """The days that a part's predictions were asked as of, and how many there are of each version.

    It is written before any of the part's counts and again behind all of them, so that all can be found and removed.
    """

    model: str
    received: AwareDatetime
    part: str
    days: tuple[tuple[date, int, int], ...] = ()
    """Day, version and rows."""
    complete: bool = False
    """True once all counts are stored."""


def profiles_prefix(model: str) -> str:
    """The folder of a model's counted days in the predictions bucket."""
    return f"{PROFILES}{model}/day="


def day_folder(model: str, day: date, version: int | None = None) -> str:
    """The folder of a day, or of a version in it."""
    return f"{profiles_prefix(model)}{day.isoformat()}/" + ("" if version is None else f"v{version}/")


def index_prefix(model: str, hour: datetime | None = None) -> str:
    """The beginning of the keys of a model's part indexes, or of those of an hour."""
    return f"{PROFILES}{model}/parts/" + ("" if hour is None else hour_text(hour))


def digest_of(parts: Iterable[PartName]) -> str:
    """Name of a set of parts: a day whose parts have the same one has the same rows."""
    return hashlib.sha256("\n".join(sorted(part.text for part in parts)).encode()).hexdigest()[:16]


def start_of(day: date) -> datetime:
    """The moment at which a day, UTC, begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def days_from(first: date, last: date) -> Iterable[date]:
    """The days from the first to the last, both included."""
    return (first + timedelta(days=number) for number in range((last - first).days + 1))
