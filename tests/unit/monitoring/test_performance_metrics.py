"""Metrics and intervals are those of scikit-learn, SciPy and of the definitions in the papers."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from headwater.monitoring.performance import realised
from headwater.monitoring.performance.cells import Cells, InvalidOutcomes
from headwater.monitoring.performance.distributions import (
    chi_square_quantile,
    chi_square_tail,
    t_quantile,
    t_tails,
)
from headwater.monitoring.performance.intervals import auc_variance, precision_variance
from headwater.monitoring.performance.metrics import (
    CLASSIFICATION,
    REGRESSION,
    average_precision,
    loss_of_rows,
    measure,
    of_task,
    roc_auc,
)
from headwater.monitoring.shares import wilson

THEIRS = {
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "log_loss": lambda label, output, **more: sk.log_loss(label, output, labels=[0, 1], **more),
    "brier": sk.brier_score_loss,
    "accuracy": lambda label, output, **more: sk.accuracy_score(label, np.asarray(output) >= 0.5, **more),
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
}
SCORES = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0]), st.booleans()), min_size=1)
VALUES = st.lists(st.tuples(*(2 * [st.floats(-1e6, 1e6)])), min_size=2, max_size=40)


@given(SCORES)
def test_a_classifiers_metrics_are_those_of_scikit_learn(rows: Any) -> None:
    output, label = (np.asarray(column, dtype="float64") for column in zip(*rows, strict=True))
    found = measure("classification", label, output)
    for metric in CLASSIFICATION:
        if metric in found:
            assert found[metric] == pytest.approx(THEIRS[metric](label, output), rel=1e-12, abs=1e-12)
    assert set(CLASSIFICATION) - set(found) == (
        set() if 0 < label.sum() < len(label) else {"roc_auc", "average_precision"}
    )


@given(VALUES)
def test_a_regressions_metrics_are_those_of_scikit_learn(rows: Any) -> None:
    output, label = (np.asarray(column) for column in zip(*rows, strict=True))
    for metric, value in measure("regression", label, output).items():
        assert value == pytest.approx(THEIRS[metric](label, output), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_weighted_rows_count_as_scikit_learn_counts_them(task: str) -> None:
    draw = np.random.default_rng(2)
    output, weights = draw.random(500).round(2), draw.random(500)
    label = (draw.random(500) < output) * 1.0 if task == "classification" else output + draw.normal(size=500)
    for metric, figure in realised.of_rows(task, output, label, weights).items():
        assert figure.value == pytest.approx(THEIRS[metric](label, output, sample_weight=weights), rel=1e-9)


def test_equal_weights_of_any_size_change_nothing() -> None:
    draw = np.random.default_rng(4)
    output = draw.random(300)
    for task, label in (("classification", (draw.random(300) < output) * 1.0), ("regression", draw.random(300))):
        plain, heavy = realised.of_rows(task, output, label), realised.of_rows(task, output, label, np.full(300, 7.5))
        for metric in of_task(task):
            for field in ("value", "low", "high"):
                assert getattr(heavy[metric], field) == pytest.approx(getattr(plain[metric], field), rel=1e-9)


def test_a_rows_losses_have_the_metrics_as_their_mean() -> None:
    output, label = np.asarray([0.0, 0.2, 0.9, 1.0]), np.asarray([0, 1, 1, 0])
    assert loss_of_rows("classification", label, output).mean() == pytest.approx(sk.log_loss(label, output))
    assert loss_of_rows("regression", label, output).mean() == pytest.approx(sk.mean_squared_error(label, output))


@given(st.integers(0, 3000), st.integers(1, 3000))
def test_wilsons_interval_is_scipys(hits: int, rows: int) -> None:
    hits = min(hits, rows)
    theirs = stats.binomtest(hits, rows).proportion_ci(method="wilson")
    assert wilson(hits / rows, rows) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_delongs_variance_is_that_of_the_paper() -> None:
    draw = np.random.default_rng(3)
    label = (draw.random(80) < 0.4) * 1.0
    output = np.round(label * 0.2 + draw.random(80), 1)
    ones, zeros = output[label == 1], output[label == 0]
    kernel = (ones[:, None] > zeros).astype(float) + (ones[:, None] == zeros) / 2
    expected = kernel.mean(axis=1).var(ddof=1) / len(ones) + kernel.mean(axis=0).var(ddof=1) / len(zeros)
    cells = Cells.of_rows(output, label)
    assert roc_auc(cells) == pytest.approx(stats.mannwhitneyu(ones, zeros).statistic / len(ones) / len(zeros))
    assert auc_variance(cells, roc_auc(cells)) == pytest.approx(expected)


def test_the_average_precisions_variance_is_that_of_a_bootstrap() -> None:
    draw = np.random.default_rng(5)
    label = (draw.random(3000) < 0.2) * 1.0
    output = np.round(draw.normal(label), 2)
    drawn = [draw.integers(0, 3000, 3000) for _ in range(600)]
    figures = [average_precision(Cells.of_rows(output[rows], label[rows])) for rows in drawn]
    cells = Cells.of_rows(output, label)
    found = math.sqrt(precision_variance(cells, average_precision(cells)))
    assert found == pytest.approx(np.std(figures), rel=0.08)


@pytest.mark.parametrize("metric", REGRESSION)
def test_a_regressions_interval_is_as_wide_as_that_of_a_bootstrap(metric: Any) -> None:
    draw = np.random.default_rng(6)
    label = draw.gamma(2, size=2000) * 10 + 1e6
    output = label + draw.normal(size=2000) * 3
    drawn = [draw.integers(0, 2000, 2000) for _ in range(400)]
    figures = [measure("regression", label[rows], output[rows])[metric] for rows in drawn]
    assert realised.of_rows("regression", output, label)[metric].width == pytest.approx(
        3.92 * np.std(figures), rel=0.12
    )


def test_tails_and_quantiles_are_those_of_scipy() -> None:
    for degrees in (1, 2, 3, 4, 7, 29, 1000, 1e9):
        assert t_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-3)
    for degrees in range(1, 30):
        for value in (0.0, 0.5, 5.0, 60.0):
            assert chi_square_tail(value, degrees) == pytest.approx(stats.chi2.sf(value, degrees), rel=1e-9)
        assert chi_square_quantile(0.25, degrees) == pytest.approx(stats.chi2.ppf(0.25, degrees), rel=1e-6)
    statistic, degrees = np.meshgrid([-3.0, 0.0, 1.0, 4.0, 6.0], [49.0, 200.0, 1e6])
    assert t_tails(statistic, degrees) == pytest.approx(stats.t.sf(statistic, degrees), rel=0.02)


@pytest.mark.parametrize("rows", [100, 1000])
def test_an_interval_leaves_the_truth_out_on_its_worse_side_in_few_cases(rows: int) -> None:
    """At most 2.5% of windows are wholly worse than the truth, but for chance in 600 draws (and whole hits)."""
    draw, worse = np.random.default_rng(rows), dict.fromkeys(CLASSIFICATION, 0)
    truth = measure("classification", *scored(draw, 400_000)[::-1])
    for _ in range(600):
        for metric, figure in realised.of_rows("classification", *scored(draw, rows)).items():
            assert figure.low is not None
            assert figure.high is not None
            lower = metric in {"log_loss", "brier"}
            worse[metric] += figure.low > truth[metric] if lower else figure.high < truth[metric]
    assert max(worse.values()) <= (28 if rows == 100 else 25)


def scored(draw: Any, rows: int) -> tuple[Any, Any]:
    """Scores that are true probabilities, and labels."""
    label = (draw.random(rows) < 0.3) * 1.0
    seen = draw.normal(1.2 * label)
    return 1 / (1 + np.exp(-(1.2 * seen - 0.72 + math.log(0.3 / 0.7)))), label


@pytest.mark.parametrize(
    ("output", "label", "said"),
    [
        ([0.5, math.nan], [0, 1], "row 1: the output is nan"),
        ([0.5, 0.5, 0.5], [0, None, 2], "row 2: the label is 2, expected 0 or 1"),
        ([0.5, 0.5], [0], "one label for each output"),
        ([0.5, 0.5], ["no", "yes"], "the label isn't a column of numbers"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_its_row(output: Any, label: Any, said: str) -> None:
    with pytest.raises(InvalidOutcomes, match=said):
        realised.of_rows("classification", output, label)


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(InvalidOutcomes, match="row 1: the weight is -1"):
        realised.of_rows("regression", [1, 2], [1, 2], [1, -1])


def test_nothing_warns_and_nothing_is_nan_whatever_the_rows() -> None:
    draw = np.random.default_rng(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows in (0, 1, 29, 30, 31, 200):
            for output in (np.zeros(rows), np.ones(rows), draw.random(rows)):
                for label in (np.zeros(rows), np.ones(rows), draw.integers(0, 2, rows), np.full(rows, np.nan)):
                    for task in ("classification", "regression"):
                        for figure in realised.of_rows(task, output, label).values():
                            assert (figure.value is None) == bool(figure.reason)
                            for value in (figure.value, figure.low, figure.high):
                                assert value is None or math.isfinite(value)
