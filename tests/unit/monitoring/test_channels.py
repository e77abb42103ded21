"""Each statistic beside SciPy's, within what its bins allow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom, false_discovery_control, ks_2samp, wasserstein_distance

from headwater.monitoring.drift.channels import (
    at_least,
    chance,
    equal_mass,
    jensen_shannon,
    shape_distance,
    shown,
    stability_index,
)
from headwater.monitoring.drift.judging import benjamini_hochberg
from headwater.monitoring.profiles.counting import profile_of
from tests.unit.monitoring.data import counts, scheme_of

COUNTS = st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1, max_size=40)


@given(COUNTS)
@settings(max_examples=150, deadline=None)
def test_the_divergence_is_the_square_of_scipys_distance(pairs: list[tuple[int, int]]) -> None:
    left, right = np.asarray(pairs, dtype=np.float64).T
    found = float(jensen_shannon(left, right))
    assert 0 <= found <= 1
    if left.sum() and right.sum():
        with np.errstate(invalid="ignore"):
            expected = float(jensenshannon(left, right, base=2))
        # SciPy's is NaN where rounding leaves less than nothing (scipy#20083).
        assert found == pytest.approx(0.0 if math.isnan(expected) else expected**2, abs=1e-12)


def test_by_chance_alone_the_debiased_divergence_is_nothing_on_average() -> None:
    draw = np.random.default_rng(0)
    left = draw.multinomial(400, [1 / 32] * 32, size=2_000).astype(np.float64)
    right = draw.multinomial(900, [1 / 32] * 32, size=2_000).astype(np.float64)
    difference = jensen_shannon(left, right) - chance(left, right)
    assert abs(difference.mean()) < 0.03 * chance(left, right).mean()
    assert (shape_distance(left, right) >= 0).all()


@pytest.mark.parametrize(("rows", "seed"), [(300, 1), (5_000, 2), (50_000, 3)])
@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_shown_distances_are_those_of_scipy_within_a_bin(rows: int, seed: int, shift: float) -> None:
    draw = np.random.default_rng(seed)
    left, right = draw.normal(size=rows) + shift, draw.normal(size=20_000)
    low, high = left.min() - 1, left.max() + 1
    scheme = scheme_of({"x": np.concatenate([right, [low, high]])})
    window, reference = (counts(profile_of(scheme, {"x": side}, part=str(len(side)))) for side in (left, right))
    found = shown(scheme.numbers["x"], window, reference)
    edges = np.asarray(scheme.numbers["x"])
    mass = max(max(side.bins) / side.known for side in (window, reference))
    assert found.kolmogorov_smirnov == pytest.approx(ks_2samp(left, right).statistic, abs=mass)
    apart = wasserstein_distance(left, right) / right.std()
    width = sum((one / window.known + other / reference.known) * length
                for one, other, length in zip(window.bins, reference.bins, np.diff(edges), strict=True))  # fmt: skip
    assert found.wasserstein == pytest.approx(apart, abs=width)
    assert found.stability_index is not None
    assert math.isfinite(found.stability_index)


def test_nothing_is_shown_beside_nothing() -> None:
    scheme = scheme_of({"x": [0.0, 1.0]})
    empty, some = counts(scheme.empty()), counts(profile_of(scheme, {"x": [0.5]}, part="p"))
    assert shown(scheme.numbers["x"], empty, some) == shown(scheme.numbers["x"], some, empty)
    assert shown(scheme.numbers["x"], empty, some).stability_index is None


def test_the_stability_index_of_disjoint_counts_is_finite() -> None:
    left, right = np.asarray([0.0] * 9 + [50.0]), np.asarray([100.0] * 9 + [0.0])
    assert 1 < stability_index(left, right, ordered=True) < 20
    assert stability_index(right, right, ordered=True) == 0


@pytest.mark.parametrize("rows", [1, 50, 954, 1_000_000])
@pytest.mark.parametrize("share", [1e-6, 0.004, 0.2, 0.93])
def test_the_binomial_tail_is_that_of_scipy(rows: int, share: float) -> None:
    for count in sorted({0, 1, rows // 100, int(rows * share), int(rows * share * 1.1) + 1, rows}):
        expected = float(binom.sf(count - 1, rows, share))
        assert at_least(count, rows, share) == pytest.approx(expected, rel=1e-6, abs=1e-13)
    assert (at_least(0, rows, 0), at_least(1, rows, 0), at_least(1, rows, 1)) == (1, 0, 1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
@settings(max_examples=100, deadline=None)
def test_adjusted_p_values_are_those_of_scipy(values: list[float]) -> None:
    assert benjamini_hochberg(values) == pytest.approx(false_discovery_control(values, method="bh"))


@pytest.mark.parametrize(
    ("total", "ordered", "cells"),
    [
        ([5] * 256, True, [n // 8 for n in range(256)]),
        ([], True, []),
        ([0, 0, 0], True, [0, 0, 0]),
        ([1000, 1, 1, 1], True, [0, 1, 1, 1]),
        ([1, 9, 5], False, [2, 0, 1]),
    ],
)
def test_bins_are_put_together_to_equal_masses(total: list[int], ordered: bool, cells: list[int]) -> None:
    assert equal_mass(total, ordered=ordered).tolist() == cells


def test_of_many_words_the_frequent_ones_keep_a_cell() -> None:
    found: Any = equal_mass(list(range(100, 0, -1)), ordered=False)
    assert found.tolist() == [*range(31), *([31] * 69)]
