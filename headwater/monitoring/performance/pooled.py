"""Many rows' scores as few: neighbours that are nearly equal count as their mean."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from headwater.monitoring.performance.cells import Floats

MOST_EXACT = 200_000
"""Rows up to which each score counts as it is."""
GROUP = 128
"""Neighbours that become one."""
PART = 1 << 18
"""Rows that are sorted together, side by side with others. Each part spans all scores, so that parts needn't be merged:
groups of several parts that overlap are as narrow as their neighbours."""


def pooled(output: Floats, *, most_exact: int = MOST_EXACT) -> tuple[Floats, Floats]:
    """Different scores, ascending, and how many rows have each.

    Up to ``most_exact`` rows, and wherever most rows share their score with others, these are the rows' own scores. Of
    more rows they are means of `GROUP` neighbours, in the precision of float32: a group spans some thousandth of all
    rows. What is at most 0 or at least 1 is in no group with others.

    Parameters
    ----------
    output : array of float64, shape (n,)
        They are clipped to 0 and 1.
    most_exact : int
    """
    if len(output) <= most_exact:
        return _exact(output)
    parts = np.array_split(output.astype(np.float32), -(-len(output) // PART))
    with ThreadPoolExecutor(max_workers=min(len(parts), os.cpu_count() or 1)) as pool:
        groups = [found for found in pool.map(_groups, parts) if found is not None]
    if len(groups) < len(parts):
        return _exact(output)
    scores, counts = (np.concatenate(side) for side in zip(*groups, strict=True))
    order = np.argsort(scores)
    scores, counts = scores[order], counts[order]
    starts = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))
    return scores[starts], np.add.reduceat(counts, starts)


def _exact(output: Floats) -> tuple[Floats, Floats]:
    scores, counts = np.unique(np.clip(output, 0.0, 1.0), return_counts=True)
    return scores, counts.astype(np.float64)


def _groups(scores: NDArray[np.float32]) -> tuple[Floats, Floats] | None:
    """Sort a part where it lies, and give its groups' means and sizes.

    None if most of its rows share their score, for a group that spans two distant scores would be neither; and if one
    is NaN, which comes last.
    """
    scores.sort()
    if np.isnan(scores[-1]) or 2 * np.count_nonzero(scores[1:] != scores[:-1]) < len(scores):
        return None
    # The log loss of 0 and of 1 is like no neighbour's.
    low, high = np.searchsorted(scores, _ZERO, side="right"), np.searchsorted(scores, _ONE)
    starts = np.arange(low, high, GROUP)
    counts = np.diff(starts, append=high)
    means = np.add.reduceat(scores[:high], starts, dtype=np.float64) / counts if len(starts) else np.empty(0)
    found = np.concatenate([[0.0], means, [1.0]]), np.concatenate([[low], counts, [len(scores) - high]])
    filled = found[1] > 0
    return found[0][filled], found[1][filled].astype(np.float64)


# Looked up as other floats, they would have NumPy convert the part.
_ZERO, _ONE = np.float32(0), np.float32(1)
