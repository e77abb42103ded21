"""Many days that are each a little unusual are an alarm, and a column that says one thing is as good as missing."""

from __future__ import annotations

import numpy as np
import pytest

from headwater.monitoring.drift.channels import Channel
from headwater.monitoring.drift.judging import Judge
from headwater.monitoring.drift.lasting import CAP, LEAST_WINDOWS, limit_of, ranks_of, surprise
from headwater.monitoring.drift.standing import Standing, State, standing
from headwater.monitoring.drift.verdicts import Outcome, Verdict
from headwater.monitoring.profiles.counting import profile_of
from tests.unit.monitoring.data import DAY, bank_of, judged, scheme_of, usual


def day(p: float, limit: float | None = 8.0) -> Verdict:
    outcome = Outcome.SUSPICIOUS if p <= 1 / 30 else Outcome.CLEAN
    return Verdict(outcome=outcome, reason="", rows=500, windows=120, p=p, lasting_limit=limit)


def test_days_that_are_each_within_their_limit_are_an_alarm_together() -> None:
    few, many = standing([day(0.08)] * 5), standing([day(0.08)] * 12)
    assert (few.state, few.lasts) == (State.NORMAL, False)
    assert (many.state, many.lasts) == (State.ALARM, True)


def test_an_alarm_that_lasted_ends_within_two_weeks_of_usual_days() -> None:
    found = standing([day(0.04)] * 60)
    assert found.together == pytest.approx(8.0 + CAP)
    usual_days = [0.5, 0.9, 0.2, 0.7, 0.4, 0.6, 0.95, 0.3, 0.8, 0.35, 0.55, 0.75, 0.15, 0.65]
    for p in usual_days:
        found = found.after(day(p))
    assert (found.state, found.lasts) == (State.NORMAL, False)


def test_silence_adds_nothing_to_the_days_before() -> None:
    before = standing([day(0.08)] * 5)
    quiet = Verdict(outcome=Outcome.COLLECTING, reason="", rows=3, windows=120)
    assert before.after(quiet).together == before.together


def test_a_bank_of_few_days_has_no_limit_for_days_together() -> None:
    assert limit_of(np.full(LEAST_WINDOWS - 1, 0.5)) is None
    assert standing([day(0.08, None)] * 60) == Standing(
        state=State.NORMAL, since=0, recent=(False, False, False), seen=60
    )


def test_the_limit_is_higher_where_unusual_days_come_in_rows() -> None:
    scattered = np.random.default_rng(0).permutation(120) / 120 + 1 / 120
    in_rows = np.sort(scattered)
    assert (limit_of(in_rows) or 0) > 2 * (limit_of(scattered) or 0)


def test_ranks_are_the_chances_of_each_score_among_all() -> None:
    assert ranks_of(np.asarray([3.0, 1.0, 2.0, 3.0])).tolist() == [0.5, 1.0, 0.75, 0.5]


@pytest.mark.parametrize("seed", range(5))
def test_years_without_change_seldom_have_a_lasting_alarm(seed: int) -> None:
    draw = np.random.default_rng(seed)
    alarms = years = 0
    for _ in range(8):
        bank = draw.normal(size=120)
        limit = limit_of(ranks_of(bank))
        assert limit is not None
        for _ in range(5):
            total, above = 0.0, False
            for score in draw.normal(size=365):
                p = (1 + int((bank >= score).sum())) / 121
                total = max(0.0, total + surprise(p))
                above = above or total > limit
            alarms, years = alarms + above, years + 1
    # python -m benchmarks.monitoring.lasting: 0.21 of 600 years had one.
    assert alarms / years <= 0.45


def test_a_judge_tells_the_limit_with_each_verdict() -> None:
    windows = usual(windows=LEAST_WINDOWS)
    verdict = judged(windows, {"x": np.random.default_rng(5).normal(size=500)})
    assert verdict.lasting_limit is not None
    assert verdict.lasting_limit > 0
    assert judged(windows[:40], windows[0]).lasting_limit is None


def test_a_small_shift_every_day_is_found_and_named() -> None:
    windows = usual(windows=120, rows=300)
    scheme = scheme_of({"x": np.concatenate([one["x"] for one in windows])})
    judge, draw = Judge(bank_of(scheme, windows)), np.random.default_rng(9)
    found = Standing()
    for number in range(40):
        profile = profile_of(scheme, {"x": draw.normal(0.16, size=300)}, part=str(number))
        verdict = judge.judge(profile)
        found = found.after(verdict)
        if found.lasts:
            break
    assert found.state is State.ALARM
    assert [one.feature for one in verdict.findings] == ["x"]


@pytest.mark.parametrize("stuck", [0.25, -3.0, 0.0])
def test_a_stuck_column_is_an_alarm_whatever_the_bank_has_seen(stuck: float) -> None:
    windows = usual(windows=60)
    # Some usual days are odd in shape: a rank among them alone would hide the sensor.
    for place in range(8):
        windows[place]["x"] = windows[place]["x"] * 40
    verdict = judged(windows, {"x": [stuck] * 500})
    assert verdict.outcome is Outcome.EXTREME
    assert Channel.STUCK in {one.channel for one in verdict.findings}


def test_a_column_that_mostly_has_one_value_anyway_is_not_stuck() -> None:
    draw = np.random.default_rng(2)
    windows = [{"x": np.where(draw.random(500) < 0.1, draw.normal(size=500), 0.0)} for _ in range(60)]
    verdict = judged(windows, {"x": [0.0] * 500})
    assert Channel.STUCK not in {one.channel for one in verdict.findings}


def test_a_part_of_a_day_is_never_called_stuck() -> None:
    windows = usual(windows=60)
    scheme = scheme_of({"x": np.concatenate([one["x"] for one in windows])})
    profile = profile_of(scheme, {"x": [0.25] * 100}, part="now")
    assert Judge(bank_of(scheme, windows)).quality(profile, 100) == ()


def test_days_are_in_the_order_of_time() -> None:
    windows = usual(windows=LEAST_WINDOWS)
    scheme = scheme_of({"x": np.concatenate([one["x"] for one in windows])})
    bank = bank_of(scheme, windows)
    shuffled = bank.model_copy(update={"windows": bank.windows[::-1]})
    assert Judge(bank).lasting_limit == Judge(shuffled).lasting_limit
    assert bank.windows[0].start == DAY
