"""Values of performance as the hourly look keeps them: counts of days, judged windows, scored estimates."""

from __future__ import annotations

import gzip
from base64 import b85decode, b85encode
from datetime import date
from typing import Self

from pydantic import AwareDatetime

from headwater.monitoring.performance.service import DayCounts
from headwater.monitoring.performance.withdrawal import EstimateStanding, ScoredEstimate
from headwater.monitoring.status import PerformanceFigure
from headwater.values import Stored


class KeptCounts(Stored):
    """A day's predictions counted with the labels that were known, so that they aren't read again every hour."""

    model: str
    version: int
    day: date
    sign: str
    """Names what the counts follow from (`headwater.monitoring.watch.signs`)."""
    known: AwareDatetime
    """When it was counted: as known then."""
    counts: DayCounts
    reason: str = ""
    """Why labels couldn't be joined; the counts are then without any, or those of an earlier time."""

    def packed(self) -> str:
        """Its JSON, gzipped, as text."""
        return b85encode(gzip.compress(self.model_dump_json().encode(), mtime=0)).decode()

    @classmethod
    def unpacked(cls, text: str) -> Self:
        """Read what `packed` gave."""
        return cls.model_validate_json(gzip.decompress(b85decode(text)))


class JudgedPerformance(Stored):
    """Performance over a window of days as it was known at a moment."""

    model: str
    version: int
    since: date
    until: date
    """First and last day of the window, both in it."""
    known: AwareDatetime
    predictions: int
    labelled: int
    realised: PerformanceFigure | None
    estimated: PerformanceFigure | None
    notes: tuple[str, ...] = ()
    """Why a figure is missing or old, a line each."""

    def says(self, other: JudgedPerformance | None) -> bool:
        """True if both say the same, whenever each was known."""
        return other is not None and other.model_copy(update={"known": self.known}) == self


class ScoredDay(Stored):
    """An estimate of a day that was scored by its labels; it is never written again."""

    model: str
    version: int
    at: AwareDatetime
    """When it was scored."""
    coverage: float
    """Share of the day's predictions that were labelled."""
    estimate: ScoredEstimate


class KeptStanding(Stored):
    """Whether a version's estimates are believed."""

    model: str
    version: int
    standing: EstimateStanding = EstimateStanding()
    revision: int = 0
