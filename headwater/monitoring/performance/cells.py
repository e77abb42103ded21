"""Predictions of a classifier grouped by score: all that its metrics depend on, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from headwater.errors import InvalidRequest
from headwater.monitoring.profiles.types import NumberCounts

Floats = NDArray[np.float64]


class InvalidOutcomes(InvalidRequest):
    """An output or a label isn't one that performance can be measured by."""


@dataclass(frozen=True)
class Cells:
    """Groups of rows of one score each, ascending by score; k groups.

    Counts are weights, so that they may be fractions: of estimated labels, or of rows that stand for others.
    """

    score: Floats
    """Score of each group, shape (k,). Groups made from rows have different scores; of bins it is the mean."""
    positive: Floats
    """Weight of rows with label 1."""
    negative: Floats
    """Weight of rows with label 0."""
    positive_squares: Floats
    """Sum of the squared weights of rows with label 1: equal to ``positive`` if every weight is 1."""
    negative_squares: Floats

    @classmethod
    def plain(cls, score: Floats, positive: Any, negative: Any) -> Self:
        """Groups of rows that each count once."""
        positive, negative = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
        return cls(score, positive, negative, positive, negative)

    @classmethod
    def of_rows(cls, output: Floats, label: Floats, weights: Floats | None = None) -> Self:
        """Groups of equal scores: nothing is lost.

        Parameters
        ----------
        output : array of float64, shape (n,)
            Finite.
        label : array of float64, shape (n,)
            Each 0 or 1.
        weights : array of float64, shape (n,), optional
            Not negative.
        """
        score, places = np.unique(output, return_inverse=True)
        given = np.ones(len(output)) if weights is None else weights

        def summed(values: Floats) -> Floats:
            return np.bincount(places, weights=values, minlength=len(score)).astype(np.float64)

        ones, zeros = given * label, given * (1 - label)
        if weights is None:
            return cls.plain(score, summed(ones), summed(zeros))
        return cls(score, summed(ones), summed(zeros), summed(ones * given), summed(zeros * given))

    @classmethod
    def of_bins(cls, positive: NumberCounts, negative: NumberCounts, weights: Floats | None = None) -> Self:
        """Groups of score bins, each at the mean of its rows' scores.

        Parameters
        ----------
        positive, negative : NumberCounts
            Counts of the scores of rows with label 1 and with label 0, over the same edges.
        weights : array of float64, shape (bins + 2,), optional
            Rows that a row of each bin stands for; the bin below the edges first, the one above them last.
        """
        ones, zeros = counts_of(positive), counts_of(negative)
        total = ones + zeros
        # A bin without rows has no mean; its score is never looked at.
        score = (sums_of(positive) + sums_of(negative)) / np.maximum(total, 1)
        each = np.ones(len(total)) if weights is None else weights
        rows = total > 0
        return cls(
            score[rows],
            (ones * each)[rows],
            (zeros * each)[rows],
            (ones * each**2)[rows],
            (zeros * each**2)[rows],
        )

    @classmethod
    def joined(cls, parts: Sequence[Cells]) -> Self:
        """Groups of several parts, those of equal scores as one."""
        score, places = np.unique(np.concatenate([part.score for part in parts]), return_inverse=True)

        def summed(name: str) -> Floats:
            values = np.concatenate([getattr(part, name) for part in parts])
            return np.bincount(places, weights=values, minlength=len(score)).astype(np.float64)

        return cls(score, *(summed(n) for n in ("positive", "negative", "positive_squares", "negative_squares")))

    @property
    def total(self) -> Floats:
        """Weight of each group."""
        return self.positive + self.negative

    @property
    def rows(self) -> float:
        """Number of rows of weight 1 that say as much (Kish, 1965)."""
        squares = float(self.positive_squares.sum() + self.negative_squares.sum())
        return float(self.total.sum()) ** 2 / squares if squares else 0.0


def counts_of(counts: NumberCounts) -> Floats:
    """Rows of each bin, shape (bins + 2,): those below the edges first, those above them last."""
    return np.asarray([counts.below, *counts.bins, counts.above], dtype=np.float64)


def sums_of(counts: NumberCounts) -> Floats:
    """Sum of each bin's scores, in the order of `counts_of`."""
    if not counts.sums:
        return np.zeros(len(counts.bins) + 2)
    # Whole numbers divide with one rounding, as fractions do, in a tenth of the time.
    *inner, below, above = [
        mantissa / (1 << -exponent) if exponent < 0 else float(mantissa << exponent)
        for mantissa, exponent in counts.sums
    ]
    return np.asarray([below, *inner, above])


def checked(task: str, output: Any, label: Any) -> tuple[Floats, Floats]:
    """Outputs and labels as float64, of the rows that have a label (None and NaN are none).

    Raises
    ------
    InvalidOutcomes
        The lengths differ, an output isn't finite, or a label isn't one that the task has.
    """
    outputs, labels = numbers("output", output), numbers("label", label)
    if outputs.shape != labels.shape or outputs.ndim != 1:
        raise InvalidOutcomes(f"{outputs.shape} outputs and {labels.shape} labels, expected one label for each output")
    if (bad := np.flatnonzero(~np.isfinite(outputs))).size:
        raise InvalidOutcomes(f"row {bad[0]}: the output is {outputs[bad[0]]}, expected a finite number")
    known = ~np.isnan(labels)
    outputs, wanted = outputs[known], labels[known]
    invalid = ~np.isin(wanted, (0.0, 1.0)) if task == "classification" else ~np.isfinite(wanted)
    if invalid.any():
        row = int(np.flatnonzero(known)[np.flatnonzero(invalid)[0]])
        expected = "0 or 1" if task == "classification" else "a finite number"
        raise InvalidOutcomes(f"row {row}: the label is {labels[row]:g}, expected {expected}, or nothing if unknown")
    return outputs, wanted


def numbers(name: str, values: Any) -> Floats:
    """Values as float64; None is NaN.

    Raises
    ------
    InvalidOutcomes
        A value is no number.
    """
    try:
        if hasattr(values, "isna"):
            # pandas' own types of numbers have a missing value that is no NaN.
            values = values.to_numpy(dtype=object, na_value=np.nan)
        found = np.asarray(values, dtype=object if isinstance(values, (list, tuple)) else None)
        if found.dtype.kind in "US" or (found.dtype.kind == "O" and any(isinstance(v, (str, bytes)) for v in found)):
            raise TypeError("text")
        return found.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidOutcomes(f"the {name} isn't a column of numbers: {error}") from error
