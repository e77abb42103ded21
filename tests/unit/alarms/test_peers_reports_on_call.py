"""What users of other tools reported of nights, acknowledgements and signs of life; each test names the report."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from headwater.alarms.errors import InvalidMute
from headwater.alarms.muting import calendar_of, new_mute
from headwater.alarms.types import GroupStatus
from headwater.declare.alarms import Heartbeat
from headwater.declare.matchers import InvalidMatcher, Matcher
from tests.unit.alarms.cases import NOON, World
from tests.unit.alarms.test_escalation import escalating
from tests.unit.alarms.test_heartbeats import Alive
from tests.unit.alarms.test_manager import mute

DAY = timedelta(days=1)


def test_an_acknowledgement_that_meets_the_end_does_not_open_the_group_again(world: World) -> None:
    """grafana/oncall#3161: acknowledged in the second in which it was resolved, and unresolved by that."""
    world.fire("a")
    world.run(minutes=1)
    world.resolve("a")
    world.manager.acknowledge(world.group(), by="Ann")
    world.run(hours=30)
    group = world.store.group(world.group())
    assert group is not None
    assert group.status is GroupStatus.CLOSED
    assert world.ann.heard == ["FIRING 1/0 a", "RECOVERED 0/1 a"]


def test_windows_are_those_of_their_zone_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """prometheus/alertmanager#2646: intervals documented as UTC were read in the server's own zone."""
    found = set()
    for zone in ("Asia/Seoul", "America/New_York", "UTC"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        made = new_mute(["a=b"], author="A", reason="r", now=NOON, cron="0 13 ? * * *", lasts=timedelta(hours=11))
        found.add(made.next_window(NOON))
    monkeypatch.undo()
    time.tzset()
    assert found == {(datetime(2013, 5, 1, 13, tzinfo=UTC), datetime(2013, 5, 2, tzinfo=UTC))}


def test_a_window_may_go_over_midnight_and_end_at_midnight() -> None:
    """grafana/grafana#73912, #62849: "bad request data" for both; two halves leave the minute 23:59 open."""
    made = new_mute(["a=b"], author="A", reason="r", now=NOON, cron="0 22 ? * * *", lasts=timedelta(hours=9))
    night = datetime(2013, 5, 1, 22, tzinfo=UTC)
    assert made.window(night - timedelta(seconds=1)) is None
    assert all(made.window(night + timedelta(minutes=minute)) for minute in range(9 * 60))
    assert made.window(night + timedelta(hours=9)) is None
    until_midnight = new_mute(["a=b"], author="A", reason="r", now=NOON, cron="0 22 ? * * *", lasts=timedelta(hours=2))
    assert until_midnight.window(night + timedelta(hours=1, minutes=59)) is not None
    assert until_midnight.window(night + timedelta(hours=2)) is None


def test_monday_is_the_monday_of_the_zone() -> None:
    """grafana/grafana#48508: Monday morning in Sydney isn't muted, since it is Sunday in UTC."""
    sydney = ZoneInfo("Australia/Sydney")
    made = new_mute(
        ["a=b"], author="A", reason="r", now=NOON, cron="0 6 ? * * *", zone="Australia/Sydney",
        calendar=calendar_of("weekdays:MON"), lasts=timedelta(hours=3),
    )  # fmt: skip
    monday = datetime(2013, 5, 6, 7, tzinfo=sydney)
    assert monday.astimezone(UTC).strftime("%A") == "Sunday"
    assert made.window(monday.astimezone(UTC)) is not None
    assert made.window(monday.astimezone(UTC) + timedelta(days=1)) is None


def test_steps_that_waited_go_on_although_everything_was_restarted_meanwhile(table: None) -> None:
    """grafana/oncall#1206: an escalation that was paused for a time range never continued."""
    world = World(escalating())
    world.fire("a")
    world.run(minutes=1)
    world.manager.mute(mute(world, 180))
    world.run(hours=1)
    world.build()
    world.run(hours=2)
    world.build()
    world.run(minutes=16)
    assert world.people["lead"].heard == ["ESCALATED 1/0 a"]


def test_an_alarm_that_flaps_at_night_wakes_nobody_and_is_told_in_the_morning_once(world: World) -> None:
    """prometheus/alertmanager#876, #3368: mails at night in spite of intervals, or none in the morning."""
    night = {"cron": "0 22 ? * * *", "zone": "Europe/Berlin", "lasts": timedelta(hours=8)}
    world.manager.mute(new_mute(["alarmname=a"], author="Ann", reason="night", now=NOON, **night))  # type: ignore[arg-type]
    world.run(hours=9)
    for _ in range(5):
        world.fire("a")
        world.run(minutes=20)
        world.resolve("a")
        world.run(minutes=20)
    world.fire("a")
    world.run(hours=5)
    assert world.ann.heard == ["FIRING 1/0 a"]
    assert world.ann.sent[0].notice.at == datetime(2013, 5, 2, 4, tzinfo=UTC)


def test_a_beat_a_little_before_its_time_counts(table: None) -> None:
    """healthchecks/healthchecks#830: a ping a minute early didn't count, and the check was down all the time."""
    world = Alive(Heartbeat(name="nightly", every="1h", grace="1m"))
    for _ in range(24):
        world.hearts.beat("nightly")
        world.run(minutes=59)
    assert world.ann.heard == []


def test_two_beats_a_day_that_come_late_raise_one_alarm_each_and_no_more(table: None) -> None:
    """healthchecks/healthchecks#1004: back up by a ping, and down again by the rest of the old grace time."""
    world = Alive(Heartbeat(name="nightly", every="1d", grace="30m"))
    world.hearts.beat("nightly")
    world.run(hours=24, minutes=40)
    world.hearts.beat("nightly")
    world.run(hours=24)
    assert world.ann.heard == ["FIRING 1/0 heartbeat-missed", "RECOVERED 0/1 heartbeat-missed"]


def test_a_mute_that_is_ended_before_it_begins_never_holds(world: World) -> None:
    """prometheus/alertmanager#783: a pending silence that is deleted stays until its start."""
    start = world.time + timedelta(hours=1)
    made = new_mute(
        ["alarmname=a"], author="Ann", reason="r", now=world.time, starts_at=start, ends_at=start + timedelta(hours=9)
    )
    world.manager.mute(made)
    world.manager.unmute(made.id, by="Ann")
    world.run(hours=2)
    world.fire("a")
    world.run(minutes=1)
    assert world.ann.heard == ["FIRING 1/0 a"]


def test_a_mute_that_would_be_refused_today_still_holds_and_can_be_ended(world: World) -> None:
    """prometheus/alertmanager#2415: a silence from before a check could neither be changed nor expired."""
    with pytest.raises(InvalidMute, match="may take for ever"):
        new_mute(["alarmname=~(a+)+"], author="Ann", reason="r", now=world.time, ends_at=world.time + timedelta(days=1))
    old = mute(world, 600, match=('alarmname=~"(a+)+"',))
    world.manager.mute(old)
    world.fire("a")
    world.run(minutes=5)
    assert world.ann.heard == []
    world.manager.unmute(old.id, by="Ann")
    world.run(minutes=5)
    assert world.ann.heard == ["FIRING 1/0 a"]


def test_a_comma_and_quotes_in_a_value_are_matched_as_they_are() -> None:
    """prometheus/alertmanager#1393, #1841: accepted, and "bad matcher format" ever after."""
    for value in ("gum,latency", 'a "b", c', "back\\slash", "{a=b}"):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        made = Matcher.parse(f'tags="{escaped}"')
        assert made.matches({"tags": value})
        assert Matcher.parse(str(made)) == made
    with pytest.raises(InvalidMatcher, match="put the value 'gum,latency' in double quotes"):
        Matcher.parse("tags=gum,latency")


def test_a_mute_may_begin_in_the_past_and_says_when_it_did(world: World) -> None:
    """prometheus/alertmanager#2371: the start that was given became now, without a word."""
    start = world.time - timedelta(days=1)
    made = new_mute(["a=b"], author="Ann", reason="r", now=world.time, starts_at=start, ends_at=world.time + DAY)
    assert made.starts_at == start
    with pytest.raises(InvalidMute, match="at most 30 days"):
        new_mute(["a=b"], author="A", reason="r", now=world.time, starts_at=start - 30 * DAY, ends_at=world.time + DAY)
