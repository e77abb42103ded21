"""Sums without rounding: the same whatever the order and the grouping of what is added.

A float32 is a whole number of at most 24 bits times a power of two, so a sum of many is one too. Python's whole numbers
have no largest one, so nothing is rounded until somebody asks for a float. `math.fsum` rounds once for each call: sums
of its sums depend on their grouping.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

ExactSum = tuple[int, int]
"""A mantissa and an exponent: mantissa * 2**exponent. The mantissa is odd, or both are 0: equal sums, equal tuples."""

ZERO: ExactSum = (0, 0)
_DIGITS = 24
"""Bits of a float32's mantissa."""
_CHUNK = 1 << 14
"""Rows at a time, so that what is made of them stays in the processor's cache."""
_EXPONENTS = np.arange(-126, 128)
_POWERS = np.concatenate(
    [
        # Of negative numbers the larger magnitude comes first, and a power of two belongs to the numbers after it.
        np.nextafter(-np.ldexp(np.float32(1), _EXPONENTS[::-1]), np.float32(np.inf)),
        np.ldexp(np.float32(1), _EXPONENTS),
    ]
).astype(np.float32)
"""Where one binary order of float32 ends and the next one starts, ascending."""


def exact(mantissa: int, exponent: int) -> ExactSum:
    """Give the one form of ``mantissa * 2**exponent``."""
    if not mantissa:
        return ZERO
    spare = (mantissa & -mantissa).bit_length() - 1
    return mantissa >> spare, exponent + spare


def add(left: ExactSum, right: ExactSum) -> ExactSum:
    """Add two sums."""
    low = min(left[1], right[1])
    return exact((left[0] << (left[1] - low)) + (right[0] << (right[1] - low)), low)


def fraction(total: ExactSum) -> Fraction:
    """Give a sum as a fraction."""
    mantissa, exponent = total
    return Fraction(mantissa << exponent) if exponent >= 0 else Fraction(mantissa, 1 << -exponent)


def sums(values: NDArray[np.float32], ends: Sequence[int]) -> list[ExactSum]:
    """Sum sorted values, bin by bin.

    Values of one binary order are multiples of one power of two and have 24 bits, so that float64 adds up to 2**29 of
    them without rounding, in any order.

    Parameters
    ----------
    values : array of float32, shape (n,)
        Finite, ascending; at most 2**29.
    ends : sequence of int
        Positions in ``values`` where a bin ends, ascending, the last one being n.
    """
    found = [ZERO] * len(ends)
    if not len(values):
        return found
    inner = [end for end in ends if 0 < end < len(values)]
    starts = np.unique(np.concatenate([_orders(values), np.asarray(inner, dtype=np.int64)]))
    totals = np.add.reduceat(values, starts, dtype=np.float64)
    bins = np.searchsorted(np.asarray(ends), starts, side="right")
    for place, total in zip(bins.tolist(), totals.tolist(), strict=True):
        found[place] = add(found[place], of_float(total))
    return found


def squares(values: NDArray[np.float32]) -> ExactSum:
    """Sum the squares of sorted values, finite and at most 2**29."""
    found = ZERO
    if not len(values):
        return found
    starts = _orders(values).tolist()
    for start, end in zip(starts, [*starts[1:], len(values)], strict=True):
        order = math.frexp(max(abs(float(values[start])), abs(float(values[end - 1]))))[1]
        # A square has 48 bits, too many for a sum of many: its upper and its lower 24 bits are summed by themselves.
        # Adding and taking away a number this large rounds to the upper ones.
        large = math.ldexp(1.5, 2 * order - _DIGITS + 52)
        high = low = 0.0
        for first in range(start, end, _CHUNK):
            square = values[first : min(first + _CHUNK, end)].astype(np.float64)
            square *= square
            upper = square + large
            upper -= large
            square -= upper
            high += float(upper.sum())
            low += float(square.sum())
        found = add(add(found, of_float(high)), of_float(low))
    return found


def _orders(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Find where runs of values between two neighbouring powers of two start."""
    found = np.searchsorted(values, _POWERS)
    return np.unique(np.concatenate([[0], found[found < len(values)]])).astype(np.int64)


def of_float(value: float) -> ExactSum:
    """Give the one form of a finite float."""
    mantissa, power = value.as_integer_ratio()
    return exact(mantissa, 1 - power.bit_length())
