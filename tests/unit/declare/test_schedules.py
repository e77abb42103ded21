"""Schedules as products declare them: both forms, and every mistake in one line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from headwater.declare import Schedule, business_days, holidays, weekdays


def test_the_form_of_0_1_means_the_same() -> None:
    old, new = (
        Schedule(expression="cron(0 6 ? * MON *)", timezone="Europe/Berlin"),
        Schedule(cron="0 6 ? * MON *", zone="Europe/Berlin"),
    )
    assert (old.said, old.place, old.interval) == (new.said, new.place, new.interval)
    rate = Schedule(expression="rate(7 days)")
    assert (rate.interval, rate.said) == (timedelta(days=7), "every 7d")
    assert Schedule.model_validate_json(old.model_dump_json()).said == old.said


def test_a_schedule_is_read_back_as_it_was_declared() -> None:
    made = Schedule(
        cron="30 2 * * ? *", zone="Europe/Berlin", calendar=business_days("DE", "BY") | weekdays("SAT"), roll="next",
        dst="skip", missed="all(5)", overlap="replace", starts="2026-01-01", ends="2026-12-31T12:00+01:00", jitter="5m",
    )  # fmt: skip
    assert Schedule.model_validate_json(made.model_dump_json()) == made


def test_bounds_are_read_in_the_schedules_zone_unless_they_have_an_offset() -> None:
    made = Schedule(every="1h", zone="Europe/Berlin", starts="2026-03-01", ends="2026-03-02T00:00Z")  # type: ignore[arg-type]
    assert (made.first, made.last) == (datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, 'exactly one of cron="0 6 ? * MON *" and every="6h" is needed, none is given'),
        ({"cron": "0 6 * * ? *", "every": "1h"}, "cron and every are given"),
        ({"cron": "0 6 * * *"}, "not 5. Unix's cron has five: one of its day fields becomes ?, and a year"),
        ({"cron": "0 6 * * * *"}, "exactly one of day of month and day of week must be ?"),
        ({"cron": "61 6 * * ? *"}, "minute '61': 61 is not in 0..59"),
        ({"cron": "0 6 ? * FRY *"}, "day of week 'FRY': 'FRY' is no number"),
        ({"cron": "0 6 30 2 ? *"}, "cron(0 6 30 2 ? *)': it never fires: no month that it names has such a day"),
        ({"cron": "0 6 * * ? *", "zone": "Mars/Olympus"}, "'Mars/Olympus' is no time zone: give an IANA name"),
        ({"cron": "0 6 * * ? *", "zone": "../etc"}, "'../etc' is no time zone"),
        ({"every": "30s"}, "every is 30s: it must be whole minutes, at least one and at most 366d"),
        ({"every": "90s"}, "every is 1m30s: it must be whole minutes"),
        ({"every": "1h", "starts": "2026-02-01", "ends": "2026-01-01"}, "it ends (2026-01-01 00:00:00) before it star"),
        ({"every": "1h", "jitter": "1h"}, "jitter (1h) must be shorter than the interval (1h)"),
        ({"cron": "0 6 * * ? *", "jitter": "2d"}, "jitter is 2d: it must be whole minutes, at least one and at most"),
        ({"cron": "0 6 * * ? *", "roll": "next"}, "roll='next' needs a calendar to roll by"),
        ({"every": "1d", "roll": "next", "calendar": weekdays()}, "roll='next' needs cron"),
        ({"cron": "0 6 * * ? *", "calendar": holidays("DE")}, 'write business_days("DE") to run on the others'),
        ({"every": "1h", "missed": "all(0)"}, "String should match pattern"),
        ({"every": "1h", "timezone": "Asia/Tokyo", "zone": "UTC+1"}, "zone and timezone are the same thing"),
    ],
)
def test_a_mistake_is_told_in_one_line(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as found:
        Schedule(**given)
    assert words in str(found.value)
