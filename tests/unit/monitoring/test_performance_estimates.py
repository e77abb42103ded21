"""Performance without labels: as NannyML estimates it on its own data, and withdrawn once it proves wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression

from headwater.declare import Metric
from headwater.errors import InvalidRequest
from headwater.monitoring.performance import estimated, realised
from headwater.monitoring.performance.calibration import Calibration, calibration, isotonic
from headwater.monitoring.performance.direct import OUTPUT, DirectLoss
from headwater.monitoring.performance.estimated import LossCounts
from headwater.monitoring.performance.limits import judged
from headwater.monitoring.performance.pooled import MOST_EXACT, pooled
from headwater.monitoring.performance.types import Baseline, Figure
from headwater.monitoring.performance.withdrawal import EstimateStanding, ScoredEstimate, scored
from headwater.monitoring.profiles.counting import count_numbers
from headwater.training.losses import trees_of
from tests.unit.monitoring.data import scheme_of

LOANS = json.loads((Path(__file__).parent / "nannyml" / "car_loan.json").read_text(encoding="utf-8"))
SCORES = np.arange(101) / 100
DAY = date(2018, 10, 30)


def rows_of(chunk: Any) -> tuple[Any, Any]:
    """Scores and labels of a chunk's rows."""
    output = np.concatenate([np.repeat(SCORES, chunk["positive"]), np.repeat(SCORES, chunk["negative"])])
    return output, np.repeat([1.0, 0.0], [sum(chunk["positive"]), sum(chunk["negative"])])


def baseline(figure: Figure) -> Baseline:
    assert figure.value is not None
    return Baseline(value=figure.value, low=figure.low, high=figure.high, rows=figure.rows)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "accuracy"])
def test_estimates_and_alarms_are_those_of_nannyml_on_its_own_data(metric: Metric) -> None:
    """Alarms on chunks 6 to 10 alone. NannyML takes rows of equal scores one by one: the precision differs by 6e-4."""
    parts = [rows_of(chunk) for chunk in LOANS["reference"]]
    output, label = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    curve = calibration(output, label)
    scheme = scheme_of(scores=output)
    whole = count_numbers("scores", output, scheme.scores, bin_sums=True)
    expected = baseline(estimated.of_scores(curve, whole)[metric])
    usual = baseline(realised.of_rows("classification", output, label)[metric])
    theirs, found = LOANS["answers"][metric], []
    for place, chunk in enumerate(LOANS["analysis"]):
        seen, truth = rows_of(chunk)
        guess = estimated.of_scores(curve, count_numbers("scores", seen, scheme.scores, bin_sums=True))[metric]
        figure = realised.of_rows("classification", seen, truth)[metric]
        assert guess.value == pytest.approx(theirs["estimated"][place], abs=1e-3)
        assert figure.value == pytest.approx(theirs["realised"][place], abs=1e-6)
        pair = [judged(one, base, 0.0, since=DAY, until=DAY + timedelta(days=30))
                for one, base in ((guess, expected), (figure, usual))]  # fmt: skip
        found.append([one.is_worse for one in pair if one is not None])
    if metric == "average_precision":
        # NannyML's limits are three standard deviations of ten chunks, and miss it; ours finds it realised.
        assert not any(theirs["realised_alert"])
        assert [sum(one[1] for one in half) for half in (found[:5], found[5:])] == [0, 4]
    else:
        assert found == [list(pair) for pair in zip(theirs["estimated_alert"], theirs["realised_alert"], strict=True)]
        assert found == [[False, False]] * 5 + [[True, True]] * 5


def test_bins_estimate_what_rows_estimate() -> None:
    draw = np.random.default_rng(1)
    output = draw.beta(1, 4, 50_000)
    scheme = scheme_of(scores=draw.beta(1, 4, 3000))
    binned = estimated.of_scores(Calibration(), count_numbers("scores", output, scheme.scores, bin_sums=True))
    for metric, figure in estimated.of_outputs(Calibration(), output).items():
        assert binned[metric].value == pytest.approx(figure.value, abs=2e-3 if metric == "average_precision" else 2e-5)


DRAWN: dict[str, Callable[[Any, int], Any]] = {
    "usual": lambda draw, rows: draw.beta(0.7, 2.5, rows),
    "rare": lambda draw, rows: draw.beta(0.5, 500, rows),
    "half of them zero": lambda draw, rows: np.where(draw.random(rows) < 0.49, 0.0, draw.random(rows)),
    "beyond 0 and 1": lambda draw, rows: draw.normal(0.5, 0.3, rows),
}


@pytest.mark.parametrize("scores", DRAWN.values(), ids=list(DRAWN))
def test_many_rows_taken_together_estimate_what_each_of_them_does(scores: Callable[[Any, int], Any]) -> None:
    draw = np.random.default_rng(7)
    output = scores(draw, MOST_EXACT + 100_001)
    curve = isotonic(output[:3000], (draw.random(3000) < 0.1 + 0.8 * output[:3000]) * 1.0)
    each = estimated.of_outputs(curve, output, most_exact=len(output))
    for metric, figure in estimated.of_outputs(curve, output).items():
        assert figure.value == pytest.approx(each[metric].value, abs=1e-3)
        assert (figure.low, figure.high) == pytest.approx((each[metric].low, each[metric].high), abs=1e-3)


def test_scores_are_taken_together_in_order_and_none_is_lost() -> None:
    output = np.random.default_rng(8).random(MOST_EXACT + 100_001)
    scores, counts = pooled(output)
    assert counts.sum() == len(output)
    assert (np.diff(scores) > 0).all()
    assert scores @ counts == pytest.approx(output.sum(), rel=1e-7)
    assert len(scores) < len(output) / 50


@pytest.mark.parametrize("scores", [lambda score: score.round(2), lambda score: np.where(score > 0.5, np.nan, score)])
def test_scores_that_most_rows_share_or_that_are_none_are_taken_one_by_one(scores: Callable[[Any], Any]) -> None:
    output = scores(np.random.default_rng(9).random(MOST_EXACT + 1))
    np.testing.assert_equal(pooled(output), pooled(output, most_exact=len(output)))


def test_an_estimates_interval_covers_the_figure_that_labels_give() -> None:
    draw, inside = np.random.default_rng(2), dict.fromkeys(("roc_auc", "log_loss", "brier", "accuracy"), 0)
    for _ in range(200):
        output = draw.beta(1, 3, 1000)
        truth = realised.of_rows("classification", output, draw.random(1000) < output)
        for metric, figure in estimated.of_outputs(Calibration(), output).items():
            if metric in inside:
                inside[metric] += figure.low <= truth[metric].value <= figure.high  # type: ignore[operator]
    assert min(inside.values()) >= 186


def test_isotonic_regression_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(3)
    score = draw.random(3000).round(3)
    label = (draw.random(3000) < score**2) * 1.0
    theirs = IsotonicRegression(out_of_bounds="clip").fit(score, label)
    seen = np.linspace(-0.2, 1.2, 4001)
    assert isotonic(score, label).probability(seen) == pytest.approx(theirs.predict(seen), abs=1e-12)


@pytest.mark.parametrize(("power", "fitted"), [(1.0, False), (3.0, True)])
def test_scores_are_calibrated_where_that_lowers_their_error(power: float, fitted: bool) -> None:
    draw = np.random.default_rng(4)
    score = draw.random(20_000)
    found = calibration(score, draw.random(20_000) < score**power)
    assert (found != Calibration()) is fitted
    assert found == calibration(score, np.random.default_rng(4).random(40_000)[20_000:] < score**power)


def test_few_rows_or_one_class_leave_scores_as_they_are() -> None:
    assert calibration([0.3] * 100, [0, 1] * 50) == calibration([0.3] * 900, [0] * 900) == Calibration()


@pytest.mark.parametrize("rows", [0, 1, 29])
def test_few_predictions_are_not_estimated(rows: int) -> None:
    found = estimated.of_outputs(Calibration(), np.full(rows, 0.4))
    assert {figure.value for figure in found.values()} == {None}
    assert {figure.reason for figure in found.values()} == {f"{rows} rows, fewer than 30" if rows else "no prediction"}


def trained(rows: int = 4000) -> tuple[HistGradientBoostingRegressor, Any]:
    draw = np.random.default_rng(5)
    table = draw.normal(size=(rows, 3)).astype("float32").astype("float64")
    table[draw.random(rows) < 0.1, 1] = np.nan
    learner = HistGradientBoostingRegressor(max_iter=40, max_leaf_nodes=8, random_state=0)
    # Whether a value is missing says something too, which is a split at infinity.
    truth = np.exp(table[:, 2]) + table[:, 0] + 5 * np.isnan(table[:, 1])
    return learner.fit(table, truth), table


def test_trees_in_json_answer_as_scikit_learn_to_the_last_bit() -> None:
    learner, table = trained()
    assert any(np.isinf(stage[0].nodes["num_threshold"]).any() for stage in learner._predictors)
    trees = trees_of(learner)
    again = type(trees).model_validate_json(trees.model_dump_json())
    for rows in (table, np.full((2, 3), np.nan), np.asarray([[np.inf, -np.inf, 0]])):
        assert again.predict(rows).tolist() == learner.predict(rows).tolist()


def test_expected_losses_of_parts_add_up_and_need_their_columns() -> None:
    trees = trees_of(trained()[0])
    direct = DirectLoss(columns=("x", "word", OUTPUT), words={"word": ("a", "b")}, absolute=trees, squared=trees,
                        absolute_noise=1, squared_noise=2, gain=0.1)  # fmt: skip
    draw = np.random.default_rng(6)
    columns = {"x": draw.normal(size=90), "word": ["a", "new", None] * 30}
    output = draw.normal(size=90)
    parts = [
        estimated.expected_losses(direct, {k: v[n::3] for k, v in columns.items()}, output[n::3]) for n in range(3)
    ]
    assert sum(parts[1:], parts[0]).rows == 90
    assert parts[0] + parts[1] + parts[2] == parts[2] + (parts[1] + parts[0])
    found = estimated.of_losses(direct, parts[0] + parts[1] + parts[2])
    assert found["mae"].value == pytest.approx(direct.expected(columns, output)[0].mean())
    assert found["r2"].reason.startswith("the variance of labels")
    assert estimated.of_losses(direct, LossCounts())["rmse"].reason == "no prediction"
    with pytest.raises(InvalidRequest, match="column 'word' wasn't given"):
        direct.expected({"x": columns["x"]}, output)


def miss(day: int, wrong: bool) -> ScoredEstimate:
    at = DAY + timedelta(days=day)
    return ScoredEstimate(metric="roc_auc", since=at, until=at, estimated=0.8, realised=0.7 if wrong else 0.79,
                          standard_error=0.01)  # fmt: skip


def standing_of(history: Iterable[ScoredEstimate]) -> EstimateStanding:
    return reduce(EstimateStanding.after, history, EstimateStanding())


@pytest.mark.parametrize(
    ("wrong", "withdrawn"),
    [("001101", None), ("0111", 3), ("1110000000", 2), ("11011", None), ("", None)],
)
def test_three_misses_in_a_row_withdraw_estimates_for_good(wrong: str, withdrawn: int | None) -> None:
    found = standing_of(miss(day, one == "1") for day, one in enumerate(wrong))
    assert found.withdrawn_on == (None if withdrawn is None else DAY + timedelta(days=withdrawn))
    assert bool(found.reason) is (withdrawn is not None)


def test_a_window_scored_twice_or_late_counts_once_in_its_place() -> None:
    history = [miss(0, True), miss(2, True), miss(2, True), miss(2, True), miss(0, True)]
    assert standing_of(history).withdrawn_on is None
    assert standing_of([*history, miss(1, True)]).withdrawn_on == DAY + timedelta(days=2)


def test_corrected_labels_bring_no_estimate_back() -> None:
    found = standing_of(miss(day, True) for day in range(3)).after(miss(1, False))
    assert found.withdrawn_on == DAY + timedelta(days=2)
    assert EstimateStanding.model_validate_json(found.model_dump_json()) == found


def test_estimates_of_an_unchanged_model_are_seldom_withdrawn() -> None:
    """Of thirty models in sixty days each: a miss has 4.6% at most, three in a row 0.6% in sixty days."""
    draw, withdrawn = np.random.default_rng(7), 0
    for _ in range(30):
        standing = EstimateStanding()
        for day in range(60):
            output = draw.beta(1, 3, 200)
            at = DAY + timedelta(days=day)
            one = scored(
                estimated.of_outputs(Calibration(), output)["brier"],
                realised.of_rows("classification", output, draw.random(200) < output)["brier"],
                since=at,
                until=at,
            )
            assert one is not None
            standing = standing.after(one)
        withdrawn += standing.withdrawn_on is not None
    assert withdrawn <= 3


def test_an_estimate_without_a_realised_figure_is_not_scored() -> None:
    assert scored(Figure(metric="brier", value=0.1), Figure(metric="brier"), since=DAY, until=DAY) is None
