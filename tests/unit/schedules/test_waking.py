"""What AWS is told wakes at every tick: never fewer wakes than ticks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.declare import Schedule, dates, last_of_month, weekdays
from headwater.declare.cron import parse
from headwater.schedules.ticks import ticks
from headwater.schedules.waking import wake_of

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu")
CALENDARS = (None, weekdays(), weekdays("TUE", "SAT"), last_of_month(weekdays() - dates("2026-03-31", "2026-03-30")))
LIMIT = 256
"""Characters of an expression that EventBridge Scheduler takes."""


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    zone, calendar = draw(st.sampled_from(ZONES)), draw(st.sampled_from(CALENDARS))
    if draw(st.booleans()):
        minutes = draw(st.integers(1, 4000) | st.sampled_from([60, 90, 1440, 10080, 20160]))
        return Schedule(every=f"{minutes}m", zone=zone, calendar=calendar)
    minute, hour = (
        draw(st.sampled_from(["0", "30", "0/15", "45", "7,59"])),
        draw(st.sampled_from(["0", "2", "1-3", "*"])),
    )
    day, weekday = draw(
        st.sampled_from([("*", "?"), ("?", "SUN"), ("?", "SAT,SUN"), ("L", "?"), ("?", "6L"), ("29", "?")])
    )
    roll = draw(st.sampled_from(["skip", "next", "previous"])) if calendar is not None else "skip"
    dst = draw(st.sampled_from(["shift", "skip"]))
    return Schedule(cron=f"{minute} {hour} {day} * {weekday} *", zone=zone, calendar=calendar, roll=roll, dst=dst)


@given(schedules(), st.integers(0, 340))
@settings(max_examples=150, deadline=None)
def test_each_tick_has_a_wake_at_its_moment(schedule: Schedule, day: int) -> None:
    after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    until = after + timedelta(days=20)
    wake = wake_of(schedule)
    assert len(wake.expression) <= LIMIT
    parse(wake.expression)
    # AWS leaves out what the clocks leave out.
    woken = {tick.at for tick in ticks(Schedule(cron=wake.expression, zone=wake.zone, dst="skip"), after, until)}
    assert {tick.at for tick in ticks(schedule, after, until)} <= woken


@pytest.mark.parametrize(
    ("schedule", "expression"),
    [
        (Schedule(cron="0 6 ? * MON *", zone="Europe/Berlin"), "cron(0 6 ? * MON *)"),
        (Schedule(cron="30 2 * * ? *", zone="Europe/Berlin"), "cron(30 2,3 * * ? *)"),
        (Schedule(cron="30 2 * * ? *", zone="Europe/Berlin", dst="skip"), "cron(30 2 * * ? *)"),
        (Schedule(cron="0 18 L * ? *", calendar=weekdays(), roll="previous"), "cron(0 18 * * ? *)"),
        (Schedule(cron="0 18 L * ? *", calendar=weekdays()), "cron(0 18 L * ? *)"),
        (Schedule(every="6h"), "cron(0 0,6,12,18 * * ? *)"),
        (Schedule(every="90m"), "cron(0,30 * * * ? *)"),
        (Schedule(every="7d"), "cron(0 0 ? * MON *)"),
        (Schedule(expression="rate(1 hour)"), "cron(0 * * * ? *)"),
        (Schedule(every="2d", starts="2026-03-01T09:30"), "cron(30 9 * * ? *)"),
    ],
)
def test_a_schedule_wakes_no_more_often_than_it_must(schedule: Schedule, expression: str) -> None:
    assert wake_of(schedule).expression == expression


def test_a_jitter_is_the_window_in_which_the_wake_may_come() -> None:
    assert wake_of(Schedule(every="1d", jitter="2h")).window_minutes == 120
