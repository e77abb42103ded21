"""How far the values that predictions saw moved from those in training."""

from __future__ import annotations

import math

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.registry.types import NumberProfile, Profile
from headwater.serving.drift import LEAST, MUCH, drift, stability_index
from headwater.training.describing import numbers

ROWS = 4000
TRAINED = np.random.default_rng(7).normal(10, 2, ROWS).astype(np.float32)


def profiled(values: object) -> NumberProfile:
    return numbers(pandas.Series(values, dtype="float64"))


def index(values: list[float | None] | np.ndarray, training: object = TRAINED) -> float:
    return stability_index(profiled(training), ROWS, list(values))


def test_by_hand() -> None:
    # Of 256 parts the lowest bin has 26 (up to 102) and the highest too (from 899): serving has 197 of 990 values in
    # the one and none, which counts as half a value, in the other. The bins between have what they had.
    served: list[float | None] = [*range(1, 96), *range(1, 896)]
    expected = (197 / 990 - 26 / 256) * math.log(197 / 990 * 256 / 26)
    expected += (0.5 / 990 - 26 / 256) * math.log(0.5 / 990 * 256 / 26)
    assert index(served, np.arange(1, 1001)) == pytest.approx(expected, rel=0.01)


def test_the_same_distribution_is_stable_and_a_moved_one_is_not() -> None:
    fresh = np.random.default_rng(8).normal(10, 2, LEAST).astype(np.float32)
    assert index(fresh) < 0.1
    assert index(fresh + 2) > MUCH
    assert index(fresh * 0.2 + 8) > MUCH
    assert index([*fresh[: LEAST // 2].tolist(), *[None] * (LEAST // 2)]) > MUCH


@given(st.lists(st.sampled_from([0.1, 0.25, 1e-3, 7.0]), min_size=1, max_size=4), st.floats(0, 1))
def test_the_very_values_of_training_are_stable_however_few_there_are(kinds: list[float], missing: float) -> None:
    """Masses and constants: float32's own 0.1 isn't the float64 that a profile holds."""
    known = (kinds * ROWS)[: int(ROWS * (1 - missing))]
    training = [*known, *[math.nan] * (ROWS - len(known))]
    served = [None if math.isnan(value) else float(np.float32(value)) for value in training]
    # A quantile between two masses is neither of them: each such boundary adds up to 0.013.
    assert index(served, training) == pytest.approx(0, abs=MUCH / 5)


@given(st.lists(st.one_of(st.none(), st.floats(width=32, allow_nan=False, allow_infinity=False)), min_size=1))
def test_an_index_is_a_number_from_zero_up(served: list[float | None]) -> None:
    for training in (TRAINED, [math.nan], [3.0], [0.0, 1.0]):
        found = index(served, training)
        assert math.isfinite(found)
        assert found >= 0


def test_features_are_told_the_most_changed_first_and_few_predictions_have_no_index() -> None:
    column = profiled(TRAINED)
    profile = Profile(
        model="m", run_id="r", rows=ROWS, numbers={"v__same": column, "v__moved": column, "v__unasked": column},
        categories={}, label=column, predictions=column,
    )  # fmt: skip
    columns = {name: name.replace(".", "__") for name in ("v.same", "v.moved", "v.text", "v.unasked")}
    fresh = np.random.default_rng(9).normal(10, 2, LEAST).tolist()
    values = {"v.same": fresh, "v.moved": [value + 9 for value in fresh], "v.text": fresh, "v.unasked": []}
    moved, same = drift(3, profile, columns, values)
    assert (moved.feature, same.feature, moved.version) == ("v.moved", "v.same", 3)
    assert (moved.mean, moved.mean_in_training) == (pytest.approx(19, abs=0.5), pytest.approx(10, abs=0.1))
    (few,) = drift(3, profile, {"v.same": "v__same"}, {"v.same": [1.0, None]})
    assert (few.index, few.missing, few.predictions) == (None, 0.5, 2)
