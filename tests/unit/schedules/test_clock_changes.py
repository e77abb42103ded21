"""Changes to and from summer time: every transition of ten zones, minute by minute, by zoneinfo alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from headwater.declare import Schedule
from headwater.declare.cron import Cron
from headwater.schedules.ticks import ticks

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "America/New_York",
    "America/Santiago",
    "America/Nuuk",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Australia/Lord_Howe",
)
CRONS = (
    "* * * * ? *",
    "0/15 * * * ? *",
    "30 2 * * ? *",
    "15 2,3 * * ? *",
    "0 0 * * ? *",
    "30 0 ? * SUN *",
    "45 1 L 3,10 ? *",
    "59 23 ? * 7L *",
    "5 22-1 ? * SAT-SUN *",
)


def transitions(zone: ZoneInfo) -> Iterator[datetime]:
    """The first minute (UTC) of each new offset from 2024 to 2030."""
    hour = datetime(2024, 1, 1, tzinfo=UTC)
    while hour.year < 2031:
        if hour.astimezone(zone).utcoffset() != (hour + DAY).astimezone(zone).utcoffset():
            minute = hour
            while minute.astimezone(zone).utcoffset() == hour.astimezone(zone).utcoffset():
                minute += MINUTE
            yield minute
        hour += DAY


def minutes_around(zone: ZoneInfo, at: datetime) -> tuple[dict[datetime, datetime], dict[datetime, datetime]]:
    """For a day and a half before and after a transition: wall-clock time to moment, of times that are and aren't.

    A time that comes twice stands for its first moment; one that never was on a clock for as much later as it leapt.
    """
    shown: dict[datetime, datetime] = {}
    missing: dict[datetime, datetime] = {}
    minute = at - 1.5 * DAY
    last = (minute - MINUTE).astimezone(zone).replace(tzinfo=None)
    while minute <= at + 1.5 * DAY:
        wall = minute.astimezone(zone).replace(tzinfo=None)
        shown.setdefault(wall, minute)
        leap, never = wall - last - MINUTE, last + MINUTE
        while never < wall:
            missing[never] = minute + (never + leap - wall)
            never += MINUTE
        last = wall
        minute += MINUTE
    return shown, missing


@pytest.mark.parametrize("name", ZONES)
def test_every_transition_from_2024_to_2030_is_as_the_clocks_say(name: str) -> None:
    zone = ZoneInfo(name)
    changes = list(transitions(zone))
    assert len(changes) >= 13
    for number, at in enumerate(changes):
        shown, missing = minutes_around(zone, at)
        for cron in CRONS if number < 4 else CRONS[1:4]:
            parsed = Schedule(cron=cron).parsed
            assert parsed is not None
            days = {day for day in {wall.date() for wall in shown} if parsed.has(day)}

            def fires(wall: datetime, parsed: Cron = parsed, days: set[date] = days) -> bool:
                return wall.minute in parsed.minutes and wall.hour in parsed.hours and wall.date() in days

            regular = {moment for wall, moment in shown.items() if fires(wall)}
            shifted = {moment for wall, moment in missing.items() if fires(wall)}
            for dst, expected in (("shift", regular | shifted), ("skip", regular)):
                schedule = Schedule(cron=cron, zone=name, dst=dst)
                found = [tick.at for tick in ticks(schedule, at - 1.5 * DAY - MINUTE, at + 1.5 * DAY)]
                assert found == sorted(expected), (name, at, cron, dst)


def test_a_tick_says_what_the_change_of_the_clocks_did_to_it() -> None:
    schedule = Schedule(cron="30 2 * * ? *", zone="Europe/Berlin")
    (spring,) = ticks(schedule, datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC))
    assert (spring.at, spring.notes) == (
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        ("02:30 doesn't exist on 2026-03-29: the clocks are put forward by 1h",),
    )
    (autumn,) = ticks(schedule, datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC))
    assert autumn.at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert autumn.notes == ("02:30 comes twice on 2026-10-25: the first one",)


def test_an_interval_is_time_that_goes_by_whatever_the_clocks_say() -> None:
    schedule = Schedule(every="6h", zone="Europe/Berlin")
    found = [tick.at for tick in ticks(schedule, datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC))]
    assert {later - earlier for earlier, later in itertools.pairwise(found)} == {timedelta(hours=6)}
    assert found[0].astimezone(ZoneInfo("Europe/Berlin")).hour == 6
