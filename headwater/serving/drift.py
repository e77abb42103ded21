"""Do the features of logged predictions still look as they did in training?

Measured as the population stability index between the rows that a model learnt from (its profile) and the rows that it
answered: sum of (a - e) ln(a / e) over bins with the shares e in training and a in serving. By the rule of thumb below
0.1 nothing has changed, above 0.25 much has (N. Siddiqi, "Credit Risk Scorecards", Wiley 2006).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from headwater.features.online.encoding import Known
from headwater.registry.types import NumberProfile, Profile
from headwater.values import Value

BINS = 10
LITTLE, MUCH = 0.1, 0.25
"""Up to the first a feature is spread as it was, above the second it isn't at all."""
LEAST = 200
"""Values below which no index is given. Without any change it is about (bins - 1) (1/n + 1/m) of n values beside m in
training (B. Yurdakul, "Statistical Properties of Population Stability Index", 2018): 0.05 of 200."""


class FeatureDrift(Value):
    """How one feature of a model version's predictions is spread beside its training rows."""

    feature: str
    """``view.feature``."""
    version: int
    """Version of the model."""
    predictions: int
    index: float | None
    """The population stability index, missing values being a bin of their own; None of fewer than `LEAST`."""
    missing: float
    """Share of the predictions."""
    missing_in_training: float
    mean: float | None
    mean_in_training: float | None


def drift(
    version: int, profile: Profile, columns: Mapping[str, str], values: Mapping[str, Sequence[Known]]
) -> tuple[FeatureDrift, ...]:
    """Compare logged values with a profile, the most changed feature first.

    Parameters
    ----------
    version : int
    profile : Profile
        Of that version's training rows.
    columns : mapping
        Feature to its column in the profile; one that the profile knows no numbers of is left out.
    values : mapping
        Feature to what the predictions saw; text has no index.
    """
    found = [
        _compare(version, name, profile.numbers[column], profile.rows, _numbers(values[name]))
        for name, column in columns.items()
        if column in profile.numbers and values.get(name)
    ]
    return tuple(sorted(found, key=lambda entry: -(entry.index or 0.0)))


def _numbers(values: Sequence[Known]) -> list[float | None]:
    return [None if isinstance(value, str) else value for value in values]


def _compare(
    version: int, name: str, training: NumberProfile, rows: int, values: Sequence[float | None]
) -> FeatureDrift:
    known = [value for value in values if value is not None]
    return FeatureDrift(
        feature=name,
        version=version,
        predictions=len(values),
        index=stability_index(training, rows, values) if len(values) >= LEAST else None,
        missing=1 - len(known) / len(values),
        missing_in_training=training.missing,
        mean=sum(known) / len(known) if known else None,
        mean_in_training=training.mean,
    )


def stability_index(training: NumberProfile, rows: int, values: Sequence[float | None]) -> float:
    """The population stability index of ``values`` beside a column of ``rows`` training rows.

    Bins end at the training's deciles; deciles that are alike make one bin, and missing values one of their own. A
    share of nothing counts as half a row, for the logarithm's sake.
    """
    # What a model sees are float32: a decile of the same number in float64 would lie beside it.
    cuts = np.asarray(training.quantiles, dtype=np.float32)
    known = np.asarray([value for value in values if value is not None], dtype=np.float32)
    steps = max(1, len(cuts) - 1)
    ends = np.unique([cuts[round(place * steps / BINS)] for place in range(1, BINS)] if len(cuts) else [])
    # Up to each end: of the training rows by their quantiles, of the predictions by counting.
    expected = _shares((np.searchsorted(cuts, ends, side="right") - 1) / steps, training.missing, rows)
    counted = np.searchsorted(np.sort(known), ends, side="right") / max(1, len(known))
    actual = _shares(counted, 1 - len(known) / len(values), len(values))
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def _shares(cumulative: NDArray[np.float64], missing: float, rows: int) -> NDArray[np.float64]:
    """The shares of the bins between cumulative ones, and that of the missing values."""
    bins = np.diff(cumulative, prepend=0.0, append=1.0) * (1 - missing)
    shares: NDArray[np.float64] = np.maximum(np.append(bins, missing), 0.5 / rows)
    return shares
