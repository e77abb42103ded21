"""Quantiles and tails of distributions, by NumPy and the standard library: functions in AWS have no SciPy."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.monitoring.shares import Z


def among_quantile(figures: int) -> float:
    """The normal quantile that is exceeded by any of so many figures as rarely as `Z` is by one, at most."""
    return NormalDist().inv_cdf(1 - 0.025 / figures)


def t_quantile(degrees: float) -> float:
    """97.5% quantile of Student's t; the normal one for infinitely many degrees of freedom.

    Expansion in the inverse of the degrees of freedom (M. Abramowitz, I. Stegun, 26.7.5): within 0.1% from four degrees
    on. Below four the true values are given.
    """
    if degrees < 4:
        return {1: 12.7062, 2: 4.30265, 3: 3.18245}[max(1, math.floor(degrees))]
    z = Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, start=1))


def t_tails(statistic: Any, degrees: Any) -> NDArray[np.float64]:
    """Probability that Student's t is at least so large, for arrays.

    The value is brought to the normal scale (D. Wallace, Annals of Mathematical Statistics 30, 1959): within 2% of the
    tail from 40 degrees of freedom on.
    """
    t, n = np.asarray(statistic, dtype=np.float64), np.asarray(degrees, dtype=np.float64)
    normal = np.sign(t) * np.sqrt(n * np.log1p(t * t / n)) * (8 * n + 1) / (8 * n + 3)
    return np.asarray([math.erfc(value / math.sqrt(2)) / 2 for value in np.ravel(normal)]).reshape(normal.shape)


def chi_square_tail(statistic: float, degrees: int) -> float:
    """Probability that a chi-square of so many degrees of freedom is at least so large.

    For whole degrees of freedom the incomplete gamma function is a finite sum (M. Abramowitz, I. Stegun, 26.4.4 and
    26.4.5).
    """
    if degrees < 1:
        return 1.0
    half = max(0.0, statistic) / 2
    if degrees % 2:
        total, term, start = math.erfc(math.sqrt(half)), math.sqrt(half / math.pi) * 2 * math.exp(-half), 1.5
    else:
        total, term, start = 0.0, math.exp(-half), 1.0
    for step in range(degrees // 2):
        total += term
        term *= half / (start + step)
    return min(1.0, total)


def chi_square_quantile(share: float, degrees: int) -> float:
    """The value that a chi-square of so many degrees of freedom stays below with the probability ``share``."""
    low, high = 0.0, 1.0
    while 1 - chi_square_tail(high, degrees) < share:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - chi_square_tail(middle, degrees) < share else (low, middle)
    return high
