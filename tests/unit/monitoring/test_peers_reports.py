"""Reports by users of other libraries, each with the answer that is right here.

The names say where: owner/repository#number on GitHub.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from headwater.monitoring.drift.channels import Channel, jensen_shannon, shown
from headwater.monitoring.drift.judging import Judge
from headwater.monitoring.drift.verdicts import Outcome
from headwater.monitoring.profiles.counting import profile_of
from headwater.monitoring.profiles.types import merge
from tests.unit.monitoring.data import bank_of, counts, judged, scheme_of, usual


def fresh(seed: int = 5) -> Any:
    return np.random.default_rng(seed).normal(size=500)


def test_a_larger_sample_is_no_more_drifted() -> None:
    """evidentlyai/evidently#50: no drift of 5% of the rows, but nearly every feature has drifted with all of them."""
    draw = np.random.default_rng(5)
    windows = usual()
    everything = draw.normal(size=200_000)
    verdicts = [judged(windows, {"x": everything[:rows]}) for rows in (60, 500, 10_000, 200_000)]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.CLEAN] * 4


def test_eight_rows_are_no_drift() -> None:
    """evidentlyai/evidently#509: drift from eight rows of Iris."""
    verdict = judged(usual(), {"x": [1.4, 1.6] * 4})
    assert (verdict.outcome, verdict.reason) == (Outcome.COLLECTING, "8 rows, fewer than 50")


@pytest.mark.parametrize("odd", [None, np.nan, np.inf, -np.inf])
def test_infinite_and_absent_values_are_counted(odd: Any) -> None:
    """evidentlyai/evidently#1 and #603: an infinite value or None ends the report with an exception."""
    verdict = judged(usual(), {"x": [*np.random.default_rng(5).normal(size=499), odd]})
    assert verdict.outcome is Outcome.CLEAN


def test_a_column_of_nothing_is_judged_with_the_others() -> None:
    """NannyML/nannyml#339: a column of NaN stops the calculation of all columns."""
    verdict = judged(usual(y=[1.0] * 500), {"x": [np.nan] * 500, "y": [1.0] * 500})
    (finding,) = verdict.findings
    assert (finding.feature, finding.channel, finding.value) == ("x", Channel.MISSING, 1.0)
    assert verdict.unjudged == ("x",)
    assert "y" in verdict.scores


def test_text_stays_text_however_many_words_it_has() -> None:
    """NannyML/nannyml#292: text of many words was treated as numbers, and its drift was NaN."""
    words = [f"{number:05}" for number in range(2_000)]
    pick = random.Random(1)
    windows = [{"code": pick.choices(words, k=500)} for _ in range(40)]
    verdict = judged(windows, {"code": pick.choices(words, k=500)})
    assert (verdict.outcome, list(verdict.scores)) == (Outcome.CLEAN, ["code"])


def test_equal_shares_of_unequal_sizes_are_equal() -> None:
    """whylabs/whylogs#492: half as many rows with the same shares had a p-value of 1.7e-34."""
    windows = [{"quality": ["bad"] * 500 + ["good"] * 100}] * 40
    verdict = judged(windows, {"quality": ["bad"] * 250 + ["good"] * 50})
    assert (verdict.outcome, verdict.scores["quality"] < 1) == (Outcome.CLEAN, True)


def test_two_draws_of_one_distribution_are_alike() -> None:
    """whylabs/whylogs#461: two draws of 5,000 rows from one mixture were "severe drift"."""
    draw = np.random.default_rng(2)
    windows = [{"x": np.concatenate([draw.normal(size=2500), draw.normal(5, 2, 2500)])} for _ in range(40)]
    same = {"x": np.concatenate([draw.normal(size=2500), draw.normal(5, 2, 2500)])}
    assert judged(windows, same).outcome is Outcome.CLEAN


def test_empty_and_single_row_profiles_merge() -> None:
    """whylabs/whylogs#681: sketches of nothing or of a single value couldn't be merged with larger ones."""
    scheme = scheme_of({"x": [0.0, 1.0]})
    parts = [profile_of(scheme, {"x": [0.5] * rows}, part=str(rows)) for rows in (0, 1, 1000)]
    assert merge(scheme, parts).rows == merge(scheme, reversed(parts)).rows == 1001


def test_the_same_data_give_the_same_verdict() -> None:
    """whylabs/whylogs#684: ten profiles of the same rows had p-values from 2e-7 to 0.74."""
    window = {"x": np.random.default_rng(8).normal(size=120)}
    found = {judged(usual(), {"x": np.random.default_rng(n).permutation(window["x"])}).p for n in range(5)}
    assert len(found) == 1


def test_new_words_appear_and_old_ones_vanish_without_an_exception() -> None:
    """SeldonIO/alibi-detect#191 and #193: categories that one side lacks ended the test with an exception."""
    windows = [{"c": ["a"] * 300 + ["b"] * 150 + ["c"] * 50}] * 40
    few = judged(windows, {"c": ["a"] * 300 + ["b"] * 150 + ["c"] * 45 + ["new"] * 5})
    assert few.outcome is Outcome.CLEAN
    gone = judged(windows, {"c": ["a"] * 300 + ["b"] * 200})
    assert [(one.feature, one.channel) for one in gone.findings] == [("c", Channel.SHAPE)]
    many = judged(windows, {"c": ["a"] * 300 + ["new"] * 200})
    assert (many.findings[0].channel, many.findings[0].detail) == (Channel.UNSEEN, "new")


def test_a_constant_stream_has_not_drifted() -> None:
    """online-ml/river#1052: a stream of ones was reported to drift as soon as the detector was warm."""
    assert judged([{"x": [1.0] * 500}] * 40, {"x": [1.0] * 500}).outcome is Outcome.CLEAN


def test_a_category_of_one_value_has_not_drifted_whatever_the_number_of_rows() -> None:
    """evidentlyai/evidently#1929: p was NaN of a flag that is always "0", and unequal numbers of rows were an error."""
    for rows in (500, 50):
        windows = [{"flag": ["0"] * 500, "x": fresh(n)} for n in range(40)]
        verdict = judged(windows, {"flag": ["0"] * rows, "x": fresh(99)[:rows]})
        assert verdict.p is not None
        assert not [finding for finding in verdict.findings if finding.feature == "flag"]


def test_a_divergence_is_a_number_between_nothing_and_one() -> None:
    """scipy/scipy#20083 and #19436: NaN of shares that are nearly equal, infinite of one that is nearly nothing."""
    for left, right in (([0.027501475, 0.055202297], [0.027537677, 0.055334348]), ([0, 1], [5e-324, 1])):
        found = float(jensen_shannon(np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)))
        assert 0 <= found <= 1


def test_identical_windows_show_nothing() -> None:
    """whylabs/whylogs#563: identical profiles were "minimal drift"."""
    scheme = scheme_of({"x": fresh()})
    window = counts(profile_of(scheme, {"x": fresh()}, part="p"))
    found = shown(scheme.numbers["x"], window, window)
    assert (found.stability_index, found.kolmogorov_smirnov, found.wasserstein) == (0, 0, 0)


def test_a_p_value_is_never_nan() -> None:
    """SeldonIO/alibi-detect#221: the p-values of some columns were NaN."""
    scheme = scheme_of({"x": fresh(), "constant": [3.0], "none": []})
    windows = [{"x": fresh(n), "constant": [3.0] * 500, "none": [None] * 500} for n in range(40)]
    judge = Judge(bank_of(scheme, windows))
    for window in ({"x": [3.0] * 500, "constant": [3.0] * 500, "none": [1.0] * 500}, windows[0]):
        verdict = judge.judge(profile_of(scheme, window, part="now"))
        assert verdict.p is not None
        assert 0 < verdict.p <= 1
        assert all(np.isfinite(score) for score in verdict.scores.values())


def test_a_stable_stream_raises_few_alarms() -> None:
    """online-ml/river#1914: a textbook setting of CUSUM alarmed in 88% of stable streams."""
    draw = np.random.default_rng(4)
    windows = [{f"x{n}": draw.normal(size=300) for n in range(4)} for _ in range(60)]
    scheme = scheme_of({name: np.concatenate([one[name] for one in windows]) for name in windows[0]})
    judge = Judge(bank_of(scheme, windows))
    stream = [{name: draw.normal(size=300) for name in windows[0]} for _ in range(100)]
    verdicts = [judge.judge(profile_of(scheme, window, part="now")) for window in stream]
    # A binomial of 100 with a share of 1/30 is above 10 in 0.1% of all cases.
    assert sum(verdict.outcome is not Outcome.CLEAN for verdict in verdicts) <= 10
