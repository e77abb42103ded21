"""What users reported of other schedulers, tried as they would. Monday is 2 March 2026."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from headwater.declare import Schedule
from headwater.schedules.errors import ScheduleNotFound
from headwater.schedules.ticks import previous, ticks, upcoming
from tests.unit.schedules.world import DAY, HOUR, MINUTE, NAME, World

NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def walls(schedule: Schedule, first: str, last: str) -> list[str]:
    """Ticks between two days, as clocks in the schedule's zone show them."""
    found = ticks(schedule, at(first), at(last))
    return [f"{tick.at.astimezone(schedule.place):%m-%d %H:%M}" for tick in found]


def test_a_nightly_job_is_not_lost_when_clocks_go_forward_rundeck_6879_airflow_38098() -> None:
    nightly = Schedule(cron="0 2 * * ? *", zone=NEW_YORK)
    assert walls(nightly, "2024-03-09T12:00", "2024-03-11T12:00") == ["03-10 03:00", "03-11 02:00"]


def test_a_job_fires_neither_twice_nor_never_at_a_change_node_cron_563() -> None:
    assert len(walls(Schedule(cron="30 1 * * ? *", zone=NEW_YORK), "2024-11-02T12:00", "2024-11-03T12:00")) == 1
    assert len(walls(Schedule(cron="30 2 * * ? *", zone=NEW_YORK), "2024-03-09T12:00", "2024-03-10T12:00")) == 1


def test_several_hours_of_a_day_keep_their_times_after_a_change_airflow_7999() -> None:
    twice = Schedule(cron="0 7,9 * * ? *", zone="America/Los_Angeles")
    expected = [f"03-{day:02} {hour:02}:00" for day in (7, 8, 9) for hour in (7, 9)]
    assert walls(twice, "2020-03-07T08:00", "2020-03-10T07:00") == expected


def test_a_time_is_the_zones_all_year_round_action_scheduler_885() -> None:
    daily = Schedule(cron="0 11 * * ? *", zone=NEW_YORK)
    found = list(ticks(daily, at("2022-01-01"), at("2023-01-01")))
    assert {tick.at.astimezone(ZoneInfo(NEW_YORK)).hour for tick in found} == {11}
    assert len(found) == 365


def test_the_first_of_a_month_stays_the_first_in_summer_crontap_2() -> None:
    firsts = walls(Schedule(cron="30 * 1 * ? *", zone=BERLIN), "2023-03-15T00:00", "2023-07-15T00:00")
    assert {found[3:5] for found in firsts} == {"01"}
    assert len(firsts) == 4 * 24


def test_the_next_time_is_never_earlier_around_a_change_airflow_30088() -> None:
    often = Schedule(cron="20 0/4 * * ? *", zone="America/Los_Angeles")
    for minute in range(0, 48 * 60, 7):
        now = at("2023-03-11T12:00") + minute * MINUTE
        (following,) = list(ticks(often, now, now + DAY))[:1]
        assert following.at > now


def test_a_start_by_hand_at_a_change_has_an_interval_airflow_70089(world: World) -> None:
    nightly = Schedule(cron="0 2 * * ? *", zone=NEW_YORK)
    now = at("2024-03-10T07:30")
    before = previous(nightly, now)
    assert before is not None
    assert before.at == at("2024-03-10T07:00")
    assert previous(nightly, before.at).at == at("2024-03-09T07:00")  # type: ignore[union-attr]
    world.now = at("2024-03-09T12:00")
    world.deploy(nightly)
    world.until(at("2024-03-10T07:00"))
    world.works.end()
    world.now = now
    world.scheduler.run(NAME, by="Ann")
    scheduled, by_hand = world.works.runs.values()
    assert scheduled["interval"] == ["2024-03-09T07:00:00+00:00", "2024-03-10T07:00:00+00:00"]
    assert by_hand["interval"] == ["2024-03-10T07:00:00+00:00", "2024-03-10T07:30:00.000001+00:00"]


def test_a_later_time_of_day_does_not_run_last_nights_again_dagster_13597_13329(world: World) -> None:
    world.deploy(Schedule(cron="15 1 ? * MON-FRI *"))
    world.until(at("2026-03-02T07:00"))
    world.deploy(Schedule(cron="15 2 ? * MON-FRI *"))
    world.until(at("2026-03-02T23:00"))
    assert world.works.ticks == ["02 01:15"]
    world.until(at("2026-03-03T03:00"))
    assert world.works.ticks == ["02 01:15", "03 02:15"]


def test_a_changed_interval_runs_nothing_that_was_missed_airflow_45274(world: World) -> None:
    world.deploy(Schedule(cron="0 0/12 * * ? *"))
    world.until(at("2026-03-03T01:00"))
    before = len(world.works.runs)
    world.deploy(Schedule(cron="0 * * * ? *"))
    world.now += MINUTE
    world.wake()
    assert len(world.works.runs) == before


def test_a_schedule_goes_on_after_a_change_to_a_coarser_one_airflow_72498(world: World) -> None:
    world.deploy(Schedule(cron="0 * * * ? *"))
    world.until(at("2026-03-02T05:00"))
    world.deploy(Schedule(cron="0 0 * * ? *"))
    world.until(at("2026-03-04T01:00"))
    assert world.works.ticks[-2:] == ["03 00:00", "04 00:00"]


def test_what_a_pause_left_out_stays_out_dagster_7010_5604_airflow_19126(world: World) -> None:
    world.deploy(Schedule(every="1m", overlap="allow"))
    world.until(at("2026-03-02T00:02"), step=MINUTE)
    world.scheduler.pause(NAME, until=None, by="Ann")
    world.now += 4 * MINUTE
    world.scheduler.resume(NAME)
    world.until(at("2026-03-02T00:08"), step=MINUTE)
    assert world.works.ticks == ["02 00:01", "02 00:02", "02 00:07", "02 00:08"]


def test_after_a_long_sleep_as_much_is_caught_up_as_was_declared_dagu_1180_2742(world: World) -> None:
    world.deploy(Schedule(every="1h", missed="all(4)"))
    world.now += 3 * DAY
    world.wake()
    for _ in range(5):
        world.works.end()
        world.scheduler.advance(NAME)
    assert world.works.ticks == ["04 21:00", "04 22:00", "04 23:00", "05 00:00"]
    assert world.works.most_at_once == 1


def test_a_hundred_missed_starts_are_no_reason_to_stop_for_good_k3d_523(world: World) -> None:
    world.deploy(Schedule(every="5m"))
    world.now += 4 * DAY
    world.wake()
    world.until(world.now + 10 * MINUTE, step=5 * MINUTE)
    assert world.works.ticks == ["06 00:00", "06 00:05", "06 00:10"]


def test_one_time_is_one_run_whoever_wakes_how_often_prefect_18523_8880(world: World) -> None:
    world.deploy(Schedule(every="1h", overlap="allow"))
    for _ in range(3):
        world.until(world.now + HOUR, end=False)
        world.wake(world.now)
        world.wake(world.now - HOUR)
        world.now += timedelta(seconds=13)
        world.wake(world.now)
        world.now -= timedelta(seconds=13)
    assert world.works.ticks == ["02 01:00", "02 02:00", "02 03:00"]


def test_a_wake_that_read_the_old_schedule_starts_nothing_twice_prefect_18894(world: World) -> None:
    old = Schedule(cron="0 6 * * ? *")
    world.deploy(old)
    world.until(at("2026-03-02T05:00"))
    world.deploy(Schedule(cron="0 6,7 * * ? *"), at=at("2026-03-02T05:59"))
    world.now = at("2026-03-02T06:00")
    world.wake()
    # One that still reads the definition of before writes after it.
    world.deploy(old, at=at("2026-03-02T00:00"))
    world.wake()
    world.deploy(Schedule(cron="0 6,7 * * ? *"), at=at("2026-03-02T05:59"))
    world.works.end()
    world.until(at("2026-03-02T08:00"))
    assert world.works.ticks == ["02 06:00", "02 07:00"]


def test_a_schedule_that_was_deleted_leaves_no_runs_to_come_prefect_17703(world: World) -> None:
    world.deploy(Schedule(every="1h"))
    world.until(at("2026-03-02T02:00"))
    del world.deployed.there[NAME]
    world.until(at("2026-03-02T06:00"))
    world.works.end()
    world.deploy(Schedule(every="1h"))
    world.until(at("2026-03-02T07:00"))
    assert world.works.ticks == ["02 01:00", "02 02:00", "02 07:00"]


def test_clearing_late_runs_needs_no_clicks_prefect_7006_19313(world: World) -> None:
    world.deploy(Schedule(every="1h", missed="none"))
    world.now += 28 * HOUR + 30 * MINUTE
    world.wake()
    assert world.works.ticks == ["03 04:00"]
    state = world.ledger.state(NAME)
    assert state is not None
    assert len(state.open) == 1


def test_a_misspelt_name_is_told_with_those_that_exist(world: World) -> None:
    world.deploy(Schedule(every="1h"))
    with pytest.raises(ScheduleNotFound, match=f"no schedule 'retrain': it has {NAME}"):
        world.scheduler.backfill("retrain", at("2026-03-01"), at("2026-03-02"), by="Ann")


def test_the_29th_of_february_comes_every_fourth_year_airflow_38174_dagster_16259(world: World) -> None:
    leap = Schedule(cron="0 0 29 2 ? *")
    assert [f"{tick.at:%Y-%m-%d}" for tick in upcoming(leap, at("2026-12-01"), 3)] == [
        "2028-02-29", "2032-02-29", "2036-02-29",
    ]  # fmt: skip
    world.now = at("2028-02-28T12:00")
    world.deploy(leap)
    world.until(at("2028-03-02"), step=DAY / 4)
    assert world.works.ticks == ["29 00:00"]


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 0 30 2 ? *", "it never fires"),
        ("0 0 29 2 ? 2027", "it never fires"),
        ("0 10 3-20 * MON-FRI *", r"\?"),
        ("0 0 29 2 2 *", r"\?"),
    ],
)
def test_days_that_never_come_or_are_two_are_refused_dagster_26238_26537(cron: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Schedule(cron=cron)


def test_a_backfill_starts_nothing_between_its_range_and_now_airflow_47886(world: World) -> None:
    world.deploy(Schedule(cron="0 6 * * ? *"))
    world.scheduler.backfill(NAME, at("2026-01-01"), at("2026-01-03"), by="Ann", parallel=5)
    world.until(at("2026-03-03T12:00"))
    assert world.works.ticks == ["01 06:00", "02 06:00", "02 06:00", "03 06:00"]


def test_a_range_that_is_filled_twice_minutes_apart_runs_once_airflow_47670(world: World) -> None:
    world.deploy(Schedule(every="1d"))
    for _ in range(2):
        world.scheduler.backfill(NAME, at("2026-02-01"), at("2026-02-03"), by="Ann", parallel=5)
        world.until(world.now + 2 * MINUTE, step=MINUTE)
    assert world.works.ticks == ["01 00:00", "02 00:00"]
