"""Days that are each a little unusual, for long: a cumulative sum of surprises finds what no single day shows.

The surprise of a day with p-value p is -ln p, which is 1 on average as long as nothing has changed. What lies above
1 + `SLACK` adds up, and never below nothing (E. Page, "Continuous inspection schemes", Biometrika 41, 1954). The limit
is what the reference windows themselves reach in a year: whole weeks of them are drawn at random, so that days which
resemble their neighbours count as that (H. Künsch, "The jackknife and the bootstrap for general stationary
observations", 1989).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SLACK = 0.5
LEAST_WINDOWS = 60
"""Reference windows below which their own sums say too little of a year."""
CHANCE = 0.05
"""Share of years without any change in which the sum exceeds its limit, if the bank is what days are like."""
CAP = 3.0
"""How far above its limit a sum may get, so that it comes back within a week or so once days are as usual."""
_BLOCK, _DAYS, _YEARS = 7, 365, 400


def surprise(p: float) -> float:
    """Measure how much a day adds to the sum."""
    return -math.log(p) - 1 - SLACK


def limit_of(chances: NDArray[np.float64]) -> float | None:
    """The sum that is exceeded in one of twenty years by chance.

    Parameters
    ----------
    chances : array
        The p-value of each reference window beside the others, in the order of time.

    Returns
    -------
    float or None
        None of fewer than `LEAST_WINDOWS`.
    """
    count = len(chances)
    if count < LEAST_WINDOWS:
        return None
    draw = np.random.default_rng(count)
    starts = draw.integers(0, count, (_YEARS, -(-_DAYS // _BLOCK)))
    places = (starts[:, :, None] + np.arange(_BLOCK)).reshape(_YEARS, -1)[:, :_DAYS] % count
    steps = (-np.log(chances) - 1 - SLACK)[places]
    total, largest = np.zeros(_YEARS), np.zeros(_YEARS)
    for step in steps.T:
        total = np.maximum(total + step, 0.0)
        largest = np.maximum(largest, total)
    return float(np.quantile(largest, 1 - CHANCE))


def ranks_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The p-value of each score among all of them."""
    ordered = np.sort(scores)
    return np.asarray((len(scores) - np.searchsorted(ordered, scores)) / len(scores), dtype=np.float64)
