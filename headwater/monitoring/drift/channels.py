"""How far a window's counts are from usual ones: a figure for each channel, and figures that are only shown.

Four channels, which are never mixed, because each fault moves one of them and leaves the others alone: quality (what is
missing, unseen or infinite), frozen (one value has taken over), range (values that training never saw) and shape (how
the values are spread). The population stability index, Kolmogorov and Smirnov's distance and Wasserstein's distance are
well known, so that people want to see them; they decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from headwater.monitoring.profiles.types import CategoryCounts, NumberCounts
from headwater.values import Value

CELLS = 32
"""Bins of equal mass that shapes are compared over."""
STABILITY_BINS = 10

Floats = NDArray[np.float64]


class Channel(StrEnum):
    """Kind of fault that a feature shows."""

    MISSING = "missing"
    UNSEEN = "unseen"
    INFINITE = "infinite"
    STUCK = "stuck"
    """All but a few rows have one value, which no usual window is near."""
    FROZEN = "frozen"
    RANGE = "range"
    SHAPE = "shape"


QUALITY = (Channel.MISSING, Channel.UNSEEN, Channel.INFINITE)
"""Judged by a rule of their own."""
BROKEN = (*QUALITY, Channel.STUCK)
"""Faults that need no comparison of shapes; a stuck one shows in whole windows alone."""
DISTANCES = (Channel.FROZEN, Channel.RANGE, Channel.SHAPE)
"""Judged beside what is usual."""


class ShownStatistics(Value):
    """Well-known figures of a window beside its reference. None decides anything."""

    stability_index: float | None
    """Population stability index over ten bins of equal mass; always finite."""
    kolmogorov_smirnov: float | None
    """Largest difference between the two distribution functions at a bin's edge; of numbers alone."""
    wasserstein: float | None
    """Wasserstein's distance in standard deviations of the reference; of numbers alone."""


def jensen_shannon(left: Floats, right: Floats) -> Floats:
    """Measure the Jensen-Shannon divergence of counts, in bits, along the last axis: 0 alike, 1 disjoint.

    SciPy's ``jensenshannon(base=2)`` is its root. Never negative and never NaN; 0 where a side has no count
    (J. Lin, "Divergence measures based on the Shannon entropy", 1991).
    """
    p, q = _shares(left), _shares(right)
    middle = (p + q) / 2
    found = (_terms(p, middle) + _terms(q, middle)).sum(axis=-1) / 2
    known = (left.sum(axis=-1) > 0) & (right.sum(axis=-1) > 0)
    # Rounding may leave a negative remainder of equal shares.
    return np.where(known, np.clip(found, 0.0, 1.0), 0.0)


def _shares(counts: Floats) -> Floats:
    total = counts.sum(axis=-1, keepdims=True)
    return np.asarray(counts / np.maximum(total, 1.0), dtype=np.float64)


def _terms(shares: Floats, middle: Floats) -> Floats:
    # Counts are whole, so that no share is small enough for the quotient to overflow.
    quotient = np.divide(shares, middle, out=np.ones_like(middle), where=(shares > 0) & (middle > 0))
    return np.asarray(shares * np.log2(quotient), dtype=np.float64)


def chance(left: Floats, right: Floats) -> Floats:
    """Expect this divergence of two samples that differ by chance alone: (B - 1) (1/n + 1/m) / (8 ln 2).

    B counts the cells that any of the two fills. It is the first term of the divergence's expansion, which is a
    chi-square of B - 1 degrees of freedom but for a factor (I. Grosse et al., "Analysis of symbolic
    sequences using the Jensen-Shannon divergence", 2002).
    """
    cells = ((left + right) > 0).sum(axis=-1)
    n, m = left.sum(axis=-1), right.sum(axis=-1)
    each = 1 / np.maximum(n, 1) + 1 / np.maximum(m, 1)
    return np.asarray(np.maximum(cells - 1, 0) * each / (8 * math.log(2)), dtype=np.float64)


def shape_distance(left: Floats, right: Floats) -> Floats:
    """Measure the divergence beyond chance; 0 if there is none."""
    return np.asarray(np.maximum(jensen_shannon(left, right) - chance(left, right), 0.0), dtype=np.float64)


def cells_of(counts: NumberCounts | CategoryCounts) -> list[int]:
    """List the counts that a shape is made of; what is below or above belongs to the outermost bins."""
    found = list(counts.bins)
    if isinstance(counts, NumberCounts) and found:
        found[0] += counts.below
        found[-1] += counts.above
    return found


def equal_mass(total: Sequence[int] | NDArray[np.int64], *, ordered: bool, cells: int = CELLS) -> NDArray[np.int64]:
    """Put bins together to at most ``cells`` of about equal mass: the cell of each bin.

    Parameters
    ----------
    total : sequence of int
        Counts of the reference.
    ordered : bool
        Numbers: neighbours are put together. Otherwise the most frequent words keep a cell each, and all others share
        one.
    """
    counts = np.asarray(total, dtype=np.float64)
    if not len(counts):
        return np.empty(0, dtype=np.int64)
    if not ordered:
        ranks = np.empty(len(counts), dtype=np.int64)
        ranks[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        return np.minimum(ranks, cells - 1)
    middles = (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1.0)
    found = np.minimum((middles * cells).astype(np.int64), cells - 1)
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def shown(
    edges: Sequence[float], window: NumberCounts | CategoryCounts, usual: NumberCounts | CategoryCounts
) -> ShownStatistics:
    """Compare a window with its reference in well-known figures.

    Within a bin the values count as evenly spread, those below and above as standing at the outermost edges: the
    distances are off by at most the mass, and the length times the mass, of a bin.
    """
    left, right = np.asarray(cells_of(window), dtype=np.float64), np.asarray(cells_of(usual), dtype=np.float64)
    if not left.sum() or not right.sum():
        return ShownStatistics(stability_index=None, kolmogorov_smirnov=None, wasserstein=None)
    numbers = isinstance(window, NumberCounts) and isinstance(usual, NumberCounts)
    index = stability_index(left, right, ordered=numbers)
    if not isinstance(window, NumberCounts) or not isinstance(usual, NumberCounts):
        return ShownStatistics(stability_index=index, kolmogorov_smirnov=None, wasserstein=None)
    difference = _cumulative(window) - _cumulative(usual)
    spread = usual.deviation
    return ShownStatistics(
        stability_index=index,
        kolmogorov_smirnov=float(np.abs(difference).max()),
        wasserstein=_area(difference, np.diff(edges)) / spread if spread else None,
    )


def stability_index(left: Floats, right: Floats, *, ordered: bool) -> float:
    """Measure the population stability index over `STABILITY_BINS` bins of about equal mass in ``right``.

    A share of nothing counts as half a row, for the logarithm's sake: the index is finite
    (N. Siddiqi, "Credit Risk Scorecards", 2006).
    """
    places = equal_mass(right.astype(np.int64), ordered=ordered, cells=STABILITY_BINS)
    shares = [np.maximum(np.bincount(places, side) / side.sum(), 0.5 / side.sum()) for side in (left, right)]
    return float(np.sum((shares[0] - shares[1]) * np.log(shares[0] / shares[1])))


def _cumulative(counts: NumberCounts) -> Floats:
    """Shares up to each edge."""
    upto = np.cumsum([counts.below, *counts.bins]) / max(counts.known, 1)
    return np.asarray(upto, dtype=np.float64)


def _area(difference: Floats, lengths: Floats) -> float:
    """Integrate the absolute value of a function that is linear between its points."""
    start, end = difference[:-1], difference[1:]
    absolute = (np.abs(start) + np.abs(end)) / 2
    # Where it changes its sign there are two triangles instead.
    crossing = start * end < 0
    apart = np.abs(start) + np.abs(end)
    two = np.divide(start**2 + end**2, 2 * apart, out=np.zeros_like(apart), where=crossing)
    return float((np.where(crossing, two, absolute) * lengths).sum())


def at_least(count: int, rows: int, share: float) -> float:
    """Tell how probable ``count`` or more of ``rows`` are if each is one with the probability ``share``.

    The binomial's upper tail is the incomplete beta function, here as Lentz's continued fraction (W. Press et al.,
    "Numerical Recipes", section 6.4).
    """
    if count <= 0:
        return 1.0
    if count > rows or share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    a, b = float(count), float(rows - count + 1)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(share) + b * math.log1p(-share)
    )
    if share < (a + 1) / (a + b + 2):
        return min(1.0, front * _fraction(a, b, share) / a)
    return max(0.0, 1.0 - front * _fraction(b, a, 1 - share) / b)


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    value = d
    for step in range(1, 100_000):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            d = 1 + term * d
            c = 1 + term / c
            d = 1 / (d if abs(d) > tiny else tiny)
            c = c if abs(c) > tiny else tiny
            value *= d * c
        if abs(d * c - 1) < 1e-12:
            break
    return value
