"""Calendars: which days they have, and where ticks go on days that they lack."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.declare import Calendar, Schedule, business_days, dates, holidays, last_of_month, weekdays
from headwater.schedules.days import has_day, holidays_of
from headwater.schedules.errors import HolidaysUnknown
from headwater.schedules.ticks import Tick, ticks, upcoming

DAY = timedelta(days=1)
CLOSED = dates("2026-05-01", "2026-12-24", "2026-12-25")
OPEN = weekdays() - CLOSED


def around(schedule: Schedule, first: str, last: str) -> list[Tick]:
    return list(ticks(schedule, datetime.fromisoformat(f"{first}T00:00Z"), datetime.fromisoformat(f"{last}T00:00Z")))


def days(found: list[Tick]) -> list[str]:
    return [f"{tick.at:%m-%d}" for tick in found]


def test_days_that_the_calendar_lacks_have_no_tick() -> None:
    daily = Schedule(cron="0 6 * * ? *", calendar=OPEN)
    assert days(around(daily, "2026-04-29", "2026-05-05")) == ["04-29", "04-30", "05-04"]


@pytest.mark.parametrize(("roll", "expected"), [("skip", []), ("next", ["05-04"]), ("previous", ["04-30"])])
def test_a_tick_rolls_to_the_next_or_the_previous_day(roll: str, expected: list[str]) -> None:
    first = Schedule(cron="0 6 1 * ? *", calendar=OPEN, roll=roll)  # type: ignore[arg-type]
    found = around(first, "2026-04-20", "2026-05-20")
    assert days(found) == expected
    assert [note for tick in found for note in tick.notes] == ["moved from 2026-05-01 (Friday)"] * len(expected)


def test_days_that_roll_together_are_one_tick_that_names_them() -> None:
    daily = Schedule(cron="0 6 ? * FRI-MON *", calendar=OPEN, roll="next")
    friday, monday = around(daily, "2026-04-24", "2026-04-28")
    assert (friday.notes, f"{monday.at:%m-%d}") == ((), "04-27")
    only_weekend = Schedule(cron="0 6 ? * SAT,SUN *", calendar=OPEN, roll="next")
    (found,) = around(only_weekend, "2026-04-24", "2026-04-28")
    assert found.notes == ("moved from 2026-04-26 (Sunday)", "moved from 2026-04-25 (Saturday)")


def test_the_last_business_day_of_a_month_is_a_calendar() -> None:
    closing = Schedule(cron="0 18 * * ? *", calendar=last_of_month(OPEN))
    found = days(around(closing, "2026-01-01", "2026-07-01"))
    assert found == ["01-30", "02-27", "03-31", "04-30", "05-29", "06-30"]


DAYS = st.dates(date(2026, 1, 1), date(2026, 12, 31))
CALENDARS: st.SearchStrategy[Calendar] = st.recursive(
    st.one_of(
        st.sets(st.sampled_from(["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]), min_size=1).map(
            lambda names: weekdays(*sorted(names))  # type: ignore[arg-type]
        ),
        st.sets(DAYS, min_size=1, max_size=5).map(lambda listed: dates(*listed)),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] - pair[1]),
        inner.map(last_of_month),
    ),
    max_leaves=5,
)


@given(CALENDARS, CALENDARS, DAYS)
@settings(deadline=None)
def test_calendars_are_sets_of_days(one: Calendar, other: Calendar, day: date) -> None:
    first, second = has_day(one, day), has_day(other, day)
    assert has_day(one | other, day) is (first or second)
    assert has_day(one & other, day) is (first and second)
    assert has_day(one - other, day) is (first and not second)
    assert has_day(last_of_month(one), day) is (
        first and not any(has_day(one, day.replace(day=later)) for later in range(day.day + 1, _length(day) + 1))
    )


@given(CALENDARS, st.sampled_from(["skip", "next", "previous"]), st.sampled_from(["1,15,L", "*", "10"]))
@settings(deadline=None, max_examples=60)
def test_a_rolled_tick_is_where_a_search_by_hand_finds_it(calendar: Calendar, roll: str, day: str) -> None:
    if "L" in day:
        day = "1,15,28"
    schedule = Schedule(cron=f"0 6 {day} * ? *", calendar=calendar, roll=roll)  # type: ignore[arg-type]
    parsed = schedule.parsed
    assert parsed is not None
    expected = set()
    one = date(2026, 4, 1) - 35 * DAY
    while one <= date(2026, 5, 31) + 35 * DAY:
        if parsed.has(one):
            step = {"skip": timedelta(0), "next": DAY, "previous": -DAY}[roll]
            moved = next((one + n * step for n in range(32) if has_day(calendar, one + n * step)), None)
            expected |= {moved} if moved else set()
        one += DAY
    found = [tick.at.date() for tick in ticks(schedule, _noon(2026, 4, 1), _noon(2026, 5, 31))]
    assert found == sorted(day for day in expected if date(2026, 4, 1) < day <= date(2026, 5, 31))


def test_business_days_know_the_holidays_of_a_country_and_its_states() -> None:
    pytest.importorskip("holidays")
    bavaria = Schedule(cron="0 6 * * ? *", calendar=business_days("DE", "BY"), zone="Europe/Berlin")
    hamburg = Schedule(cron="0 6 * * ? *", calendar=business_days("DE", "HH"), zone="Europe/Berlin")
    # Good Friday, Easter Monday; Corpus Christi in Bavaria alone.
    assert days(around(bavaria, "2026-04-01", "2026-04-09")) == ["04-01", "04-02", "04-07", "04-08"]
    assert "06-04" not in days(around(bavaria, "2026-06-01", "2026-06-10"))
    assert "06-04" in days(around(hamburg, "2026-06-01", "2026-06-10"))
    rolled = Schedule(cron="0 6 3 4 ? 2026", calendar=business_days("DE"), roll="next")
    (tick,) = upcoming(rolled, datetime(2026, 1, 1, tzinfo=UTC), 2)
    assert tick.notes == ("moved from 2026-04-03 (Good Friday)",)


def test_a_country_or_state_that_does_not_exist_is_one_line() -> None:
    pytest.importorskip("holidays")
    with pytest.raises(HolidaysUnknown, match=r"holidays\('XX'\): the package holidays .* knows no such country"):
        holidays_of("XX", None, 2026)
    with pytest.raises(HolidaysUnknown, match=r"holidays\('DE', 'ZZ'\)"):
        holidays_of("DE", "ZZ", 2026)


def test_a_missing_package_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    holidays_of.cache_clear()
    has_day.cache_clear()
    with pytest.raises(HolidaysUnknown, match="needs the package holidays, which isn't installed") as found:
        has_day(holidays("DE"), date(2026, 1, 1))
    assert found.value.next_steps == ("pip install holidays",)


def test_a_calendar_is_combined_with_calendars_alone() -> None:
    with pytest.raises(TypeError, match=r"can't be combined with '2026-12-24': give weekdays\(\), holidays\(\)"):
        weekdays() - "2026-12-24"  # type: ignore[operator] # what somebody may write


def _noon(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


def _length(day: date) -> int:
    return ((day.replace(day=28) + 4 * DAY).replace(day=1) - DAY).day
