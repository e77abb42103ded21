"""Whether a figure is worse than it was on held-out rows by more than chance and the tolerance explain.

The figure is worse if its whole 95% interval is worse than the limit. The limit is the baseline less the tolerance
and less what the baseline itself may be off by, so that figure and limit are both known to be apart: an interval of
the difference, from the intervals of both sides (G. Zou, A. Donner, Statistics in Medicine 27, 2008). A baseline of
few rows has a wide interval of its own, and days differ by more than rows: without both, a large window of an
unchanged model would be worse than its baseline in nearly one of two cases.
"""

from __future__ import annotations

import math
from datetime import date

from headwater.declare import LOWER_IS_BETTER
from headwater.monitoring.performance.distributions import among_quantile
from headwater.monitoring.performance.metrics import worse_by
from headwater.monitoring.performance.types import Baseline, Figure
from headwater.monitoring.shares import Z
from headwater.monitoring.status import PerformanceFigure


def judged(
    figure: Figure,
    baseline: Baseline | None,
    tolerance: float,
    *,
    since: date,
    until: date,
    days: int | None = None,
    coverage: float = 1.0,
    adjusted: Figure | None = None,
    among: int = 1,
) -> PerformanceFigure | None:
    """Compare a figure with its baseline.

    Parameters
    ----------
    figure : Figure
    baseline : Baseline or None
        None if training has no such figure.
    tolerance : float
        At least 0, in the metric's unit.
    since, until : date
        First and last day of the window.
    days : int, optional
        Days of it that have predictions; by default all.
    coverage : float
        Share of the window's predictions that are labelled.
    adjusted : Figure, optional
        The same figure as if all predictions were labelled; given if what is labelled isn't like the others. Then both
        must be worse.
    among : int
        Figures that are judged beside each other, as of 33 segments: the limit lies further away, so that chance makes
        any of them worse as rarely as it would one (Bonferroni).

    Returns None if there is no figure or no baseline.
    """
    if figure.value is None or figure.low is None or figure.high is None or baseline is None:
        return None
    days = days or (until - since).days + 1
    value, allowed = _baseline(figure, baseline, days)
    limit = _limit(figure, value, allowed, tolerance, among)
    is_worse = _is_worse(figure, limit)
    corrected = adjusted is not None and adjusted.value is not None
    if corrected and adjusted is not None:
        is_worse = is_worse and _is_worse(adjusted, _limit(adjusted, value, allowed, tolerance, among))
    return PerformanceFigure(
        metric=figure.metric,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        baseline=value,
        limit=limit,
        is_worse=is_worse,
        since=since,
        until=until,
        rows=figure.rows,
        coverage=coverage,
        **_adjusted(adjusted),
    )


def _adjusted(figure: Figure | None) -> dict[str, float | None]:
    return {"adjusted": figure.value, "adjusted_low": figure.low, "adjusted_high": figure.high} if figure else {}


def _baseline(figure: Figure, baseline: Baseline, days: int) -> tuple[float, float]:
    """The value to compare with, and how much worse it may truly be: half of an interval, towards worse values."""
    worse_is_higher = figure.metric in LOWER_IS_BETTER
    day = baseline.day
    spread = 0.0 if day is None else Z * day.spread
    if day is not None and days == 1:
        # The mean of days has the spread between them in its interval.
        half = (day.high - day.value) if worse_is_higher else (day.value - day.low)
        return day.value, math.hypot(half, spread)
    if baseline.low is None or baseline.high is None:
        # As wide as that of the window, but for the number of rows.
        half = _towards_better(figure) * math.sqrt(figure.rows / baseline.rows) if baseline.rows else 0.0
    else:
        half = (baseline.high - baseline.value) if worse_is_higher else (baseline.value - baseline.low)
    of_days = spread * math.sqrt(1 / days + 1 / day.days) if day is not None else 0.0
    return baseline.value, math.hypot(half, of_days)


def _limit(figure: Figure, value: float, allowed: float, tolerance: float, among: int) -> float:
    half, wider = _towards_better(figure), among_quantile(among) / Z
    if figure.metric == "accuracy":
        # Rows are counted whole: half a row either way is no difference.
        half += 0.5 / figure.rows
        away = tolerance + wider * math.hypot(half, allowed) - (half - 0.5 / figure.rows)
    else:
        away = tolerance + wider * math.hypot(half, allowed) - half
    return value + away if figure.metric in LOWER_IS_BETTER else value - away


def _towards_better(figure: Figure) -> float:
    """Half of the interval that says how much better the figure may truly be."""
    assert figure.value is not None  # noqa: S101 - callers have one
    assert figure.low is not None  # noqa: S101
    assert figure.high is not None  # noqa: S101
    return figure.value - figure.low if figure.metric in LOWER_IS_BETTER else figure.high - figure.value


def _is_worse(figure: Figure, limit: float) -> bool:
    assert figure.low is not None  # noqa: S101 - callers have both
    assert figure.high is not None  # noqa: S101
    best = figure.low if figure.metric in LOWER_IS_BETTER else figure.high
    return worse_by(figure.metric, best, limit) > 0
