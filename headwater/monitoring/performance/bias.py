"""Whether the predictions that are labelled so far are like all predictions, and the figures as if they were.

Labels come late, and not by chance: a default is known sooner than a loan that is repaid. Figures of what is labelled
are then of other predictions than those that the model makes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from headwater.errors import InvalidRequest
from headwater.monitoring.performance.cells import Floats, counts_of
from headwater.monitoring.performance.counts import Counts, ErrorCounts, stratum_of
from headwater.monitoring.performance.distributions import chi_square_tail
from headwater.monitoring.performance.realised import of_counts, weighted
from headwater.monitoring.performance.types import FEWEST_ROWS, Figures
from headwater.monitoring.profiles.types import NumberCounts, Scheme
from headwater.values import Value

BIASED = 0.01
"""Labelled predictions differ from the others if chance has at most this probability."""
FEWEST_EXPECTED = 5.0
"""Rows that the chi-square test expects in a group at least, and labelled rows that may stand for others."""


class Bias(Value):
    """How what is labelled compares with all predictions of a window."""

    predictions: int
    labelled: int
    coverage: float = Field(ge=0, le=1)
    """Share of the predictions that are labelled; 0 without predictions."""
    p: float | None = None
    """Probability that labelled and unlabelled predictions differ so much in their scores by chance; None if either
    are fewer than 30."""
    raw: Figures
    """Figures of the labelled predictions."""
    adjusted: Figures
    """The same with each labelled prediction standing for all predictions of about its score (and segment)."""
    uncovered: float = 0.0
    """Share of the predictions that no labelled one is near enough to stand for but by a merged group."""

    @property
    def is_biased(self) -> bool:
        """True if the labelled predictions aren't like the others."""
        return self.p is not None and self.p <= BIASED


def bias(scheme: Scheme, groups: Sequence[tuple[Counts, NumberCounts]]) -> Bias:
    """Compare labelled predictions with all.

    Parameters
    ----------
    scheme : Scheme
        Of the model version.
    groups : sequence of (Counts, NumberCounts)
        Counts of the labelled predictions and of the scores of all, for the whole or for each value of a segment: every
        prediction is in exactly one group.

    Raises
    ------
    InvalidRequest
        There is no group.
    """
    if not groups:
        raise InvalidRequest("bias needs the counts of the whole, or of each value of a segment; nothing was given")
    strata = stratum_of(scheme)
    size = int(strata.max()) + 1
    # More labelled than all: a part's labels were counted before its predictions.
    labelled = np.asarray([np.bincount(strata, counts_of(counts.scores), size) for counts, _ in groups])
    every = np.maximum(np.asarray([np.bincount(strata, counts_of(scores), size) for _, scores in groups]), labelled)
    predictions, known = int(every.sum()), int(labelled.sum())
    weights = [_stand_for(mine, all_of) for mine, all_of in zip(labelled, every, strict=True)]
    lost = sum(float(all_of.sum()) for mine, all_of in zip(labelled, every, strict=True) if not mine.sum())
    total = groups[0][0]
    for counts, _ in groups[1:]:
        total = total + counts  # type: ignore[operator]
    spread = [
        (counts, weight if isinstance(counts, ErrorCounts) else weight[strata])
        for (counts, _), weight in zip(groups, weights, strict=True)
    ]
    return Bias(
        predictions=predictions,
        labelled=known,
        coverage=known / predictions if predictions else 0.0,
        p=different(labelled.ravel(), (every - labelled).ravel()),
        raw=of_counts(total),
        adjusted=weighted(spread),
        uncovered=lost / predictions if predictions else 0.0,
    )


def different(left: Floats, right: Floats) -> float | None:
    """Probability by chance that two groups' shares differ so much: the chi-square test of homogeneity.

    Groups in which fewer than five rows are expected on either side are taken together with their neighbours.
    """
    if left.sum() < FEWEST_ROWS or right.sum() < FEWEST_ROWS:
        return None
    share = min(left.sum(), right.sum()) / (left.sum() + right.sum())
    groups = _merged((left + right) * share, FEWEST_EXPECTED)
    cells = np.asarray([np.bincount(groups, side) for side in (left, right)])
    expected = cells.sum(axis=1, keepdims=True) * cells.sum(axis=0, keepdims=True) / cells.sum()
    statistic = float(((cells - expected) ** 2 / expected).sum())
    return chi_square_tail(statistic, cells.shape[1] - 1)


def _stand_for(labelled: Floats, every: Floats) -> Floats:
    """Weight of a labelled row of each stratum; strata of few labelled rows are taken together with neighbours."""
    groups = _merged(labelled, FEWEST_EXPECTED)
    mine, all_of = np.bincount(groups, labelled), np.bincount(groups, every)
    return np.asarray((all_of / np.maximum(mine, 1))[groups])


def _merged(rows: Floats, fewest: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Number neighbouring groups so that each has enough rows; the last one takes what is left."""
    found, group, gathered = np.zeros(len(rows), dtype=np.int64), 0, 0.0
    left = float(rows.sum())
    for place, count in enumerate(rows.tolist()):
        found[place] = group
        gathered, left = gathered + count, left - count
        if gathered >= fewest and left >= fewest:
            group, gathered = group + 1, 0.0
    return found
