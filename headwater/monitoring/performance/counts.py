"""Labelled predictions of a window as counts and exact sums, which add up to those of any longer window.

Both kinds are pure functions of rows. Adding is associative and commutative, and no rows are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field

from headwater.monitoring.performance.cells import Floats, InvalidOutcomes, checked
from headwater.monitoring.performance.metrics import row_losses
from headwater.monitoring.profiles.counting import count_numbers
from headwater.monitoring.profiles.exact import ZERO, ExactSum, add, fraction, of_float
from headwater.monitoring.profiles.types import NumberCounts, Scheme, SchemeMismatch, bins_of
from headwater.values import Value

STRATA = 16
"""Groups of neighbouring score bins, of about as many held-out rows each."""
MOMENTS = ("absolute", "squared", "fourth", "label", "label_2", "label_3", "label_4", "crossed", "crossed_2")
"""Sums over rows: |e|, e², e⁴, y, y², y³, y⁴, e²y and e²y², of errors e and centred labels y."""


class LossSums(Value):
    """Exact sums of a loss over rows."""

    total: ExactSum = ZERO
    squares: ExactSum = ZERO

    @classmethod
    def of(cls, losses: Floats) -> Self:
        """Sums of some rows' losses; each is rounded once, whatever the rows' order."""
        return cls(total=_sum(losses), squares=_sum(losses**2))

    def __add__(self, other: LossSums) -> LossSums:
        return LossSums(total=add(self.total, other.total), squares=add(self.squares, other.squares))


class ClassCounts(Value):
    """Labelled predictions of a classifier."""

    scheme: str
    """Digest of the `Scheme` whose score edges were counted over."""
    positive: NumberCounts
    """Scores of the rows with label 1."""
    negative: NumberCounts
    right: Annotated[int, Field(ge=0)] = 0
    """Rows whose score is on the label's side of 0.5."""
    log_loss: LossSums = LossSums()
    brier: LossSums = LossSums()

    @property
    def rows(self) -> int:
        """Labelled predictions."""
        return self.positive.known + self.negative.known

    @property
    def scores(self) -> NumberCounts:
        """Scores of all labelled rows."""
        return self.positive + self.negative

    def __add__(self, other: ClassCounts) -> ClassCounts:
        _same(self.scheme, other.scheme)
        return ClassCounts(
            scheme=self.scheme,
            positive=self.positive + other.positive,
            negative=self.negative + other.negative,
            right=self.right + other.right,
            log_loss=self.log_loss + other.log_loss,
            brier=self.brier + other.brier,
        )


class Moments(Value):
    """Exact sums over labelled rows of a regression."""

    rows: Annotated[int, Field(ge=0)] = 0
    sums: tuple[ExactSum, ...] = (ZERO,) * len(MOMENTS)
    """In the order of `MOMENTS`."""

    @classmethod
    def of(cls, errors: Floats, labels: Floats) -> Self:
        """Sums of some rows, of their errors and centred labels."""
        squared = errors**2
        columns = (np.abs(errors), squared, squared**2, labels, labels**2, labels**3, labels**4)
        crossed = (squared * labels, squared * labels**2)
        return cls(rows=len(errors), sums=tuple(_sum(column) for column in (*columns, *crossed)))

    def __add__(self, other: Moments) -> Moments:
        return Moments(rows=self.rows + other.rows, sums=tuple(map(add, self.sums, other.sums)))

    def floats(self) -> Floats:
        """The sums, shape (9,)."""
        return np.asarray([float(fraction(entry)) for entry in self.sums])


class ErrorCounts(Value):
    """Labelled predictions of a regression."""

    scheme: str
    """Digest of the `Scheme` whose score edges were counted over."""
    scores: NumberCounts
    """Outputs of the labelled rows."""
    strata: tuple[Moments, ...]
    """Moments of the rows of each group of score bins (`stratum_of`); labels are centred by the scheme's middle edge,
    so that their powers keep their digits."""

    @property
    def rows(self) -> int:
        """Labelled predictions."""
        return self.scores.known

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        _same(self.scheme, other.scheme)
        return ErrorCounts(
            scheme=self.scheme,
            scores=self.scores + other.scores,
            strata=tuple(map(Moments.__add__, self.strata, other.strata)),
        )


Counts = ClassCounts | ErrorCounts


def count(task: str, scheme: Scheme, output: Any, label: Any) -> Counts:
    """Count the labelled rows of a part.

    Parameters
    ----------
    task : {"classification", "regression"}
    scheme : Scheme
        Of the model version.
    output : array, shape (n,)
        Predictions.
    label : array, shape (n,)
        None and NaN: not known yet, so the row isn't counted.

    Raises
    ------
    InvalidOutcomes
        The lengths differ, an output isn't finite, or a label isn't one that the task has.
    """
    outputs, labels = checked(task, output, label)
    if task != "classification":
        return _errors(scheme, outputs, labels)
    shown = np.clip(outputs, 0.0, 1.0)
    ones = labels == 1
    losses = {}
    for metric in ("log_loss", "brier", "accuracy"):
        of_ones, of_zeros = row_losses(metric, shown)
        losses[metric] = np.where(ones, of_ones, of_zeros)
    return ClassCounts(
        scheme=scheme.digest,
        positive=_scores(scheme, shown[ones]),
        negative=_scores(scheme, shown[~ones]),
        right=int(losses["accuracy"].sum()),
        log_loss=LossSums.of(losses["log_loss"]),
        brier=LossSums.of(losses["brier"]),
    )


def _errors(scheme: Scheme, outputs: Floats, labels: Floats) -> ErrorCounts:
    errors, centred = outputs - labels, labels - centre(scheme)
    with np.errstate(over="ignore"):
        if (bad := np.flatnonzero(~np.isfinite(errors**4) | ~np.isfinite(centred**4))).size:
            raise InvalidOutcomes(
                f"labelled row {bad[0]}: the label {labels[bad[0]]:g} and the output {outputs[bad[0]]:g} are too far "
                "apart or too large to be counted: their fourth powers exceed any float64"
            )
    groups = stratum_of(scheme)[np.searchsorted(np.asarray(scheme.scores), outputs.astype(np.float32), side="right")]
    return ErrorCounts(
        scheme=scheme.digest,
        scores=_scores(scheme, outputs),
        strata=tuple(Moments.of(errors[groups == one], centred[groups == one]) for one in range(strata_of(scheme))),
    )


def empty(task: str, scheme: Scheme) -> Counts:
    """Counts of no row; adding them changes nothing."""
    return count(task, scheme, np.empty(0), np.empty(0))


def merge(task: str, scheme: Scheme, parts: Iterable[Counts]) -> Counts:
    """Add any number of counts up."""
    return reduce(lambda left, right: left + right, parts, empty(task, scheme))


def centre(scheme: Scheme) -> float:
    """The value that labels of a regression are centred by: the middle one of the score edges."""
    return scheme.scores[len(scheme.scores) // 2] if scheme.scores else 0.0


def strata_of(scheme: Scheme) -> int:
    """Number of groups of score bins."""
    return max(1, min(STRATA, bins_of(scheme.scores)))


def stratum_of(scheme: Scheme) -> Any:
    """Group of each score bin, shape (bins + 2,): the bin below the edges first, the one above them last."""
    bins, groups = bins_of(scheme.scores), strata_of(scheme)
    if not bins:
        return np.zeros(2, dtype=np.int64)
    inner = np.arange(bins) * groups // bins
    return np.concatenate([[0], inner, [groups - 1]]).astype(np.int64)


def _scores(scheme: Scheme, outputs: Floats) -> NumberCounts:
    found = count_numbers("output", outputs, scheme.scores, bin_sums=True)
    # Without edges every output is above them.
    return found if found.sums else found.model_copy(update={"sums": (ZERO, found.sum)})


def _sum(values: Floats) -> ExactSum:
    return of_float(math.fsum(values))


def _same(left: str, right: str) -> None:
    if left != right:
        raise SchemeMismatch(
            f"labelled predictions of the schemes {left} and {right} can't be added: their bins differ. "
            "Add those of one model version only"
        )
