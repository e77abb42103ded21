"""Whether a version's estimates are still believed: they are scored once labels have come, and withdrawn for good.

An estimate follows inputs. If the same inputs have other outcomes than before ("the concept moved"), it is wrong and
can't know.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date

from pydantic import Field

from headwater.declare import Metric
from headwater.monitoring.performance.types import Baseline, Figure
from headwater.monitoring.shares import Z
from headwater.values import Value

MISSES = 3
"""Windows in a row whose estimate was wrong, before estimates are withdrawn."""
ERRORS = 2.0
"""Standard errors, beyond which an estimate was wrong."""
MOST_SCORED = 60


class ScoredEstimate(Value):
    """An estimate beside the figure of the same window that labels gave."""

    metric: Metric
    since: date
    until: date
    estimated: float
    """Less what the estimate for the held-out rows was off by."""
    realised: float
    standard_error: float = Field(ge=0)
    """The difference's."""

    @property
    def is_miss(self) -> bool:
        """True if the two are further apart than chance explains."""
        return abs(self.estimated - self.realised) > ERRORS * self.standard_error


class EstimateStanding(Value):
    """A version's scored estimates, ascending by window, and when they were withdrawn."""

    scored: tuple[ScoredEstimate, ...] = ()
    """The newest 60."""
    withdrawn_on: date | None = None
    """Last day of the third window in a row that was missed; None while estimates are believed. It stays for as long as
    the version lives, whatever comes later: a model whose concept moved is trained anew."""

    @property
    def reason(self) -> str:
        """One line for people; empty while estimates are believed."""
        if self.withdrawn_on is None:
            return ""
        return f"withdrawn on {self.withdrawn_on}: {MISSES} estimates in a row were wrong, the concept moved"

    def after(self, scored: ScoredEstimate) -> EstimateStanding:
        """The standing with one more window; one that was scored already is replaced, as labels were corrected.

        The same window in any order and any number of times gives the same standing, but for what was withdrawn: no
        correction brings estimates back.
        """
        kept = [one for one in self.scored if (one.since, one.until) != (scored.since, scored.until)]
        ordered = sorted([*kept, scored], key=lambda one: (one.until, one.since))[-MOST_SCORED:]
        withdrawn = self.withdrawn_on or _third_miss(ordered)
        return EstimateStanding(scored=tuple(ordered), withdrawn_on=withdrawn)


def _third_miss(scored: Iterable[ScoredEstimate]) -> date | None:
    run = 0
    for one in scored:
        run = run + 1 if one.is_miss else 0
        if run == MISSES:
            return one.until
    return None


def spread_of(baseline: Baseline) -> float:
    """How far a day's realised figure may be off an estimate for other reasons than chance in its labels.

    That is the spread between held-out days, of which scores may see nothing, and what the held-out figure itself is
    off by, which all days share: a standard deviation.
    """
    of_days = baseline.day.spread if baseline.day is not None else 0.0
    known = baseline.low is not None and baseline.high is not None
    width = baseline.high - baseline.low if known else 0.0  # type: ignore[operator]
    return math.hypot(of_days, width / (2 * Z))


def scored(
    estimated: Figure, realised: Figure, *, since: date, until: date, offset: float = 0.0, spread: float = 0.0
) -> ScoredEstimate | None:
    """Score an estimate; None if either figure is missing.

    Parameters
    ----------
    estimated, realised : Figure
        Of the same predictions, whose labels have come.
    since, until : date
    offset : float
        By how much held-out rows were estimated higher than they were.
    spread : float
        Standard deviation of the difference between days, beyond that of chance in a day's labels (`spread_of`).
    """
    if estimated.value is None or realised.value is None:
        return None
    # Both are of the same rows; the realised figure's own interval is that of chance in their labels, and more.
    error = realised.width / (2 * Z)
    return ScoredEstimate(
        metric=realised.metric,
        since=since,
        until=until,
        estimated=estimated.value - offset,
        realised=realised.value,
        standard_error=math.hypot(error, spread),
    )
