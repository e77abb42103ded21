"""Verdicts on other stretches of traffic than one day of all predictions: several days, and segments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from headwater.monitoring.days.service import CountedDay, Days
from headwater.monitoring.days.types import start_of
from headwater.monitoring.drift.bank import MOST_WINDOWS, Bank, BankWindow
from headwater.monitoring.drift.judging import Judge
from headwater.monitoring.drift.verdicts import Verdict
from headwater.monitoring.profiles.types import WindowProfile, merge

SEGMENT_DAYS = 60
"""Earlier days of a segment that its last one is compared with."""


def verdicts_of_horizon(
    counts: Days, bank: Bank, model: str, version: int, days: Sequence[CountedDay], horizon: int
) -> list[tuple[date, Verdict]]:
    """The verdict on each day with the ``horizon - 1`` days before it."""
    if not days:
        return []
    judge, found = Judge(bank, horizon=horizon), []
    first = days[0].day - timedelta(days=horizon - 1)
    profiles = {one.day: one.profile() for one in counts.counted(model, version, first, days[-1].day)}
    for one in days:
        some = [profiles[day] for day in profiles if one.day - timedelta(days=horizon) < day <= one.day]
        found.append((one.day, judge.judge(merge(bank.scheme, some))))
    return found


def verdicts_of_segment(
    counts: Days, bank: Bank, model: str, version: int, days: Sequence[CountedDay], segment: str
) -> list[tuple[date, Verdict]]:
    """The verdict on a segment's days, each beside the segment's own days before the first of them."""
    if not days:
        return []
    first = days[0].day - timedelta(days=SEGMENT_DAYS)
    earlier = counts.counted(model, version, first, days[0].day - timedelta(days=1))
    judge = judge_of(bank, [(one.day, one.profile(segment)) for one in earlier])
    return [(one.day, judge.judge(one.profile(segment))) for one in days]


def judge_of(bank: Bank, profiles: Sequence[tuple[date, WindowProfile]]) -> Judge:
    """The judge by some days' profiles instead of training's."""
    windows = tuple(BankWindow(start=start_of(day), profile=profile) for day, profile in profiles if profile.rows)
    return Judge(bank.model_copy(update={"windows": windows[-MOST_WINDOWS:]}))
