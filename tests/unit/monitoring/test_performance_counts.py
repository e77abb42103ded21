"""Counts of labelled predictions add up exactly, and give the figures of the rows; partial labels are corrected."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from headwater.monitoring.performance import realised
from headwater.monitoring.performance.bias import bias, different
from headwater.monitoring.performance.cells import InvalidOutcomes
from headwater.monitoring.performance.counts import ClassCounts, ErrorCounts, count, empty, merge
from headwater.monitoring.performance.metrics import measure, of_task
from headwater.monitoring.profiles.counting import count_numbers
from headwater.monitoring.profiles.types import SchemeMismatch
from tests.unit.monitoring.data import scheme_of

EXACT = ("log_loss", "brier", "accuracy", "rmse", "mae", "r2")


def rows_of(task: str, rows: int, seed: int = 0) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    if task == "classification":
        output = draw.beta(2, 5, rows).astype("float32").astype("float64")
        return output, (draw.random(rows) < output) * 1.0
    label = draw.gamma(3, 20, rows) + 5000
    return (label + draw.normal(0, 5, rows)).astype("float32").astype("float64"), label


@pytest.mark.parametrize("task", ["classification", "regression"])
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=6), order=st.randoms())
def test_parts_in_any_order_and_grouping_add_up_to_the_same(task: str, cuts: list[int], order: Any) -> None:
    output, label = rows_of(task, 400)
    scheme = scheme_of(scores=output[:200])
    edges = [0, *sorted(cuts), 400]
    parts = [count(task, scheme, output[a:b], label[a:b]) for a, b in pairwise(edges)]
    order.shuffle(parts)
    left = merge(task, scheme, parts)
    half = len(parts) // 2
    assert merge(task, scheme, [merge(task, scheme, parts[half:]), merge(task, scheme, parts[:half])]) == left
    kind = ClassCounts if task == "classification" else ErrorCounts
    assert kind.model_validate_json(left.model_dump_json()) == left
    assert left.rows == 400


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_figures_of_merged_counts_are_those_of_the_rows(task: str) -> None:
    output, label = rows_of(task, 20_000)
    scheme = scheme_of(scores=output[:3000])
    parts = [count(task, scheme, output[n::7], label[n::7]) for n in range(7)]
    merged = realised.of_counts(merge(task, scheme, parts))
    for metric, figure in realised.of_rows(task, output, label).items():
        # Measured: the area is off by 1e-5, the average precision by 5e-4, a hundredth and a thirtieth of the interval.
        allowed = 1e-9 if metric in EXACT else 5e-5 if metric == "roc_auc" else 1e-3
        for field in ("value", "low", "high"):
            assert getattr(merged[metric], field) == pytest.approx(getattr(figure, field), abs=allowed, rel=1e-7)


def test_labels_far_from_zero_lose_no_digits() -> None:
    draw = np.random.default_rng(1)
    label = 1e9 + draw.normal(size=2000)
    output = label + draw.normal(size=2000) * 0.1
    found = realised.of_counts(count("regression", scheme_of(scores=output), output, label))
    assert found["r2"].value == pytest.approx(measure("regression", label, output)["r2"], abs=1e-6)


def test_rows_without_a_label_are_not_counted() -> None:
    scheme = scheme_of()
    counted = count("classification", scheme, [0.2, 0.4, 0.6], [None, 1, np.nan])
    assert counted == count("classification", scheme, [0.4], [1.0])
    assert counted + empty("classification", scheme) == counted  # type: ignore[operator]


def test_counts_of_different_versions_are_not_added() -> None:
    one, other = (empty("classification", scheme_of(scores=scores)) for scores in ([0, 1], [0, 0.5]))
    with pytest.raises(SchemeMismatch, match="their bins differ"):
        one + other  # type: ignore[operator]


def test_a_label_whose_powers_overflow_is_refused() -> None:
    with pytest.raises(InvalidOutcomes, match="labelled row 1: the label 1e\\+200"):
        count("regression", scheme_of(), [1.0, 2.0], [1.0, 1e200])


def test_a_model_without_score_edges_is_counted_too() -> None:
    output, label = rows_of("classification", 500)
    found = realised.of_counts(count("classification", scheme_of(scores=[]), output, label))
    assert found["brier"].value == pytest.approx(measure("classification", label, output)["brier"])
    assert found["roc_auc"].reason == "all outputs are equal, so that they rank nothing"


def compared(keep: Any, rows: int = 20_000, seed: int = 1, task: str = "classification") -> Any:
    output, label = rows_of(task, rows, seed)
    scheme = scheme_of(scores=output[:3000])
    every = count_numbers("scores", output, scheme.scores, bin_sums=True)
    kept = keep(np.random.default_rng(seed + 1), output, label)
    return bias(scheme, [(count(task, scheme, output, np.where(kept, label, np.nan)), every)]), measure(
        task, label, output
    )


def test_labels_that_come_by_chance_are_not_biased() -> None:
    """At 1%, of 120 windows more than 6 are found in one of a thousand cases."""

    def keep(draw: Any, output: Any, _label: Any) -> Any:
        return draw.random(len(output)) < 0.3

    found = [compared(keep, 1000, seed)[0] for seed in range(120)]
    assert sum(entry.is_biased for entry in found) <= 6
    assert 0.2 < np.mean([entry.coverage for entry in found]) < 0.4


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_labels_that_come_sooner_for_high_scores_are_corrected(task: str) -> None:
    def keep(draw: Any, output: Any, _label: Any) -> Any:
        low, high = np.quantile(output, [0.05, 0.95])
        return draw.random(len(output)) < np.clip((output - low) / (high - low), 0.05, 1)

    found, truth = compared(keep, task=task)
    assert found.is_biased
    for metric in of_task(task):
        raw, adjusted = found.raw[metric], found.adjusted[metric]
        assert adjusted.low <= truth[metric] <= adjusted.high
        if metric in {"log_loss", "brier", "accuracy"}:
            assert abs(adjusted.value - truth[metric]) < abs(raw.value - truth[metric]) / 3


def test_segments_are_strata_of_their_own() -> None:
    """One of two carriers reports late, and its flights are worse predicted at the same scores."""
    draw = np.random.default_rng(8)
    output = draw.beta(2, 2, 20_000)
    slow = draw.random(20_000) < 0.5
    label = (draw.random(20_000) < np.where(slow, 0.5, output)) * 1.0
    kept = draw.random(20_000) < np.where(slow, 0.05, 0.8)
    scheme = scheme_of(scores=output[:3000])
    groups = [
        (count("classification", scheme, output[rows], np.where(kept, label, np.nan)[rows]),
         count_numbers("scores", output[rows], scheme.scores, bin_sums=True))
        for rows in (slow, ~slow)
    ]  # fmt: skip
    found, truth = bias(scheme, groups), measure("classification", label, output)
    assert abs(found.raw["brier"].value - truth["brier"]) > 0.02  # type: ignore[operator]
    assert found.adjusted["brier"].low <= truth["brier"] <= found.adjusted["brier"].high  # type: ignore[operator]
    assert (found.is_biased, found.uncovered) == (True, 0.0)


def test_homogeneity_is_tested_as_scipy_does() -> None:
    left, right = np.asarray([40.0, 30, 25, 60]), np.asarray([55.0, 20, 44, 70])
    assert different(left, right) == pytest.approx(stats.chi2_contingency([left, right]).pvalue)


def test_a_window_without_any_label_has_predictions_and_no_figure() -> None:
    found, _ = compared(lambda *given: np.zeros(len(given[1]), dtype=bool), 500)
    assert (found.predictions, found.labelled, found.coverage, found.p) == (500, 0, 0.0, None)
    assert {figure.reason for figure in (*found.raw.values(), *found.adjusted.values())} == {"no label"}
