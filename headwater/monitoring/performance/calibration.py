"""Scores as probabilities: isotonic regression, fitted at training on rows that the model didn't learn from."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from pydantic import model_validator

from headwater.monitoring.performance.cells import Floats
from headwater.values import Value

SPLITS = 10
"""Random splits by which it is decided whether scores are calibrated."""
TESTED = 0.1
"""Share of each class that a split tests."""
GROUPS = 10
"""Groups of equal size that the calibration error is measured by."""
MOST_TRIED = 50_000
"""Rows, spread over all, that the splits are drawn from."""
FEWEST_FITTED = 200
"""Rows, below which scores are left as they are: a calibration would fit noise."""


class Calibration(Value):
    """A curve from scores to probabilities, straight between its knots and level beyond them."""

    scores: tuple[float, ...] = ()
    """Ascending; none of a curve that leaves scores as they are."""
    probabilities: tuple[float, ...] = ()
    """Not descending."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.scores) != len(self.probabilities):
            raise ValueError(f"{len(self.scores)} scores but {len(self.probabilities)} probabilities")
        return self

    def probability(self, score: Floats) -> Floats:
        """Probability of class 1 at each score."""
        if not self.scores:
            return np.asarray(np.clip(score, 0.0, 1.0))
        return np.asarray(np.interp(score, np.asarray(self.scores), np.asarray(self.probabilities)))


def calibration(score: Any, label: Any, *, seed: int = 0) -> Calibration:
    """The isotonic curve of labelled rows if it lowers the calibration error on rows beside it, else none.

    The curve is fitted to 90% of each class and tested on the others, ten times; it is kept if the mean error over the
    ten is lower than that of the scores themselves.

    Parameters
    ----------
    score : array, shape (n,)
        Of rows that the model didn't learn from.
    label : array, shape (n,)
        0 or 1.
    seed : int
        Draws the splits: the same rows give the same curve.
    """
    scores, labels = np.asarray(score, dtype=np.float64), np.asarray(label, dtype=np.float64)
    classes = [np.flatnonzero(labels == one) for one in (0, 1)]
    if len(scores) < FEWEST_FITTED or min(map(len, classes)) < GROUPS:
        return Calibration()
    draw, gained = np.random.default_rng(seed), 0.0
    # Few enough to be quick; those of each class are spread over time.
    step = max(1.0, len(scores) / MOST_TRIED)
    classes = [rows[(np.arange(0, len(rows), step)).astype(np.int64)] for rows in classes]
    for _ in range(SPLITS):
        parts = [np.split(draw.permutation(rows), [max(1, round(len(rows) * TESTED))]) for rows in classes]
        tested, others = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
        curve = isotonic(scores[others], labels[others])
        before = calibration_error(scores[tested], labels[tested])
        gained += before - calibration_error(curve.probability(scores[tested]), labels[tested])
    return isotonic(scores, labels) if gained > 0 else Calibration()


def calibration_error(probability: Floats, label: Floats) -> float:
    """Mean distance of the share of class 1 from the mean probability, in ten groups of equal size."""
    order = np.argsort(probability, kind="stable")
    groups = np.array_split(order, min(GROUPS, len(order)))
    gaps = [abs(float(probability[rows].mean() - label[rows].mean())) * len(rows) for rows in groups]
    return sum(gaps) / len(order)


def isotonic(score: Floats, label: Floats) -> Calibration:
    """Fit the nearest curve that doesn't descend, by pooling neighbours (R. Barlow et al., 1972)."""
    found, places = np.unique(score, return_inverse=True)
    weights = np.bincount(places).astype(np.float64)
    means: list[float] = []
    sizes: list[float] = []
    lengths: list[int] = []
    for mean, size in zip((np.bincount(places, label) / weights).tolist(), weights.tolist(), strict=True):
        means.append(mean)
        sizes.append(size)
        lengths.append(1)
        while len(means) > 1 and means[-2] >= means[-1]:
            last, weight, length = means.pop(), sizes.pop(), lengths.pop()
            total = sizes[-1] + weight
            means[-1] = (means[-1] * sizes[-1] + last * weight) / total
            sizes[-1], lengths[-1] = total, lengths[-1] + length
    fitted = np.repeat(means, lengths)
    # The first and the last score of each level are all that its line needs.
    kept = np.ones(len(found), dtype=bool)
    kept[1:-1] = (fitted[1:-1] != fitted[:-2]) | (fitted[1:-1] != fitted[2:])
    return Calibration(scores=tuple(found[kept].tolist()), probabilities=tuple(fitted[kept].tolist()))
