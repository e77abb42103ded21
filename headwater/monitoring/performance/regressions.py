"""A regression's metrics with 95% intervals, from sums over rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from headwater.declare import Metric
from headwater.monitoring.performance.cells import Floats
from headwater.monitoring.performance.counts import Moments
from headwater.monitoring.performance.distributions import t_quantile
from headwater.monitoring.performance.types import FEWEST_ROWS, Figure


def figure(metric: Metric, strata: Sequence[Moments], weights: Floats | None = None) -> Figure:
    """A regression's metric with its interval.

    Parameters
    ----------
    metric : Metric
    strata : sequence of Moments
    weights : array of float64, shape (strata,), optional
        Rows that a row of each stratum stands for; by default 1.
    """
    rows = sum(entry.rows for entry in strata)
    if not rows:
        return Figure(metric=metric, reason="no label")
    if rows < FEWEST_ROWS:
        return Figure(metric=metric, rows=rows, reason=f"{rows} rows, fewer than {FEWEST_ROWS}")
    sums = _Sums(strata, np.ones(len(strata)) if weights is None else weights)
    found = {"mae": sums.mae, "rmse": sums.rmse, "r2": sums.r2}[metric]()
    if found is None:
        return Figure(metric=metric, rows=rows, reason="all labels are equal, so that there is nothing to explain")
    value, low, high = found
    return Figure(metric=metric, value=value, low=low, high=high, rows=rows)


class _Sums:
    """Weighted sums, and those with squared weights, which variances are made of."""

    def __init__(self, strata: Sequence[Moments], weights: Floats) -> None:
        rows = np.asarray([entry.rows for entry in strata], dtype=np.float64)
        # Each stratum's sums are exact; centring them comes before anything is squared.
        sums = np.asarray([entry.floats() for entry in strata])
        self._weight, self._squares = float(weights @ rows), float(weights**2 @ rows)
        self._means = weights @ sums / self._weight
        self._squared = weights**2 @ sums
        self._half = t_quantile(max(1.0, self._weight**2 / self._squares - 1))
        effective = self._weight**2 / self._squares
        self._scale = effective / max(effective - 1, 1.0) / self._weight**2

    def mae(self) -> tuple[float, float, float]:
        """The mean absolute error."""
        mean = float(self._means[0])
        variance = self._squared[1] - 2 * mean * self._squared[0] + mean**2 * self._squares
        return self._around(mean, float(variance))

    def rmse(self) -> tuple[float, float, float]:
        """The root of the mean squared error; the interval is the squared one's, by its roots."""
        mean = float(self._means[1])
        variance = self._squared[2] - 2 * mean * self._squared[1] + mean**2 * self._squares
        value, low, high = self._around(mean, float(variance))
        return math.sqrt(value), math.sqrt(low), math.sqrt(high)

    def r2(self) -> tuple[float, float, float] | None:
        """The share of the labels' variance that is explained; by its influence function."""
        squared, label, label_2 = float(self._means[1]), float(self._means[3]), float(self._means[4])
        around = label_2 - label**2
        if around <= 1e-12 * max(label_2, 1e-300):
            return None
        s = self._squared
        # Fourth powers around the mean, from those around the scheme's centre.
        fourth = s[6] - 4 * label * s[5] + 6 * label**2 * s[4] - 4 * label**3 * s[3] + label**4 * self._squares
        crossed = s[8] - 2 * label * s[7] + label**2 * s[1]
        variance = s[2] / around**2 - 2 * squared / around**3 * crossed + squared**2 / around**4 * fourth
        value = 1 - squared / around
        half = self._half * math.sqrt(max(0.0, float(variance)) * self._scale)
        return value, value - half, min(1.0, value + half)

    def _around(self, mean: float, variance: float) -> tuple[float, float, float]:
        half = self._half * math.sqrt(max(0.0, variance) * self._scale)
        return mean, max(0.0, mean - half), mean + half
