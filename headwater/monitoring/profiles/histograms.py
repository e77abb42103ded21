"""Figures of a long column without sorting it: a histogram over a float32's upper bits narrows down what to sort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwater.monitoring.profiles.exact import ZERO, ExactSum, add, of_float

_BITS = 18
_BUCKETS = 1 << _BITS
"""One for each sign, exponent and first 9 bits of the mantissa: few enough to stay in the processor's cache."""
_CHUNK = 1 << 16
"""Rows at a time, so that what is made of them stays in the processor's cache."""
_ORDERS = np.maximum(np.arange(512) % 256, 1) - 126
_LARGE = np.ldexp(1.5, 2 * _ORDERS - 24 + 52)
"""For each sign and exponent of a float32: adding and taking it away rounds a square to its upper 24 bits."""


@dataclass(frozen=True)
class Figures:
    """Figures of finite values."""

    upto: NDArray[np.int64]
    """For each edge the number of values below it."""
    candidates: NDArray[np.float32]
    """Sorted; a value that many rows have is in it as often as they do."""
    sum: ExactSum
    squares: ExactSum


def figures(values: NDArray[np.float32], edges: NDArray[np.float32], many: int) -> Figures:
    """Measure finite values, at most 2**29, in any order.

    Parameters
    ----------
    values, edges : array of float32
    many : int
        Rows from which on a value is a candidate for the most frequent one.
    """
    keys = _keys(values)
    counts = np.bincount(keys, minlength=_BUCKETS)
    below = np.concatenate([[0], np.cumsum(counts)])
    places = _keys(edges)
    wanted = counts >= max(many, 1)
    wanted[places] = True
    candidates = np.sort(values[wanted[keys]])
    # Below an edge are all lower buckets, and of its own one what a search finds.
    lower = np.searchsorted(_keys(candidates), places)
    upto = below[places] + np.searchsorted(candidates, edges) - lower
    total, squares = _sums(values)
    return Figures(np.asarray(upto, dtype=np.int64), candidates, total, squares)


def _keys(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Give the bucket of each value, ascending as the values are."""
    # Minus zero is zero.
    bits = (values + np.float32(0)).view(np.int32)
    ordered = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    return ((ordered >> (32 - _BITS)) + np.int32(_BUCKETS // 2)).astype(np.int64)


def _sums(values: NDArray[np.float32]) -> tuple[ExactSum, ExactSum]:
    """Sum values and squares, by sign and exponent: float64 adds multiples of one power of two without rounding."""
    totals = np.zeros((3, 512))
    for start in range(0, len(values), _CHUNK):
        chunk = np.ascontiguousarray(values[start : start + _CHUNK])
        orders = (chunk.view(np.uint32) >> 23).astype(np.int64)
        wide = chunk.astype(np.float64)
        large = _LARGE[orders]
        square = wide * wide
        upper = (square + large) - large
        for place, part in enumerate((wide, upper, square - upper)):
            totals[place] += np.bincount(orders, weights=part, minlength=512)
    found = [ZERO, ZERO, ZERO]
    for place, total in zip(*np.nonzero(totals), strict=True):
        found[place] = add(found[place], of_float(float(totals[place, total])))
    return found[0], add(found[1], found[2])
