"""The alarm's rate on unchanged models is stated and held, whatever the rows; a real loss is found."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from headwater.declare import Metric
from headwater.monitoring.performance import realised
from headwater.monitoring.performance.limits import judged
from headwater.monitoring.performance.types import Baseline, DayBaseline, Figure
from headwater.training.estimating import baselines

DAY = date(2026, 1, 5)
METRICS: tuple[Metric, ...] = ("roc_auc", "average_precision", "log_loss", "brier", "accuracy")


def drawn(draw: Any, rows: int, *, days: float = 0.0, lost: float = 0.0) -> tuple[Any, Any]:
    """A day's scores and labels; ``days`` is the spread of its base rate, ``lost`` the share of random labels."""
    rate = 1 / (1 + math.exp(-(math.log(0.25) + draw.normal(0, days))))
    label = draw.random(rows) < rate
    seen = draw.normal(1.2 * label)
    score = 1 / (1 + np.exp(-(1.2 * seen - 0.72 + math.log(0.25))))
    return score, np.where(draw.random(rows) < lost, draw.random(rows) < rate, label) * 1.0


def held_out(draw: Any, rows: int, days: int, spread: float) -> Any:
    parts = [drawn(draw, rows // days, days=spread) for _ in range(days)]
    output, label = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    figures = [realised.of_rows("classification", *part) for part in parts]
    return baselines(realised.of_rows("classification", output, label), figures)


def alarms(rows: int, windows: int, *, held: int = 5000, spread: float = 0.0, lost: float = 0.0) -> dict[Metric, float]:
    """Share of windows that alarm, each ten beside a baseline of their own."""
    draw, found = np.random.default_rng(rows + held), dict.fromkeys(METRICS, 0)
    for place in range(windows):
        if place % 10 == 0:
            base = held_out(draw, held, 14, spread)
        for metric, figure in realised.of_rows("classification", *drawn(draw, rows, days=spread, lost=lost)).items():
            one = judged(figure, base.get(metric), 0.0, since=DAY, until=DAY)
            found[metric] += one is not None and one.is_worse
    return {metric: count / windows for metric, count in found.items()}


@pytest.mark.parametrize(("rows", "windows"), [(100, 400), (1000, 400), (10_000, 200)])
def test_unchanged_models_alarm_in_at_most_one_of_forty_windows(rows: int, windows: int) -> None:
    """2.5% a window; a binomial of so many windows is above the limit in one of a thousand cases."""
    limit = 0.025 + 3.1 * math.sqrt(0.025 * 0.975 / windows)
    assert max(alarms(rows, windows).values()) <= limit


def test_segments_judged_beside_each_other_alarm_no_more_than_one_figure() -> None:
    """Any of twenty unchanged segments is worse in one of twenty looks at all of them, at most; without the correction
    it would be every third look."""
    draw, looks, segments = np.random.default_rng(7), 60, 20
    found = {1: 0, segments: 0}
    for _ in range(looks):
        base = held_out(draw, 5000, 14, 0.0)["roc_auc"]
        figures = [realised.of_rows("classification", *drawn(draw, 300))["roc_auc"] for _ in range(segments)]
        for among in found:
            pairs = (judged(one, base, 0.0, since=DAY, until=DAY, among=among) for one in figures)
            found[among] += any(one is not None and one.is_worse for one in pairs)
    assert found[segments] <= looks * 0.05 + 3.1 * math.sqrt(looks * 0.05 * 0.95)
    assert found[1] > found[segments]


def test_a_segment_that_lost_is_found_among_many() -> None:
    draw = np.random.default_rng(8)
    base = held_out(draw, 5000, 14, 0.0)["roc_auc"]
    lost = realised.of_rows("classification", *drawn(draw, 2000, lost=0.6))["roc_auc"]
    one, many = (judged(lost, base, 0.0, since=DAY, until=DAY, among=among) for among in (1, 264))
    assert one is not None
    assert many is not None
    assert many.is_worse
    assert many.limit < one.limit < one.baseline


def test_days_of_other_base_rates_are_no_alarm() -> None:
    """Base rates from 11% to 35%: at most 5% a window; without the spread of days it would be every third."""
    assert max(alarms(2000, 300, spread=0.4).values()) <= 0.05 + 3.1 * math.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize(("rows", "lost", "found"), [(1000, 0.4, 0.8), (10_000, 0.2, 0.8)])
def test_a_model_that_lost_half_of_what_it_knew_is_found(rows: int, lost: float, found: float) -> None:
    shares = alarms(rows, 100, held=20_000, lost=lost)
    assert min(shares[metric] for metric in METRICS if metric != "accuracy") >= found


def figure(value: float, half: float, metric: Metric = "roc_auc", rows: int = 1000) -> Figure:
    return Figure(metric=metric, value=value, low=value - half, high=value + half, rows=rows)


@pytest.mark.parametrize(("metric", "sign"), [("roc_auc", -1), ("rmse", 1)])
def test_the_whole_interval_must_be_beyond_the_limit(metric: Metric, sign: int) -> None:
    exact = Baseline(value=10, low=10, high=10, rows=10**9)
    for distance, worse in ((0.9, False), (1.1, False), (1.6, True), (-5, False)):
        found = judged(figure(10 + sign * distance, 0.5, metric), exact, 1.0, since=DAY, until=DAY)
        assert found is not None
        assert (found.limit, found.is_worse) == (pytest.approx(10 + sign), worse)


def test_an_uncertain_baseline_moves_the_limit() -> None:
    sure, unsure = (Baseline(value=0.8, low=0.8 - half, high=0.8 + half, rows=500) for half in (0.0, 0.04))
    found = [judged(figure(0.75, 0.03), base, 0.0, since=DAY, until=DAY) for base in (sure, unsure)]
    assert [one.is_worse for one in found if one] == [True, False]
    # The interval of the difference: the root of 0.03² + 0.04² is 0.05.
    assert found[1] is not None
    assert found[1].limit == pytest.approx(0.8 - 0.05 + 0.03)


def test_a_version_without_an_estimator_has_a_limit_by_its_held_out_rows() -> None:
    """A baseline of as many rows is as uncertain as the window; one of a hundred times as many is nearly sure."""
    for rows, away in ((1000, math.hypot(0.03, 0.03)), (100_000, math.hypot(0.03, 0.003)), (0, 0.03)):
        found = judged(figure(0.75, 0.03), Baseline(value=0.8, rows=rows), 0.0, since=DAY, until=DAY)
        assert found is not None
        assert found.limit == pytest.approx(0.8 - away + 0.03)


def test_one_day_is_compared_with_days_and_a_week_with_the_whole() -> None:
    """A day's area under the curve is lower than that of all days together, whose base rates differ."""
    day = DayBaseline(value=0.7, low=0.7, high=0.7, spread=0.02, days=10_000)
    base = Baseline(value=0.8, low=0.8, high=0.8, rows=10**9, day=day)
    one = judged(figure(0.68, 0.0), base, 0.0, since=DAY, until=DAY)
    week = judged(figure(0.68, 0.0), base, 0.0, since=DAY, until=DAY + timedelta(days=6))
    assert one is not None
    assert week is not None
    assert (one.baseline, one.is_worse, week.baseline, week.is_worse) == (0.7, False, 0.8, True)
    assert week.limit == pytest.approx(0.8 - 1.96 * 0.02 / math.sqrt(7), abs=1e-4)


def test_a_figure_of_odd_labels_alarms_only_with_the_corrected_one() -> None:
    exact = Baseline(value=0.8, low=0.8, high=0.8, rows=10**9)
    for value, worse in ((0.79, False), (0.7, True)):
        found = judged(figure(0.7, 0.03), exact, 0.0, since=DAY, until=DAY, coverage=0.4, adjusted=figure(value, 0.03))
        assert found is not None
        assert (found.is_worse, found.adjusted, found.coverage) == (worse, value, 0.4)


def test_without_a_figure_or_a_baseline_nothing_is_judged() -> None:
    nothing = Figure(metric="roc_auc", reason="no label")
    assert judged(nothing, Baseline(value=0.8), 0.0, since=DAY, until=DAY) is None
    assert judged(figure(0.7, 0.03), None, 0.0, since=DAY, until=DAY) is None
