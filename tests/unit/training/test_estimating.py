"""A run keeps baselines of its held-out rows and an estimator that proved itself on them."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pandas
import pytest

from headwater.declare import Examples, Gate, Holdout, Model, Monitoring, category, number
from headwater.monitoring.performance import estimated, realised
from headwater.monitoring.performance.estimator import Estimator, baseline_of
from headwater.registry.types import ModelVersion
from headwater.training.dataset import Rows
from headwater.training.estimating import baselines, estimator
from headwater.training.judging import measure
from headwater.training.types import ASKED
from tests.unit.formats.test_formats import document
from tests.unit.training.products import HERE


def model(task: Any) -> Model:
    return Model(
        name="m",
        task=task,
        inputs=(number("x"), category("carrier", required=False)),
        examples=Examples(sources=("visits",), sql="SELECT 1", label="y"),
        train=f"{HERE}:boosted",
        holdout=Holdout(last="20d"),
        gates=(Gate(metric="roc_auc" if task == "classification" else "rmse", at_least=0),),
        monitoring=Monitoring(segments=("carrier",)),
    )


def rows_of(task: str, rows: int = 6000, *, hard: bool = True, timed: bool = True, seed: int = 0) -> tuple[Rows, Any]:
    """Rows of twenty days, and what a model says of them; where x is large it is worse, if it is ``hard`` there."""
    draw = numpy.random.default_rng(seed)
    x, carrier = draw.normal(size=rows), draw.choice(["AA", "UA", ""], rows)
    if task == "classification":
        output = 1 / (1 + numpy.exp(-x))
        label = (draw.random(rows) < output) * 1.0
    else:
        output = x * 10
        label = output + draw.normal(size=rows) * (numpy.exp(x) if hard else 1) * numpy.where(carrier == "UA", 3, 1)
        label = output + (label - output if hard else draw.normal(size=rows))
    columns = pandas.DataFrame({"x": x.astype("float32").astype("float64"), "carrier": carrier.astype(object)})
    asked = pandas.date_range("2026-01-01", periods=rows, freq=pandas.Timedelta(days=20) / rows, unit="us")
    frame = pandas.DataFrame({ASKED: asked} if timed else {}, index=range(rows))
    return Rows(columns, pandas.Series(label), frame), output


def made(task: Any, **more: Any) -> tuple[Estimator, Rows, Any]:
    rows, output = rows_of(task, **more)
    return estimator(model(task), "run", rows, rows, output), rows, output


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_baselines_are_the_held_out_metrics_with_their_intervals_and_days(task: str) -> None:
    found, rows, output = made(task)
    metrics = measure(task, rows.label, output)
    assert set(found.baselines) == set(metrics)
    for metric, value in metrics.items():
        base = found.baselines[metric]  # type: ignore[index]
        assert base.value == pytest.approx(value)
        assert base.low is not None
        assert base.high is not None
        assert base.low < value < base.high
        assert base.day is not None
        assert base.day.days == 20
        assert base.day.low < base.day.value < base.day.high
    assert Estimator.model_validate_json(found.model_dump_json()) == found


def test_segments_have_baselines_of_their_own_rows() -> None:
    found, rows, output = made("classification")
    assert set(found.segments) == {"carrier=AA", "carrier=UA", "carrier=(missing)"}
    mine = (rows.columns["carrier"] == "UA").to_numpy()
    expected = measure("classification", rows.label[mine], output[mine])
    assert found.segments["carrier=UA"]["brier"].value == pytest.approx(expected["brier"])
    assert found.segments["carrier=UA"]["brier"].day is not None


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_estimates_of_segments_have_baselines_of_their_own_rows(task: str) -> None:
    found, rows, output = made(task)
    assert set(found.estimated_segments) == set(found.segments)
    mine = (rows.columns["carrier"] == "UA").to_numpy()
    if found.calibration is not None:
        again = estimated.of_outputs(found.calibration, output[mine])
    else:
        assert found.direct is not None
        columns = {name: rows.columns[name][mine] for name in ("x", "carrier")}
        again = estimated.of_losses(found.direct, estimated.expected_losses(found.direct, columns, output[mine]))
    for metric, base in found.estimated_segments["carrier=UA"].items():
        assert base.value == pytest.approx(again[metric].value, abs=1e-12)
        assert base.day is not None
    # Older versions have none: nothing is judged by the estimate of all.
    assert baseline_of(None, found.model_copy(update={"estimated_segments": {}}), "brier", segment="carrier=UA",
                       estimated=True) is None  # type: ignore[arg-type]  # fmt: skip


def test_a_classifiers_estimates_are_those_of_its_held_out_rows() -> None:
    found, _, output = made("classification")
    assert found.calibration is not None
    again = estimated.of_outputs(found.calibration, output)
    for metric, base in found.estimated.items():
        assert base.value == again[metric].value
        assert base.value == pytest.approx(found.baselines[metric].value, abs=0.02)


@pytest.mark.parametrize("word", ["AA", "UA"])
def test_a_regressions_errors_are_estimated_where_they_differ(word: str) -> None:
    found, _, _ = made("regression")
    assert found.direct is not None
    assert found.direct.gain > 0.1
    assert len(found.model_dump_json()) < 200_000
    # On rows that it never saw: one carrier alone, whose errors are a third, or three times, those of others.
    others, output = rows_of("regression", seed=5)
    mine = (others.columns["carrier"] == word).to_numpy()
    columns = {name: others.columns[name][mine] for name in ("x", "carrier")}
    counted = estimated.expected_losses(found.direct, columns, output[mine])
    truth = measure("regression", others.label[mine], output[mine])
    guess, base = estimated.of_losses(found.direct, counted)["mae"], found.estimated["mae"]
    assert guess.value == pytest.approx(truth["mae"], rel=0.15)
    assert abs(guess.value - truth["mae"]) < abs(base.value - truth["mae"]) / 2  # type: ignore[operator]


def test_errors_that_nothing_foretells_are_not_estimated() -> None:
    kept = [made("regression", rows=800, hard=False, seed=seed)[0] for seed in range(5)]
    assert sum(one.direct is not None for one in kept) <= 1
    assert {one.reason for one in kept if one.direct is None} == {
        "no estimate of a prediction's error beats the mean error on rows beside those it was fitted to"
    }


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("rows", [1, 25, 60])
def test_few_held_out_rows_leave_what_can_be_said(task: str, rows: int) -> None:
    found, _, _ = made(task, rows=rows)
    assert bool(found.baselines) is (rows >= 30)
    assert all(base.day is None for base in found.baselines.values())
    assert (found.direct, bool(found.reason)) == (None, task == "regression")


def test_a_perfect_regression_has_no_errors_to_learn_from() -> None:
    rows, _ = rows_of("regression")
    found = estimator(model("regression"), "run", rows, rows, rows.label.to_numpy())
    assert found.reason == "the held-out rows have no errors to learn from"


def test_examples_without_times_have_no_days() -> None:
    found, _, _ = made("classification", timed=False)
    assert {base.day for base in found.baselines.values()} == {None}


def test_the_same_rows_give_the_same_bytes() -> None:
    assert made("regression")[0].model_dump_json() == made("regression")[0].model_dump_json()


def test_days_that_differ_have_a_spread_and_days_that_do_not_have_little() -> None:
    draw, found = numpy.random.default_rng(3), []
    for spread in (0.0, 0.1):
        days = []
        for _ in range(30):
            score = draw.random(2000)
            days.append(
                realised.of_rows("classification", score, draw.random(2000) < score * (1 + draw.normal(0, spread)))
            )
        day = baselines(days[0], days)["brier"].day
        assert day is not None
        found.append(day.spread)
    assert found[0] < 0.003 < found[1]


def test_a_version_without_an_estimator_has_its_metrics_as_baselines() -> None:
    version = ModelVersion.model_validate_json(json.dumps(document("1/ModelVersion")))
    metric, value = next(iter(version.metrics.items()))
    found = baseline_of(version, None, metric)  # type: ignore[arg-type]
    assert found is not None
    assert (found.value, found.low) == (value, None)
    assert baseline_of(version, None, metric, estimated=True) is None  # type: ignore[arg-type]
    assert baseline_of(version, None, metric, segment="carrier=UA") is None  # type: ignore[arg-type]
