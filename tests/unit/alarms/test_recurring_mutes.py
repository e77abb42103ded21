"""Mutes that come again: when each window begins and ends, what is told at its end, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from headwater.alarms.errors import InvalidMute, MuteChanged
from headwater.alarms.muting import Mute, calendar_of, new_mute
from headwater.alarms.windows import window_at
from headwater.declare import Schedule
from tests.unit.alarms.cases import NOON, World

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)


def recurring(now: datetime = NOON, **more: Any) -> Mute:
    asked: dict[str, Any] = {"cron": "0 22 ? * * *", "lasts": timedelta(hours=8), "ends_at": now + timedelta(days=300)}
    return new_mute(["alarmname=~.+"], author="Ann", reason="night", now=now, **(asked | more))


def by_brute_force(hour: int, minute: int, lasts: timedelta, days: list[date]) -> set[datetime]:
    """Muted minutes around ``days``: read off the zone's clocks minute by minute, without any rule of Python's."""
    first = datetime.combine(days[0], datetime.min.time(), UTC) - timedelta(days=3)
    clock: dict[datetime, datetime] = {}
    for number in range((len(days) + 6) * 1440):
        at = first + number * MINUTE
        clock.setdefault(at.astimezone(BERLIN).replace(tzinfo=None), at)

    def shown(wall: datetime) -> datetime:
        """The first minute at which the clocks show it; what they leave out is as much later as they are put on."""
        left_out = timedelta(0)
        while wall - left_out not in clock:
            left_out += MINUTE
        return clock[wall - left_out] + left_out

    muted = set()
    for day in [days[0] - timedelta(days=1), *days]:
        start = shown(datetime.combine(day, datetime.min.time()) + timedelta(hours=hour, minutes=minute))
        end = shown(start.astimezone(BERLIN).replace(tzinfo=None) + lasts)
        while start < end:
            muted.add(start)
            start += MINUTE
    return muted


@pytest.mark.parametrize("change", [date(2026, 3, 29), date(2026, 10, 25)], ids=["spring", "autumn"])
@pytest.mark.parametrize(
    ("hour", "minute", "hours"),
    [(22, 0, 8), (1, 30, 1), (2, 30, 1), (2, 15, 0.5), (0, 30, 2), (23, 0, 3.5), (3, 0, 20)],
)
def test_windows_end_by_the_clocks_of_their_zone(change: date, hour: int, minute: int, hours: float) -> None:
    lasts = timedelta(hours=hours)
    days = [change + timedelta(days=number) for number in range(-1, 2)]
    muted = by_brute_force(hour, minute, lasts, days)
    schedule = Schedule(cron=f"{minute} {hour} ? * * *", zone="Europe/Berlin")
    at, end = (datetime.combine(day, datetime.min.time(), BERLIN).astimezone(UTC) for day in (days[0], days[-1]))
    while at < end:
        assert (window_at(schedule, lasts, at) is not None) == (at in muted), at
        at += MINUTE


def test_at_the_end_of_each_window_people_hear_what_still_fires(world: World) -> None:
    world.fire("a")
    world.run(minutes=1)
    world.manager.mute(recurring(world.time, zone="Europe/Berlin"))
    world.run(hours=40)  # Until 2 May, 04:01 UTC; nights end at 04:00 UTC.
    ends = [note for note in world.ann.notes if note.startswith("still firing; muted by Ann until ")]
    assert ends == [f"still firing; muted by Ann until 2013-05-0{day} 04:00 UTC (night)" for day in (2, 3)]
    by_night = [one for one in world.ann.sent if one.notice.at.astimezone(BERLIN).hour in {22, 23, 0, 1, 2, 3, 4, 5}]
    assert by_night == [], "and nothing within one"


def test_an_alarm_of_the_night_is_told_in_the_morning(world: World) -> None:
    world.manager.mute(recurring(zone="Europe/Berlin"))
    world.run(hours=10)
    world.fire("a")
    world.run(hours=5, minutes=59)
    assert world.ann.heard == []
    world.run(minutes=2)
    assert world.ann.heard == ["FIRING 1/0 a"]


def test_an_alarm_that_comes_and_goes_within_a_window_is_never_told(world: World) -> None:
    world.manager.mute(recurring(zone="Europe/Berlin"))
    world.run(hours=10)
    world.fire("a")
    world.run(hours=1)
    world.resolve("a")
    world.run(hours=12)
    assert world.ann.heard == []
    assert len(world.store.records("a")) == 2


def test_a_calendar_decides_on_the_day_that_a_window_begins() -> None:
    made = recurring(NOON, calendar=calendar_of("business-days:DE"), zone="Europe/Berlin")
    on_labour_day, window = datetime(2013, 5, 1, 21, tzinfo=UTC), made.next_window(NOON)
    assert made.window(on_labour_day) is None
    assert window == (datetime(2013, 5, 2, 20, tzinfo=UTC), datetime(2013, 5, 3, 4, tzinfo=UTC))
    free = recurring(NOON, cron="0 0 ? * * *", lasts=timedelta(hours=23), calendar=calendar_of("free-days:DE"))
    assert free.window(NOON) == (NOON, datetime(2013, 5, 1, 23, tzinfo=UTC)), "made within a window: from then on"


def test_a_window_that_somebody_ends_is_told_as_of_then(world: World) -> None:
    world.fire("a")
    world.run(minutes=1)
    made = recurring(world.time, cron="0 13 ? * * *")
    world.manager.mute(made)
    world.run(hours=2)
    ended = world.manager.unmute(made.id, by="Bob", generation=0)
    world.run(hours=24)
    assert world.ann.notes[1] == "still firing; muted by Ann until 2013-05-01 14:01 UTC (night)"
    assert ended.generation == 1
    assert not [note for note in world.ann.notes[2:] if "muted" in note]


def test_a_window_that_was_not_begun_yet_leaves_no_word(world: World) -> None:
    world.fire("a")
    world.run(minutes=1)
    made = recurring(world.time)
    world.manager.mute(made)
    world.run(hours=1)
    world.manager.unmute(made.id, by="Bob")
    world.run(minutes=5)
    assert world.ann.heard == ["FIRING 1/0 a"]


def test_of_two_who_end_a_mute_the_second_hears_of_it(world: World) -> None:
    made = recurring(world.time)
    world.manager.mute(made)
    changed = made.model_copy(update={"reason": "other", "generation": 1})
    assert world.store.keep_mute(changed, made)
    with pytest.raises(MuteChanged, match="is in generation 1, not 0: somebody changed it") as refused:
        world.manager.unmute(made.id, by="Bob", generation=0)
    assert refused.value.generation == 1


def test_a_single_mute_of_the_future_is_told_at_its_end(world: World) -> None:
    """A look in between must not forget it."""
    world.fire("a")
    world.run(minutes=1)
    start = world.time + timedelta(hours=1)
    end = start + timedelta(hours=1)
    world.manager.mute(
        new_mute(["alarmname=a"], author="Ann", reason="r", now=world.time, starts_at=start, ends_at=end)
    )
    world.fire("b")
    world.run(hours=2, minutes=1)
    assert world.ann.notes[-1] == "still firing; muted by Ann until 2013-05-01 14:01 UTC (r)"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"cron": "0 22 30 2 ? *"}, "schedule 'cron(0 22 30 2 ? *)': it never fires"),
        ({"cron": "0 22 1 1 ? 2030"}, "has no window before the mute ends"),
        ({"cron": "0 22 * * *"}, "cron takes six fields"),
        ({"zone": "Europe/Atlantis"}, "'Europe/Atlantis' is no time zone"),
        ({"lasts": None}, "need a length"),
        ({"lasts": timedelta(hours=24)}, "run into one another: nobody would ever be told"),
        ({"lasts": timedelta(days=40), "cron": "0 0 1 1 ? *"}, "a window of 40d"),
        ({"until_resolved": True}, "can't end with the alarms"),
        ({"ends_at": NOON + timedelta(days=400)}, "would last 400 days: at most 366 days"),
        ({"ends_at": NOON}, "in the past"),
        ({"cron": None}, "needs their beginning: give cron"),
        ({"calendar": calendar_of("business-days:ZZ")}, "knows no such country"),
    ],
)
def test_windows_that_make_no_sense_are_refused_in_one_line(asked: Mapping[str, Any], words: str) -> None:
    with pytest.raises(InvalidMute) as refused:
        recurring(**asked)
    assert words in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("text", ["workdays", "weekdays:SUNDAY", "business-days:Germany"])
def test_a_calendar_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidMute, match=f"calendar '{text}'"):
        calendar_of(text)
