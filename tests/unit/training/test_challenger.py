"""The paired comparison of a challenger with the champion, held to others' formulas."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy
import pandas
import pytest
from sklearn.metrics import roc_auc_score

from headwater.declare import Monitoring, Retraining
from headwater.training import challenger
from headwater.training.challenger import difference, judge_challenger, mcnemar, newest
from headwater.training.dataset import Rows
from headwater.training.types import ASKED
from tests.unit.training.products import BUYS, PRICE

CHANCE = numpy.random.default_rng(7)
SHOPS = BUYS.model_copy(update={"monitoring": Monitoring(segments=("shop",)), "retraining": Retraining()})


def rows(count: int = 4000, days: int = 20) -> tuple[Rows, Any]:
    """Held-out rows of some days, and how likely each label is."""
    likely = CHANCE.beta(2, 2, count)
    label = pandas.Series((CHANCE.random(count) < likely).astype("int64"))
    asked = pandas.DataFrame(
        {ASKED: pandas.Timestamp("2024-01-01") + pandas.to_timedelta(numpy.arange(count) * days / count, "D")}
    )
    return Rows(pandas.DataFrame({"shop": CHANCE.choice(["n", "s"], count)}), label, asked), likely


def noisy(likely: Any, noise: float) -> Any:
    return likely + CHANCE.normal(0, noise, len(likely))


def failed(outcomes: Any) -> list[str]:
    return [one.reason for one in outcomes if not one.passed]


def test_the_weighted_area_is_that_of_scikit_learn_with_ties() -> None:
    scores, labels = CHANCE.integers(0, 9, 500).astype(float), CHANCE.integers(0, 2, 500).astype(float)
    weights = CHANCE.poisson(1.0, (3, 500)).astype(float)
    found = challenger._weighted_auc(labels, scores)(weights)
    for replicate, area in zip(weights, found, strict=True):
        assert area == pytest.approx(roc_auc_score(labels, scores, sample_weight=replicate), abs=1e-12)


def test_the_interval_is_that_of_resampling_row_by_row() -> None:
    held, likely = rows(800)
    labels, ours, theirs = held.label.to_numpy().astype(float), noisy(likely, 0.1), noisy(likely, 0.3)
    found = difference(SHOPS, labels, ours, theirs)
    drawn = []
    for _ in range(400):
        places = CHANCE.integers(0, 800, 800)
        areas = [roc_auc_score(labels[places], scores[places]) for scores in (ours, theirs)]
        drawn.append(areas[0] - areas[1])
    low, high = numpy.quantile(drawn, [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low, abs=0.006), pytest.approx(high, abs=0.006))
    assert difference(SHOPS, labels, ours, theirs) == found


def test_the_interval_of_equal_models_holds_nothing_in_most_draws() -> None:
    misses = 0
    for _ in range(60):
        held, likely = rows(500)
        labels = held.label.to_numpy().astype(float)
        found = difference(SHOPS, labels, noisy(likely, 0.2), noisy(likely, 0.2))
        misses += not found.low <= 0 <= found.high
    # 5% of 60 are 3; 9 or more come once in 700 times.
    assert misses < 9


@pytest.mark.parametrize(("better", "worse"), [(10, 4), (3, 9), (40, 22), (7, 7)])
def test_mcnemar_is_the_exact_binomial_of_the_book(better: int, worse: int) -> None:
    count = better + worse
    tail = sum(comb(count, k) for k in range(min(better, worse) + 1)) / 2**count
    assert mcnemar(better, worse) == pytest.approx(min(1.0, 2 * tail))


def test_a_regression_is_compared_by_the_share_of_squared_error_that_it_saves() -> None:
    truth = CHANCE.normal(0, 1, 2000)
    found = difference(PRICE, truth, truth + CHANCE.normal(0, 1, 2000), truth + CHANCE.normal(0, 2, 2000))
    assert found.value == pytest.approx(0.75, abs=0.05)
    assert found.low < found.value < found.high
    assert difference(PRICE, truth, truth, truth).value == 0.0
    assert difference(PRICE, truth, truth + 1, truth).value < -1000


def test_by_an_alarm_a_challenger_must_be_better_where_the_world_is_newest() -> None:
    held, likely = rows()
    is_new = newest(held)
    assert 0.3 < is_new.mean() < 0.4
    champion = numpy.where(is_new, noisy(likely, 0.8), noisy(likely, 0.1))
    assert failed(judge_challenger(SHOPS, "drift", held, noisy(likely, 0.1), champion)) == []
    (reason,) = failed(judge_challenger(SHOPS, "performance", held, champion + 0.0, champion))
    assert reason.startswith("the challenger isn't shown to be better than the champion on the newest 7 days: +0.0000")
    assert failed(judge_challenger(SHOPS, "schedule", held, champion + 0.0, champion)) == []


def test_a_worse_challenger_fails_whatever_it_was_trained_for() -> None:
    held, likely = rows()
    good, bad = noisy(likely, 0.05), noisy(likely, 0.9)
    by_schedule = failed(judge_challenger(SHOPS, "schedule", held, bad, good))
    assert by_schedule[0].startswith("the challenger is worse than the champion by more than 0.01 on the held-out rows")
    by_drift = failed(judge_challenger(SHOPS, "drift", held, bad, good))
    assert by_drift[0].startswith("the challenger may be worse than the champion")
    assert any("McNemar p" in reason for reason in by_drift)


def test_a_segment_that_gets_worse_holds_the_challenger_back() -> None:
    held, likely = rows()
    is_n = (held.columns["shop"] == "n").to_numpy()
    champion = noisy(likely, 0.3)
    worse_there = numpy.where(is_n, noisy(likely, 1.2), noisy(likely, 0.0))
    reasons = failed(judge_challenger(SHOPS, "schedule", held, worse_there, champion))
    assert [reason for reason in reasons if "on shop = n" in reason]
    assert not [reason for reason in reasons if "on shop = s" in reason]


def test_too_few_rows_show_nothing() -> None:
    held, likely = rows(30)
    assert failed(judge_challenger(SHOPS, "schedule", held, likely, likely)) == []
    assert len(failed(judge_challenger(SHOPS, "drift", held, likely, likely))) == 2
