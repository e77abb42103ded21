"""Metrics, gates, splits and profiles on values that one can check by hand."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.declare import Gate
from headwater.training.dataset import Rows, split, split_for_search
from headwater.training.describing import profile
from headwater.training.judging import judge, measure
from headwater.training.parity import places
from headwater.training.types import ASKED
from tests.unit.training.products import BUYS, PRICE


def outcomes(gate: Gate, value: float | None, champion: float | None) -> list[tuple[str, bool, str]]:
    reached = {} if value is None else {gate.metric: value}
    model = BUYS.model_copy(update={"gates": (gate,)})
    found = judge(model, reached, None if champion is None else {gate.metric: champion}, "there is no champion yet")
    return [(outcome.rule, outcome.passed, outcome.reason) for outcome in found]


@pytest.mark.parametrize(
    ("gate", "value", "champion", "expected"),
    [
        (Gate(metric="roc_auc", at_least=0.7), 0.7, None, [("at_least", True, "")]),
        (Gate(metric="roc_auc", at_least=0.7), 0.69, None, [("at_least", False, "roc_auc 0.6900 is below 0.7")]),
        (
            Gate(metric="roc_auc", at_least=0.7),
            None,
            None,
            [("at_least", False, "roc_auc (undefined on these rows) is below 0.7")],
        ),
        (Gate(metric="brier", at_most=0.2), 0.21, None, [("at_most", False, "brier 0.2100 is above 0.2")]),
        (
            Gate(metric="roc_auc", champion_margin=0.01),
            0.5,
            None,
            [("champion_margin", True, "there is no champion yet")],
        ),
        (Gate(metric="roc_auc", champion_margin=0.25), 0.5, 0.75, [("champion_margin", True, "")]),
        (
            Gate(metric="roc_auc", champion_margin=0.01),
            0.7,
            0.72,
            [("champion_margin", False, "roc_auc 0.7000 is more than 0.01 worse than the champion's 0.7200")],
        ),
        (Gate(metric="brier", champion_margin=0.25), 0.5, 0.25, [("champion_margin", True, "")]),
        (
            Gate(metric="brier", champion_margin=0.01),
            0.22,
            0.2,
            [("champion_margin", False, "brier 0.2200 is more than 0.01 worse than the champion's 0.2000")],
        ),
    ],
)
def test_a_gate_passes_at_its_limit_and_says_why_it_does_not(
    gate: Gate, value: float | None, champion: float | None, expected: list[Any]
) -> None:
    assert outcomes(gate, value, champion) == expected


def test_a_metric_that_is_undefined_on_the_rows_is_left_out() -> None:
    assert "roc_auc" not in measure("classification", [1, 1], [0.2, 0.9])
    assert "r2" not in measure("regression", [1.0], [1.0])
    assert measure("classification", [0, 1], [0.0, 1.0000001])["accuracy"] == 1.0


def rows(count: int, *, timed: bool) -> Rows:
    moments = pandas.date_range("2024-01-01", periods=count, freq="h", unit="us")
    asked = pandas.DataFrame({ASKED: moments} if timed else {}, index=range(count))
    numbers = numpy.arange(count) * 1.0
    return Rows(pandas.DataFrame({"rooms": numbers, "area": numbers}), pandas.Series(numpy.arange(count) % 2), asked)


@given(st.integers(2, 300))
def test_the_last_rows_judge_when_there_is_time(count: int) -> None:
    model = PRICE.model_copy(update={"holdout": PRICE.holdout.model_copy(update={"share": 0.5})})
    train, held_out = split(model, rows(count, timed=True))
    assert len(train) + len(held_out) == count
    assert train.asked[ASKED].max() < held_out.asked[ASKED].min()
    earlier, later = split_for_search(rows(count, timed=True))
    assert not len(later) or earlier.asked[ASKED].max() < later.asked[ASKED].min()


def test_without_time_the_same_share_of_the_same_rows_is_held_back() -> None:
    first, second = (split(PRICE, rows(4000, timed=False))[1] for _ in range(2))
    assert list(first.columns["rooms"]) == list(second.columns["rooms"])
    assert len(first) / 4000 == pytest.approx(0.25, abs=0.03)
    # Not the same rows as the search's own part, and spread over the whole table.
    assert first.columns["rooms"].mean() == pytest.approx(2000, abs=200)


@given(st.integers(0, 50), st.integers(1, 60))
def test_places_are_different_in_order_and_reach_from_end_to_end(length: int, count: int) -> None:
    found = places(length, count)
    assert found == sorted(set(found))
    assert len(found) == min(length, count)
    if length and count > 1:
        assert (found[0], found[-1]) == (0, length - 1)


def test_a_profile_knows_what_is_missing_and_what_is_frequent() -> None:
    columns = {name: [1.0, numpy.nan, 3.0, 5.0] for name in BUYS.columns}
    frame = pandas.DataFrame({**columns, "shop": pandas.Series(["a", "b", "a", ""], dtype=object)})
    known = profile(BUYS, "r", Rows(frame, pandas.Series([0, 1, 1, 1]), pandas.DataFrame(index=range(4))), [0.5, 0.7])
    assert (known.numbers["amount"].missing, known.numbers["amount"].mean) == (0.25, 3.0)
    assert known.numbers["amount"].quantiles[::128] == (1.0, 3.0, 5.0)
    assert (known.categories["shop"].missing, known.categories["shop"].counts) == (0.25, {"a": 2, "b": 1})
    assert known.label.mean == 0.75
