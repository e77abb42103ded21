"""Profiles add up exactly, in any order and grouping, and no part is counted twice."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.monitoring.drift.bank import MOST_WINDOWS, Bank, BankWindow, bank_of_days, stratum_of
from headwater.monitoring.profiles.counting import UncountableColumn, count_numbers, profile_of
from headwater.monitoring.profiles.exact import ZERO, add, exact, fraction, squares, sums
from headwater.monitoring.profiles.types import (
    PartCountedTwice,
    Scheme,
    SchemeMismatch,
    WindowProfile,
    merge,
)
from tests.unit.monitoring.data import DAY, bank_of, counts, scheme_of, usual

SCHEME = scheme_of({"x": [-3.0, -1.0, 0.0, 0.0, 0.0, 0.5, 2.0, 1e6]}, {"c": ["a", "b", "c"]})
FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
ROWS = st.lists(
    st.tuples(st.none() | FLOATS, st.none() | st.sampled_from(["", "a", "b", "new", "newer"]), FLOATS), max_size=12
)


def profile(rows: list[tuple[Any, Any, float]], part: str) -> WindowProfile:
    xs, cs, scores = zip(*rows, strict=True) if rows else ((), (), ())
    return profile_of(SCHEME, {"x": list(xs), "c": list(cs)}, part=part, scores=list(scores))


@given(st.lists(ROWS, min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_addition_is_associative_and_commutative(parts: list[list[tuple[Any, Any, float]]]) -> None:
    a, b, c = (profile(rows, f"part {number}") for number, rows in enumerate(parts))
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + SCHEME.empty() == a == SCHEME.empty() + a
    assert a + a == a
    assert (a + b) + a == a + b == b + (a + b)


@given(ROWS, st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_counts_of_two_parts_are_those_of_all_rows(rows: list[tuple[Any, Any, float]], cut: int) -> None:
    whole, parts = profile(rows, "all"), profile(rows[:cut], "1") + profile(rows[cut:], "2")
    # The most frequent value alone is a part's own.
    left, right = counts(whole).model_dump(exclude={"top"}), counts(parts).model_dump(exclude={"top"})
    assert left == right
    assert whole.categories == parts.categories
    assert whole.rows == parts.rows == len(rows)
    if whole.scores and parts.scores:
        assert whole.scores.sums == parts.scores.sums


@given(st.lists(st.tuples(FLOATS.filter(lambda x: abs(x) < float("inf")), st.integers(1, 1 << 20)), max_size=30))
@settings(max_examples=100, deadline=None)
def test_sums_are_exact_for_every_finite_float32(pairs: list[tuple[float, int]]) -> None:
    found = dict(pairs)
    times = [1 + count % 5 for count in found.values()]
    values = np.sort(np.repeat(np.asarray(list(found), dtype=np.float32), times))
    plain = [Fraction(float(value)) for value in values]
    assert fraction(sums(values, [len(values)])[0]) == sum(plain)
    assert fraction(squares(values)) == sum(value**2 for value in plain)
    half = len(values) // 2
    assert [fraction(part) for part in sums(values, [half, half, len(values)])] == [
        sum(plain[:half]), 0, sum(plain[half:])
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["spread", "atoms", "whole", "tiny and huge", "odd"])
def test_a_long_column_is_counted_as_plain_python_counts_it(kind: str) -> None:
    draw = np.random.default_rng(7)
    normal = draw.normal(size=40_007)
    values = {
        "spread": normal,
        "atoms": np.where(draw.random(len(normal)) < 0.3, -0.0, np.where(normal > 0, normal, 0.1)),
        "whole": np.round(normal * 3),
        "tiny and huge": normal * 10.0 ** draw.integers(-44, 38, len(normal)),
        "odd": np.where(draw.random(len(normal)) < 0.1, draw.choice([np.nan, np.inf, -np.inf], len(normal)), normal),
    }[kind]
    edges = scheme_of({"x": values[np.isfinite(values)][:5_000]}).numbers["x"]
    with np.errstate(over="ignore"):
        single = [float(value) for value in values.astype(np.float32)]
    known = [value for value in single if value == value]
    finite = [value for value in known if abs(value) != float("inf")]
    binned: list[list[float]] = [[] for _ in range(len(edges) + 1)]
    for value in finite:
        binned[bisect_right(edges, value)].append(value)
    # Of equally frequent ones the least.
    most, rows = min(Counter(finite).items(), key=lambda entry: (-entry[1], entry[0]))
    found = count_numbers("x", values, edges, bin_sums=True)
    assert (found.missing, found.infinite) == (len(single) - len(known), len(known) - len(finite))
    assert found.below == len(binned[0]) + known.count(float("-inf"))
    assert found.above == len(binned[-1]) + known.count(float("inf"))
    assert found.bins == tuple(map(len, binned[1:-1]))
    assert found.top == (((most, rows),) if rows * 64 >= len(known) else ())
    assert fraction(found.sum) == sum(map(Fraction, finite))
    assert fraction(found.squares) == sum(Fraction(value) ** 2 for value in finite)
    assert [fraction(part) for part in found.sums] == [
        sum(map(Fraction, some)) for some in (*binned[1:-1], binned[0], binned[-1])
    ]


def test_equal_sums_have_one_form() -> None:
    assert exact(8, -3) == exact(1, 0) == add(exact(1, -1), exact(1, -1)) == (1, 0)
    assert add(exact(3, 5), exact(-3, 5)) == ZERO == exact(0, 9)


def test_a_million_rows_in_any_order_give_the_same_profile() -> None:
    draw = np.random.default_rng(1)
    values = draw.normal(size=200_000) * 10.0 ** draw.integers(-20, 20, 200_000)
    parts = [profile_of(SCHEME, {"x": some, "c": ["a"] * len(some)}, part=str(n))
             for n, some in enumerate(np.array_split(values, 20))]  # fmt: skip
    expected = reduce(WindowProfile.__add__, parts)
    random.Random(1).shuffle(parts)
    halves = merge(SCHEME, parts[:7]) + merge(SCHEME, parts[7:])
    assert halves == expected
    assert expected.model_dump_json() == halves.model_dump_json()


def test_profiles_that_share_a_part_are_refused() -> None:
    a, b, c = (profile([(1.0, "a", 0.5)], part) for part in "abc")
    with pytest.raises(PartCountedTwice, match="1 parts are in both profiles, b first"):
        (a + b) + (b + c)


def test_profiles_of_two_versions_are_never_added() -> None:
    other = scheme_of({"x": [0.0, 5.0]}, {"c": ["a"]})
    with pytest.raises(SchemeMismatch, match="their bins differ"):
        SCHEME.empty() + other.empty()


def test_json_gives_the_same_profile_and_leaves_runs_of_zeros_out() -> None:
    found = profile([(0.25, "a", 0.5), (None, None, 0.25), (7e8, "zzz", 0.5)], "p")
    text = found.model_dump_json()
    assert WindowProfile.model_validate_json(text) == found
    assert len(text) < 1500 < len(str(found.model_dump()))
    assert Scheme.model_validate_json(SCHEME.model_dump_json()).digest == SCHEME.digest


def test_counts_say_what_is_where() -> None:
    xs = [-4.0, -3.0, 0.0, 0.0, 2.0, 1e6, 1e7, float("inf"), float("-inf"), float("nan"), None]
    words = ["a", "a", "", None, "new", "b", "b", "b", "x" * 100, float("nan"), "c"]
    found = profile_of(SCHEME, {"x": xs, "c": words}, part="p")
    x, c = counts(found), found.categories["c"]
    assert (x.missing, x.infinite, x.below, x.above, x.known) == (2, 2, 2, 2, 9)
    assert x.top == ((0.0, 2),)
    assert x.mean == pytest.approx(np.float32([-4, -3, 0, 0, 2, 1e6, 1e7]).mean())
    assert (c.missing, c.bins, c.unseen) == (3, (2, 3, 1), 2)
    assert c.names == (("new", 1), ("x" * 64, 1))


def test_a_value_of_many_training_rows_is_a_bin_of_its_own() -> None:
    scheme = scheme_of({"x": [0.0] * 900 + list(np.linspace(1, 2, 100))})
    at_zero = profile_of(scheme, {"x": [0.0] * 7 + [1e-6] * 3}, part="p")
    assert 7 in counts(at_zero).bins
    assert 10 not in counts(at_zero).bins


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"x": [1.0]}, "1 columns of model 'm' weren't given, 'c' first"),
        ({"x": [1.0, 2.0], "c": ["a"]}, "column 'c' has 1 rows, others have 2"),
        ({"x": ["1.5"], "c": ["a"]}, "column 'x' holds text among its numbers"),
        ({"x": np.asarray(["1.5"]), "c": ["a"]}, "expected numbers"),
        ({"x": [{}], "c": ["a"]}, "what is no number"),
        ({"x": [1.0], "c": [7]}, "column 'c' holds int 7, expected text or None"),
        ({"x": [1.0], "c": [[]]}, "what is no text"),
    ],
)
def test_columns_that_cannot_be_counted_are_refused(columns: dict[str, Any], said: str) -> None:
    with pytest.raises(UncountableColumn, match=said):
        profile_of(SCHEME, columns, part="p")


def test_whole_numbers_count_as_the_model_sees_them() -> None:
    found = counts(profile_of(SCHEME, {"x": [2**53 + 1, 2**24 + 1, 10**400, -(10**400)], "c": ["a"] * 4}, part="p"))
    assert (found.infinite, found.above, found.below) == (2, 3, 1)
    assert fraction(found.sum) == 2**53 + 2**24


def test_a_million_words_leave_a_small_profile() -> None:
    found = profile_of(SCHEME, {"x": [0.0] * 1_000_000, "c": [str(n) for n in range(1_000_000)]}, part="p")
    assert found.categories["c"].unseen == 1_000_000
    assert len(found.categories["c"].names) == 32
    assert len(found.model_dump_json()) < 2_000


def test_a_bank_counts_the_days_that_examples_were_asked_about() -> None:
    asked = np.asarray(["2024-01-02T10:00", "2024-01-01T23:59:59", "2024-01-02T00:00", "NaT"], dtype="datetime64[s]")
    columns = {"x": np.asarray([1.0, 2.0, 3.0, 4.0]), "c": np.asarray(["a", "b", "", "a"], dtype=object)}
    scored = np.asarray([True, False, True, True])
    bank = bank_of_days(SCHEME, columns, asked, source="set", scores=np.asarray([0.1] * 4), scored=scored)
    assert [(w.start.isoformat()[:10], w.profile.rows, w.profile.parts) for w in bank.windows] == [
        ("2024-01-01", 1, ("set:2024-01-01",)),
        ("2024-01-02", 2, ("set:2024-01-02",)),
    ]
    assert [window.profile.scores is not None for window in bank.windows] == [False, True]
    assert Bank.unpacked(bank.packed()) == bank
    assert bank.packed() == Bank.unpacked(bank.packed()).packed()


def test_a_full_bank_loses_its_oldest_window() -> None:
    scheme = scheme_of({"x": [0.0, 1.0]})
    days = np.datetime64("2020-01-01") + np.arange(MOST_WINDOWS + 20)
    bank = bank_of_days(scheme, {"x": np.zeros(len(days))}, days, source="set")
    assert len(bank.windows) == MOST_WINDOWS
    assert bank.windows[-1].start.date().isoformat() == str(days[-1])
    window = BankWindow(start=DAY, profile=profile_of(scheme, {"x": [0.5]}, part="now"))
    more = bank.added(window)
    assert (len(more.windows), more.windows[-1]) == (MOST_WINDOWS, window)
    assert more.added(window) == more
    with pytest.raises(SchemeMismatch):
        bank.added(BankWindow(start=DAY, profile=SCHEME.empty()))


def test_a_bank_is_small() -> None:
    draw = np.random.default_rng(0)
    windows = [{f"x{n}": draw.normal(size=950) for n in range(5)} for _ in range(20)]
    scheme = scheme_of({f"x{n}": draw.normal(size=50_000) for n in range(5)})
    # 120 days of 30 columns: 36 times as much.
    assert len(bank_of(scheme, windows).packed()) * 36 < 2_000_000


def test_days_are_of_three_kinds() -> None:
    assert stratum_of(DAY.date()) == "weekday"
    assert stratum_of(DAY.date(), {DAY.date()}) == "holiday"
    assert stratum_of(DAY.date().replace(day=10)) == "weekend"
    assert len(usual(windows=2)) == 2
