"""Which days of production join the reference, and how often an alarm is wrong over years."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.drift.channels import Channel
from headwater.monitoring.drift.judging import EXTREME_LIMIT, FAR_ABOVE, SUSPECT_LIMIT, Judge
from headwater.monitoring.drift.reference import LEAST_WINDOWS
from headwater.monitoring.drift.standing import Standing, State
from headwater.monitoring.drift.verdicts import Finding, Outcome, Verdict
from headwater.monitoring.watch.reference import BLOCK, extended, founding, joined
from headwater.monitoring.watch.types import JudgedDay, Said
from tests.unit.monitoring.data import bank_of, scheme_of, usual
from tests.unit.monitoring.watched import MODEL, bank_with, counted, morning, rows_of

FIRST = date.fromordinal((date(2026, 3, 2).toordinal() // BLOCK + 1) * BLOCK)
"""The first day of a block."""


def judged(place: int, outcome: Outcome = Outcome.CLEAN, alone: Outcome | None = None, **more: object) -> JudgedDay:
    day = FIRST + timedelta(days=place)
    verdict = Verdict.model_validate({"outcome": outcome, "reason": "", "rows": 80, "windows": 60, **more})
    said = Said(at=morning(day), digest=str(place), verdict=verdict, alone=alone or outcome)
    return JudgedDay(model=MODEL, version=1, day=day, said=(said,))


def days_joined(days: list[JudgedDay], before: int) -> list[int]:
    found = joined(bank_with(), days, FIRST + timedelta(days=before))
    return [(one.day - FIRST).days for one in found]


def test_a_whole_block_joins_thirty_days_behind_its_end() -> None:
    days = [judged(place, Outcome.SUSPICIOUS if place in (3, 17) else Outcome.CLEAN) for place in range(45)]
    assert days_joined(days, 59) == []
    assert days_joined(days, 60) == list(range(30))
    # Bad days too: without them the reference had no tail.
    assert {3, 17} <= set(days_joined(days, 60))
    assert days_joined(days, 90) == list(range(45))


@pytest.mark.parametrize(("bad", "joins"), [(4, True), (5, False)])
def test_a_block_with_more_bad_days_than_chance_gives_does_not_join(bad: int, joins: bool) -> None:
    # Beside all windows they were clean: it is the founding ones that decide.
    days = [judged(place, alone=Outcome.SUSPICIOUS if place < bad else None) for place in range(30)]
    assert bool(days_joined(days, 60)) is joins


def test_a_day_on_which_something_was_plainly_broken_is_no_reference() -> None:
    broken = Finding(feature="amount", channel=Channel.MISSING, value=0.5, usual=(0.0, 0.0), score=9.0)
    days = [judged(place, Outcome.EXTREME, findings=(broken,)) if place == 3 else judged(place) for place in range(30)]
    assert days_joined(days, 60) == [place for place in range(30) if place != 3]


def test_a_block_of_few_days_says_too_little() -> None:
    assert days_joined([judged(place) for place in range(9)], 60) == []
    assert days_joined([judged(place) for place in range(10)], 60) == list(range(10))


def test_days_of_a_training_that_are_replayed_are_in_the_reference_once() -> None:
    bank = bank_with()
    start = bank.windows[0].start.date()
    days = [one.model_copy(update={"day": start + timedelta(days=place)})
            for place, one in enumerate(judged(place) for place in range(60))]  # fmt: skip
    assert joined(bank, days, FIRST + timedelta(days=300)) == []


def test_the_first_days_stand_in_where_training_has_too_few() -> None:
    days = [judged(place, rows=10 if place == 1 else 80) for place in range(40)]
    found = founding(bank_with(25), days, FIRST + timedelta(days=30))
    assert [(one.day - FIRST).days for one in found] == [0, 2, 3, 4, 5]
    assert founding(bank_with(30), days, FIRST + timedelta(days=30)) == []


def test_a_full_bank_loses_its_oldest_windows() -> None:
    bank = bank_with()
    more = [window.model_copy(update={"start": window.start + timedelta(days=1_000 + place)})
            for place, window in enumerate(bank.windows * 6)]  # fmt: skip
    found = extended(bank, more)
    assert len(found.windows) == 400
    assert found.windows[-1].start == max(window.start for window in more)


def alarms_a_year(windows: int, *, seed: int, years: int = 4, drift: float = 0.0, whole: bool = True) -> float:
    """How often an alarm begins over years of exchangeable days, whose scores alone are drawn.

    The rules are those of `Judge` on T and of `joined`: beside training's windows and the blocks that joined.
    """
    draw = np.random.default_rng([seed, windows])
    own, more = draw.exponential(size=windows), []
    block: list[tuple[float, bool]] = []
    waiting: list[list[float]] = []
    standing, alarms = Standing(), 0
    for day in range(365 * years):
        score = draw.exponential() + drift * day / 365
        reference = np.concatenate([own, *more])[-400:]
        outcome = outcome_of(reference, score)
        before = standing.state
        standing = standing.after(Verdict(outcome=outcome, reason="", rows=80, windows=windows))
        alarms += standing.state is State.ALARM and before is not State.ALARM
        block.append((score, outcome_of(own, score) is not Outcome.CLEAN))
        if len(block) == BLOCK:
            if len(waiting) == 1:
                more.append(np.asarray(waiting.pop()))
            kept = block if whole else [one for one in block if not one[1]]
            if sum(bad for _, bad in block) <= BLOCK // 10 + 1:
                waiting.append([value for value, _ in kept])
            block = []
    return alarms / years


def outcome_of(reference: np.ndarray, score: float) -> Outcome:
    p = (1 + int((reference >= score).sum())) / (len(reference) + 1)
    above = score > reference.max()
    if above and p <= SUSPECT_LIMIT and (p <= EXTREME_LIMIT or score >= reference.max() + FAR_ABOVE):
        return Outcome.EXTREME
    return Outcome.SUSPICIOUS if p <= SUSPECT_LIMIT else Outcome.CLEAN


@pytest.mark.parametrize("windows", [30, 60, 120, 365])
def test_alarms_over_years_of_usual_days_stay_below_their_rate(windows: int) -> None:
    """docs/reference/monitoring.md says at most four a year."""
    rates = [alarms_a_year(windows, seed=seed) for seed in range(15)]
    assert np.mean(rates) <= 4.0


def test_a_reference_of_clean_days_alone_would_alarm_every_month() -> None:
    whole, clean = (
        np.mean([alarms_a_year(60, seed=seed, whole=whole) for seed in range(5)]) for whole in (True, False)
    )
    assert clean > 2 * whole


def test_a_slow_drift_is_not_learnt() -> None:
    rates = [alarms_a_year(60, seed=seed, drift=1.0) for seed in range(5)]
    assert np.mean(rates) > 6


def test_the_outcomes_drawn_here_are_those_of_the_judge() -> None:
    windows = usual(windows=60, seed=5)
    scheme = scheme_of({"x": np.concatenate([one["x"] for one in windows])})
    bank = bank_of(scheme, windows)
    judge = Judge(bank)
    for seed in range(8):
        from headwater.monitoring.profiles.counting import profile_of

        values = np.random.default_rng(seed).normal(size=500) + seed / 40
        verdict = judge.judge(profile_of(scheme, {"x": values}, part="now"))
        assert verdict.score is not None
        assert verdict.p is not None
        assert (verdict.outcome is Outcome.CLEAN) == (verdict.p > SUSPECT_LIMIT)


def test_a_bank_of_an_earlier_version_has_no_segments() -> None:
    document = bank_with().model_dump(mode="json")
    del document["segments"], document["importance"]
    found = Bank.model_validate(document)
    assert (found.segments, found.importance) == ({}, {})


def test_quality_of_a_running_day_is_measured_against_the_whole_day() -> None:
    bank = bank_with()
    judge = Judge(bank)
    some = counted(bank.scheme, rows_of(1, 60, amount=None))
    assert judge.quality(some, 2_000) == ()
    assert [one.channel for one in judge.quality(some, 80)] == [Channel.MISSING]
    assert judge.quality(counted(bank.scheme, rows_of(1, 49, amount=None)), 80) == ()
    few = bank.model_copy(update={"windows": bank.windows[: LEAST_WINDOWS - 1]})
    assert Judge(few).quality(some, 80) == ()
