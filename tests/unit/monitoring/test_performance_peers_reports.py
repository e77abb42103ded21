"""Reports by users of other libraries on performance and error analysis, each with the answer that is right here.

The names say where: owner/repository#number on GitHub.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn import metrics as sk

from headwater.monitoring.performance import estimated, realised
from headwater.monitoring.performance.calibration import Calibration
from headwater.monitoring.performance.cells import InvalidOutcomes
from headwater.monitoring.performance.counts import count, merge
from headwater.monitoring.performance.metrics import measure
from headwater.monitoring.profiles.counting import count_numbers
from headwater.monitoring.slices.search import worst_slices
from tests.unit.monitoring.data import scheme_of
from tests.unit.monitoring.test_slices import rows_of

ONE_CLASS = pytest.mark.parametrize("label", [0.0, 1.0])


@ONE_CLASS
def test_a_window_of_one_class_has_all_figures_but_those_of_ranking(label: float) -> None:
    """NannyML/nannyml#384, mlflow/mlflow#12790: one class ends the whole evaluation with an exception."""
    found = realised.of_rows("classification", np.linspace(0.1, 0.9, 60), np.full(60, label))
    assert {name for name, figure in found.items() if figure.value is None} == {"roc_auc", "average_precision"}
    assert "0 rows of class" in found["roc_auc"].reason


@ONE_CLASS
def test_the_area_of_one_class_is_neither_nothing_nor_nan(label: float) -> None:
    """scikit-learn/scikit-learn#30079: the area of one class was 0.0, which looks like the worst of models."""
    assert "roc_auc" not in measure("classification", [label] * 9, np.linspace(0, 1, 9))


def test_the_precision_of_no_positives_or_of_a_single_row_is_not_told() -> None:
    """scikit-learn/scikit-learn#8245 and #30615: NaN without positives; 1.0 or 0.0 of one row."""
    assert realised.of_rows("classification", [0.3] * 40, [0] * 40)["average_precision"].value is None
    assert realised.of_rows("classification", [0.0], [1])["average_precision"].reason == "1 rows, fewer than 30"


def test_intervals_stay_within_what_a_figure_can_be() -> None:
    """NannyML/nannyml#127: confidence bands and limits of errors below nothing."""
    draw = np.random.default_rng(1)
    errors = draw.exponential(size=40) ** 4
    for figure in realised.of_rows("regression", errors, np.zeros(40)).values():
        assert figure.low is None or figure.metric == "r2" or figure.low >= 0
    for rows in (30, 35, 60):
        score = draw.beta(0.3, 0.3, rows)
        for figure in realised.of_rows("classification", score, draw.random(rows) < score).values():
            assert figure.low is None or figure.low >= 0
            assert figure.high is None or figure.metric == "log_loss" or figure.high <= 1


@pytest.mark.parametrize("label", [0.0, 5.0])
def test_labels_that_are_all_equal_still_have_errors(label: float) -> None:
    """NannyML/nannyml#279: the squared error of a chunk was NaN because its labels were all the same."""
    found = realised.of_rows("regression", np.linspace(0, 1, 40), np.full(40, label))
    assert found["rmse"].value == pytest.approx(sk.root_mean_squared_error(np.full(40, label), np.linspace(0, 1, 40)))
    assert found["r2"].reason == "all labels are equal, so that there is nothing to explain"


def test_a_whole_window_is_estimated_at_once_and_not_as_a_mean_of_chunks() -> None:
    """NannyML/nannyml#241: a mean of chunks' areas isn't the area of all rows, and there was no other way."""
    draw = np.random.default_rng(2)
    days = [draw.beta(1, 1 + day, 2000) for day in range(5)]
    scheme = scheme_of(scores=np.concatenate(days))
    counted = [count_numbers("scores", day, scheme.scores, bin_sums=True) for day in days]
    whole = estimated.of_scores(Calibration(), counted[0] + counted[1] + counted[2] + counted[3] + counted[4])
    rows = estimated.of_outputs(Calibration(), np.concatenate(days))["roc_auc"].value
    mean = np.mean([estimated.of_outputs(Calibration(), day)["roc_auc"].value for day in days])  # type: ignore[arg-type]
    assert whole["roc_auc"].value == pytest.approx(rows, abs=1e-4)
    assert abs(mean - rows) > 0.01


def test_areas_and_losses_of_probabilities_are_those_of_scikit_learn() -> None:
    """evidentlyai/evidently#27: area and log loss were of predicted classes instead of probabilities."""
    draw = np.random.default_rng(3)
    score = draw.random(5000)
    label = draw.random(5000) < score
    found = realised.of_counts(count("classification", scheme_of(scores=score), score, label))
    assert found["roc_auc"].value == pytest.approx(sk.roc_auc_score(label, score), abs=5e-5)
    assert found["log_loss"].value == pytest.approx(sk.log_loss(label, score), abs=1e-9)


def test_a_model_that_says_one_thing_only_is_measured_where_it_can_be() -> None:
    """evidentlyai/evidently#1275: no report for a model that predicts the same for all rows."""
    found = realised.of_rows("classification", np.full(200, 0.3), np.arange(200) % 4 == 0)
    assert found["roc_auc"].reason == "all outputs are equal, so that they rank nothing"
    assert found["accuracy"].value == 0.75


@pytest.mark.parametrize("label", [["No", "Yes"] * 20, np.asarray(["No", "Yes"] * 20)])
def test_labels_of_text_are_refused_by_name(label: Any) -> None:
    """scikit-learn/scikit-learn#12312: NaN, or a TypeError about a bool, for labels of text."""
    with pytest.raises(InvalidOutcomes, match="the label isn't a column of numbers"):
        realised.of_rows("classification", [0.5] * 40, label)


@pytest.mark.parametrize("dtype", ["float64", "Float64", "boolean", "Int64", "object"])
def test_missing_labels_of_any_type_are_left_out(dtype: str) -> None:
    """NannyML/nannyml#326: figures with NaN in them, without a word."""
    label = pandas.Series([1, 0, None] * 20, dtype=dtype)
    found = realised.of_rows("classification", np.tile([0.6, 0.3, 0.5], 20), label)
    assert (found["brier"].rows, found["brier"].value) == (40, pytest.approx((0.16 + 0.09) / 2))
    assert not any(math.isnan(figure.value) for figure in found.values() if figure.value is not None)


def test_an_explained_share_of_one_row_is_not_infinite() -> None:
    """dotnet/machinelearning#5319: r2 of a single row was minus infinity."""
    assert "r2" not in measure("regression", [1.0], [2.0])


def test_a_single_column_is_searched_for_slices() -> None:
    """deepchecks/deepchecks#2379: weak segments needed two columns."""
    columns, loss = rows_of(2000)
    loss[columns["c0"] == "a"] += 1
    assert [entry.conditions for entry in worst_slices({"c0": columns["c0"]}, loss).slices] == [("c0=a",)]


def test_missing_values_are_a_slice_and_no_exception() -> None:
    """deepchecks/deepchecks#2163 and #2560: missing values of text ended the search with an exception."""
    columns, loss = rows_of(4000)
    columns["c0"][:400] = None
    columns["x0"][:200] = np.nan
    loss[:400] += 1
    found = {entry.conditions for entry in worst_slices(columns, loss).slices}
    assert ("c0=(missing)",) in found


def test_nothing_found_is_an_answer() -> None:
    """deepchecks/deepchecks#2611: an exception if there is no weak segment."""
    found = worst_slices(*rows_of(3000, seed=5))
    assert (found.slices, found.reason) == ((), "")


def test_counts_of_no_part_have_figures_with_a_reason() -> None:
    """NannyML/nannyml#373: a warning for a chunk without labels, and NaN."""
    for task in ("classification", "regression"):
        found = realised.of_counts(merge(task, scheme_of(), []))
        assert {figure.reason for figure in found.values()} == {"no label"}
