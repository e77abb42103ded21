"""Error analysis finds the slice that was made bad, and nothing in noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas
import pytest

from headwater.errors import InvalidRequest
from headwater.monitoring.slices.coding import coded
from headwater.monitoring.slices.search import FEWEST_ROWS, worst_slices

LETTERS = np.asarray(list("abcdefgh"), dtype=object)


def rows_of(rows: int, seed: int = 0, numbers: int = 4, words: int = 3) -> tuple[dict[str, Any], Any]:
    """Columns that say nothing of the loss, and log losses of a model that is right about its probabilities."""
    draw = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"x{n}": draw.normal(size=rows) for n in range(numbers)}
    columns |= {f"c{n}": LETTERS[draw.integers(0, len(LETTERS), rows)] for n in range(words)}
    chance = draw.beta(1, 5, rows)
    return columns, -np.log(np.where(draw.random(rows) < chance, chance, 1 - chance))


def test_a_bad_value_and_a_bad_pair_are_found_and_nothing_else() -> None:
    columns, loss = rows_of(20_000)
    pair = (columns["c1"] == "d") & (columns["x2"] >= np.quantile(columns["x2"], 0.9))
    loss[pair] += 0.5
    loss[columns["c0"] == "b"] *= 1.4
    found = worst_slices(columns, loss)
    assert [entry.conditions[0].split("=")[0].split(" ")[0] for entry in found.slices] == ["c0", "x2"]
    single, both = found.slices
    assert single.conditions == ("c0=b",)
    assert both.conditions[1] == "c1=d"
    assert both.conditions[0].startswith("x2 >= 1.2")
    assert both.rows == pair.sum()
    rest = loss[~pair]
    assert both.loss == pytest.approx(loss[pair].mean())
    assert both.excess == pytest.approx(loss[pair].mean() - rest.mean())
    assert both.low < 0.5 < both.high
    assert both.share_of_loss == pytest.approx(loss[pair].sum() / loss.sum())
    assert both.share_of_rows == pytest.approx(pair.mean())
    error = math.sqrt(loss[pair].var(ddof=1) / pair.sum() + rest.var(ddof=1) / len(rest))
    assert both.high - both.low == pytest.approx(2 * 1.97 * error, rel=0.01)


def test_noise_has_no_bad_slice() -> None:
    """A false-discovery rate of 10% is one of ten data sets at most; of 50, more than 12 are one of a thousand."""
    found = [worst_slices(*rows_of(5000, seed)) for seed in range(1, 51)]
    assert sum(bool(entry.slices) for entry in found) <= 12
    assert min(entry.searched for entry in found) > 200


def test_a_hundred_thousand_rows_of_thirty_columns_are_searched_whole() -> None:
    columns, loss = rows_of(100_000, numbers=20, words=10)
    loss[(columns["c9"] == "h") & (columns["x0"] < -1.3)] *= 1.5
    found = worst_slices(columns, loss)
    assert found.searched > 4000
    assert [entry.conditions[1] for entry in found.slices] == ["c9=h"]


def test_a_slice_of_equal_losses_is_no_certain_find() -> None:
    columns, loss = rows_of(3000)
    loss[:60] = loss.mean() * 1.001
    columns["c0"] = np.where(np.arange(3000) < 60, "same", "other")
    assert [entry for entry in worst_slices(columns, loss).slices if "c0=same" in entry.conditions] == []


def test_two_columns_that_say_the_same_give_one_slice() -> None:
    columns, loss = rows_of(5000, words=1)
    columns["again"] = np.asarray([f"{word}!" for word in columns["c0"]], dtype=object)
    loss[columns["c0"] == "c"] += 1
    assert [entry.conditions for entry in worst_slices(columns, loss).slices] == [("c0=c",)]


def test_slices_are_compared_with_the_last_version() -> None:
    columns, loss = rows_of(10_000)
    before, others = rows_of(10_000, seed=9)
    loss[columns["c0"] == "a"] += 0.4
    loss[columns["c1"] == "b"] += 0.4
    others[before["c1"] == "b"] += 0.4
    found = {entry.conditions: entry for entry in worst_slices(columns, loss, reference=(before, others)).slices}
    new, known = found[("c0=a",)], found[("c1=b",)]
    assert (new.is_new, known.is_new) == (True, False)
    assert new.change == pytest.approx(new.excess - new.before)  # type: ignore[operator]
    assert abs(known.change or 9) < 0.1
    del before["c0"]
    missing = worst_slices(columns, loss, reference=(before, others)).slices
    assert {entry.before is None for entry in missing if "c0=a" in entry.conditions} == {True}


def test_the_trainings_quantiles_are_the_parts_if_they_are_given() -> None:
    columns, loss = rows_of(2000)
    loss[columns["x0"] > 1] += 1
    (found,) = worst_slices({"x0": columns["x0"]}, loss, edges={"x0": [-1, 0, 1, 5]}).slices
    assert found.conditions == ("1 <= x0 < 5",)


def test_missing_and_rare_values_are_slices_too() -> None:
    column = coded("c", [None, "", *"aabbb", *(f"rare{n}" for n in range(40)), "(odd)", "(odd)"])
    assert column.conditions[:3] == ("c=b", "c=\\(odd)", "c=a")
    assert column.conditions[-2:] == ("c=(other)", "c=(missing)")
    assert column.codes[:2].tolist() == [len(column.conditions) - 1] * 2
    numbers = coded("x", pandas.Series([1, None, 3], dtype="Int64"))
    assert numbers.conditions == ("x < 3", "x >= 3", "x=(missing)")
    assert numbers.codes.tolist() == [0, 2, 1]
    assert numbers.of_others([3, 2.9, None]).tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("rows", "loss", "reason"),
    [(0, 1.0, "0 rows, fewer than 100"), (99, 1.0, "99 rows, fewer than 100"), (200, 0.5, "all rows lose the same")],
)
def test_nothing_is_searched_in_few_rows_or_equal_losses(rows: int, loss: float, reason: str) -> None:
    found = worst_slices({"x": np.arange(rows)}, np.full(rows, loss))
    assert (found.slices, found.reason, found.rows) == ((), reason, rows)
    assert FEWEST_ROWS * 2 == 100


def test_columns_of_other_lengths_and_infinite_losses_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="column 'x' has 3 rows, but there are 2 losses"):
        worst_slices({"x": [1, 2, 3]}, [0.1, 0.2])
    with pytest.raises(InvalidRequest, match="row 1: the loss is inf"):
        worst_slices({"x": [1, 2]}, [0.1, math.inf])
