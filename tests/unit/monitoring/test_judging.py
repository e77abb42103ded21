"""Verdicts: false alarms stay at their rate whatever the window's size, and odd input gives a state, not a crash."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.drift.channels import Channel
from headwater.monitoring.drift.judging import Judge
from headwater.monitoring.drift.reference import leave_one_out, tail_scores
from headwater.monitoring.drift.standing import Standing, State, standing
from headwater.monitoring.drift.verdicts import Outcome, Verdict
from headwater.monitoring.profiles.counting import profile_of
from headwater.monitoring.profiles.types import SCORES, SchemeMismatch, merge
from tests.unit.monitoring.data import DAY, bank_of, judged, scheme_of, usual

BAD = (Outcome.SUSPICIOUS, Outcome.EXTREME)


@pytest.mark.parametrize("rows", [60, 500, 5_000])
def test_false_alarms_stay_below_their_rate_whatever_the_size(rows: int) -> None:
    bad = total = 0
    for seed in range(4):
        draw = np.random.default_rng([seed, rows])
        # Days that differ from each other, as real ones do, in five features.
        make = lambda n: {f"x{i}": draw.normal(size=n) + draw.normal() / 5 for i in range(5)}  # noqa: E731, B023
        windows = [make(500) for _ in range(60)]
        scheme = scheme_of({name: np.concatenate([one[name] for one in windows]) for name in windows[0]})
        judge = Judge(bank_of(scheme, windows))
        verdicts = [judge.judge(profile_of(scheme, make(rows), part="now")) for _ in range(20)]
        bad += sum(verdict.outcome in BAD for verdict in verdicts)
        total += len(verdicts)
    # A binomial of 80 with a share of 1/30 is above 9 in 0.03% of all cases.
    assert (total, bad <= 9) == (80, True)


def test_leave_one_out_scores_are_those_of_the_others() -> None:
    distances = np.random.default_rng(3).exponential(size=40).round(1)
    for place, score in enumerate(leave_one_out(distances, 0.05)):
        others = np.delete(distances, place)
        assert score == pytest.approx(tail_scores(others, distances[[place]], 0.05)[0])


def test_a_score_beyond_the_bank_grows_with_the_distance() -> None:
    distances = np.linspace(0, 1, 50)
    scores = tail_scores(distances, np.asarray([0.0, 0.5, 0.95, 1.5, 3.0, 1e9]), 0.05)
    assert (np.diff(scores) > 0).all()
    assert scores[0] == 0
    assert scores[-1] == 300


@pytest.mark.parametrize(
    ("windows", "window", "outcome", "channel"),
    [
        pytest.param(usual(c=[5.0] * 500), {"x": None, "c": [5.0] * 500}, Outcome.CLEAN, None, id="constant stays"),
        pytest.param(
            usual(c=[5.0] * 500), {"x": None, "c": [6.0] * 500}, Outcome.EXTREME, Channel.RANGE, id="constant moves"
        ),
        pytest.param(
            usual(c=[np.nan] * 500), {"x": None, "c": [np.nan] * 500}, Outcome.CLEAN, None, id="missing as ever"
        ),
        pytest.param(
            usual(c=[1.0] * 500), {"x": None, "c": [None] * 500}, Outcome.EXTREME, Channel.MISSING, id="all missing"
        ),
        pytest.param(
            usual(c=[1.0] * 500),
            {"x": None, "c": [np.inf] * 100 + [1.0] * 400},
            Outcome.EXTREME,
            Channel.INFINITE,
            id="infinite",
        ),
        pytest.param(
            usual(c=["a", "b"] * 250),
            {"x": None, "c": [f"new {n}" for n in range(500)]},
            Outcome.EXTREME,
            Channel.UNSEEN,
            id="unseen words",
        ),
        pytest.param(
            usual(c=["a", "b"] * 250), {"x": None, "c": ["a"] * 500}, Outcome.EXTREME, Channel.FROZEN, id="one word"
        ),
    ],
)
def test_odd_columns_have_a_clear_verdict(
    windows: list[dict[str, Any]], window: dict[str, Any], outcome: Outcome, channel: Channel | None
) -> None:
    verdict = judged(windows, {**window, "x": np.random.default_rng(5).normal(size=500)})
    assert verdict.outcome is outcome
    if channel is not None:
        assert verdict.findings[0].feature == "c"
        assert channel in {finding.channel for finding in verdict.findings}


def test_a_stuck_sensor_is_named_with_its_value() -> None:
    verdict = judged(usual(), {"x": [0.25] * 500})
    assert verdict.outcome is Outcome.EXTREME
    (finding,) = verdict.findings
    assert (finding.feature, finding.channel, finding.detail) == ("x", Channel.STUCK, "0.25")
    assert (finding.value, finding.usual) == (1.0, (0.0, 0.0))


def test_scores_are_one_more_feature() -> None:
    draw = np.random.default_rng(0)
    scheme = scheme_of({"x": [0.0, 1.0]}, scores=draw.random(1_000))
    bank = Bank(scheme=scheme)
    for place, window in enumerate(bank_of(scheme, [{"x": draw.random(300)} for _ in range(40)]).windows):
        counted = profile_of(scheme, {"x": draw.random(300)}, part=str(place), scores=draw.random(300))
        bank = bank.added(window.model_copy(update={"profile": counted}))
    judge = Judge(bank)
    same = profile_of(scheme, {"x": draw.random(300)}, part="a", scores=draw.random(300))
    high = profile_of(scheme, {"x": draw.random(300)}, part="b", scores=draw.random(300) ** 0.5)
    assert judge.judge(same).outcome is Outcome.CLEAN
    verdict = judge.judge(high)
    assert (verdict.outcome in BAD, [finding.feature for finding in verdict.findings]) == (True, [SCORES])
    silent = profile_of(scheme, {"x": draw.random(300)}, part="c")
    assert judge.judge(silent).outcome is Outcome.CLEAN


@pytest.mark.parametrize("rows", [0, 1, 49])
def test_a_window_of_few_rows_is_not_judged(rows: int) -> None:
    verdict = judged(usual(), {"x": [99.0] * rows})
    assert (verdict.outcome, verdict.p) == (Outcome.COLLECTING, None)
    assert verdict.reason == f"{rows} rows, fewer than 50"


@pytest.mark.parametrize("windows", [0, 1, 29])
def test_beside_few_windows_nothing_is_judged(windows: int) -> None:
    scheme = scheme_of({"x": np.random.default_rng(0).normal(size=500)})
    judge = Judge(bank_of(scheme, usual(windows=windows)))
    verdict = judge.judge(profile_of(scheme, {"x": [99.0] * 500}, part="now"), DAY)
    assert verdict.outcome is Outcome.COLLECTING
    assert verdict.reason == f"{windows} reference windows, fewer than 30"


def test_a_model_without_a_usable_feature_collects() -> None:
    verdict = judged(usual(c=[np.nan] * 500), {"x": [None] * 500, "c": [None] * 500})
    assert verdict.outcome is Outcome.EXTREME
    scheme = scheme_of({"c": []})
    judge = Judge(bank_of(scheme, [{"c": [None] * 100}] * 40))
    verdict = judge.judge(profile_of(scheme, {"c": [None] * 100}, part="now"))
    assert (verdict.outcome, verdict.unjudged) == (Outcome.COLLECTING, ("c",))


def test_a_bank_of_another_version_is_refused() -> None:
    judge = Judge(bank_of(scheme_of({"x": [0.0, 1.0]}), []))
    with pytest.raises(SchemeMismatch, match="Take the bank of the version"):
        judge.judge(scheme_of({"x": [0.0, 2.0]}).empty())


def test_weekends_are_compared_with_weekends_if_there_are_enough() -> None:
    draw = np.random.default_rng(0)
    scheme = scheme_of({"x": np.concatenate([draw.normal(size=500), draw.normal(size=500) + 8])})

    def day(number: int, rows: int = 300) -> dict[str, Any]:
        return {"x": draw.normal(size=rows) + 8 * ((DAY + timedelta(days=number)).weekday() >= 5)}

    judge = Judge(bank_of(scheme, [day(number) for number in range(210)]))
    saturday, monday = DAY + timedelta(days=215), DAY + timedelta(days=217)
    quiet = profile_of(scheme, day(215), part="now")
    assert (judge.judge(quiet, saturday).outcome, judge.judge(quiet, saturday).stratum) == (Outcome.CLEAN, "weekend")
    assert judge.judge(quiet, monday).outcome in BAD
    assert judge.judge(quiet).stratum == "all"
    few = Judge(bank_of(scheme, [day(number) for number in range(50)]))
    assert few.judge(quiet, saturday).stratum == "all"


def test_a_week_is_judged_beside_separate_weeks() -> None:
    draw = np.random.default_rng(0)
    scheme = scheme_of({"x": draw.normal(size=5_000)})
    bank = bank_of(scheme, [{"x": draw.normal(size=200)} for _ in range(215)])
    judge = Judge(bank, horizon=7)

    def week(shift: float) -> Verdict:
        days = [profile_of(scheme, {"x": draw.normal(size=200) + shift}, part=str(n)) for n in range(7)]
        return judge.judge(merge(scheme, days))

    assert (week(0.0).outcome, week(0.0).windows, week(0.0).horizon) == (Outcome.CLEAN, 30, 7)
    assert week(0.25).outcome in BAD
    assert week(0.25).p == pytest.approx(1 / 31)
    few = Judge(Bank(scheme=scheme, windows=bank.windows[:100]), horizon=7)
    assert few.judge(merge(scheme, [window.profile for window in bank.windows[:7]])).outcome is Outcome.COLLECTING


def states(outcomes: str) -> list[str]:
    """The state after each of some verdicts: c clean, s suspicious, e extreme, . not judged."""
    kinds = {"c": Outcome.CLEAN, "s": Outcome.SUSPICIOUS, "e": Outcome.EXTREME, ".": Outcome.COLLECTING}
    found, now = [], Standing()
    for letter in outcomes:
        now = now.after(Verdict(outcome=kinds[letter], reason="", rows=0, windows=0))
        found.append(now.state.value[0])
    return found


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ("...", "CCC"),
        ("cc", "NN"),
        ("csc", "NSS"),
        ("cscc", "NSSN"),
        ("css", "NSA"),
        ("cscs", "NSSA"),
        ("csccs", "NSSNS"),
        ("ce", "NA"),
        ("ecc", "AAN"),
        ("ecscc", "AAAAN"),
        ("e...cc", "AAAAAN"),
        ("s.s", "SSA"),
        ("c.", "NN"),
    ],
)
def test_a_state_needs_more_than_one_bad_window_and_two_clean_ones(outcomes: str, expected: str) -> None:
    assert "".join(states(outcomes)) == expected


def test_a_state_knows_since_when() -> None:
    outcomes = [Outcome.CLEAN, Outcome.COLLECTING, Outcome.SUSPICIOUS, Outcome.SUSPICIOUS, Outcome.CLEAN]
    found = standing(Verdict(outcome=outcome, reason="", rows=0, windows=0) for outcome in outcomes)
    assert (found.state, found.since, found.seen) == (State.ALARM, 3, 5)
