"""The ledger of ticks: each is started at most once, whatever becomes of the wakes. Monday is 2 March 2026."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from headwater.declare import Schedule
from headwater.errors import InvalidRequest
from headwater.schedules.errors import BadRange, NotPaused, ScheduleNotFound, StillRuns
from headwater.schedules.service import MOST_BACKFILLED
from tests.crashing import Killed
from tests.unit.schedules.world import DAY, HOUR, MINUTE, NAME, World

DAILY = Schedule(cron="0 6 * * ? *")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}").replace(tzinfo=UTC)


def test_each_tick_is_started_once_and_done_when_its_run_is(world: World) -> None:
    world.deploy(DAILY)
    world.until(at("04T12:00"))
    assert world.history == [("02 06:00", "DONE"), ("03 06:00", "DONE"), ("04 06:00", "DONE")]
    assert world.works.ticks == ["02 06:00", "03 06:00", "04 06:00"]


def test_a_wake_that_comes_twice_late_or_before_another_starts_nothing_more(world: World) -> None:
    world.deploy(Schedule(every="1h", missed="all(50)", overlap="allow"))
    world.now = at("02T03:30")
    for scheduled in ("02T03:00", "02T01:00", "02T03:00", "02T02:00", "02T03:00"):
        world.wake(at(scheduled))
    assert world.works.ticks == ["02 01:00", "02 02:00", "02 03:00"]


def test_a_run_gets_the_interval_since_the_run_before(world: World) -> None:
    world.deploy(DAILY)
    world.until(at("03T07:00"))
    first, second = world.works.runs.values()
    assert first["interval"] == ["2026-03-01T06:00:00+00:00", "2026-03-02T06:00:00+00:00"]
    assert second["interval"] == ["2026-03-02T06:00:00+00:00", "2026-03-03T06:00:00+00:00"]


def test_after_an_outage_the_last_tick_runs_for_all_that_were_missed(world: World) -> None:
    world.deploy(DAILY)
    world.until(at("02T07:00"))
    world.works.end()
    world.now = at("05T09:00")
    world.wake(at("05T06:00"))
    assert world.history == [
        ("02 06:00", "DONE"),
        ("03 06:00", "MISSED"),
        ("04 06:00", "MISSED"),
        ("05 06:00", "STARTED"),
    ]
    assert list(world.works.runs.values())[-1]["interval"] == ["2026-03-02T06:00:00+00:00", "2026-03-05T06:00:00+00:00"]


def test_ticks_that_are_too_late_are_not_started_if_none_is_to_be(world: World) -> None:
    world.deploy(Schedule(cron="0 6 * * ? *", missed="none"))
    world.now = at("03T07:30")
    world.wake()
    assert world.works.ticks == []
    world.now = at("04T06:40")
    world.wake(at("04T06:00"))
    assert world.works.ticks == ["04 06:00"]


def test_missed_ticks_are_caught_up_one_after_another_oldest_first(world: World) -> None:
    world.deploy(Schedule(cron="0 6 * * ? *", missed="all(3)"))
    world.now = at("07T09:00")
    world.wake()
    assert world.works.ticks == ["05 06:00"]
    for _ in range(3):
        world.works.end()
        world.scheduler.advance(NAME)
    assert world.works.ticks == ["05 06:00", "06 06:00", "07 06:00"]
    assert world.works.most_at_once == 1


def test_a_tick_is_skipped_while_the_run_before_runs(world: World) -> None:
    world.deploy(DAILY)
    world.until(at("03T07:00"), end=False)
    assert world.works.ticks == ["02 06:00"]
    assert world.record("03 06:00").reason.startswith("run delays-20260302-060000-")
    world.until(at("04T07:00"))
    assert list(world.works.runs.values())[-1]["interval"][0] == "2026-03-02T06:00:00+00:00"


def test_runs_may_overlap_or_replace_one_another(world: World) -> None:
    world.deploy(Schedule(cron="0 6 * * ? *", overlap="allow"))
    world.until(at("03T07:00"), end=False)
    assert len(world.works.running) == 2
    world.deploy(Schedule(cron="0 6 * * ? *", overlap="replace"))
    world.until(at("04T07:00"), end=False)
    (running,) = world.works.running
    assert running.startswith("delays-20260304-060000-")
    assert world.record("03 06:00").reason == "replaced by the tick of 2026-03-04T06:00:00Z"


def test_a_run_that_fails_says_why(world: World) -> None:
    world.deploy(DAILY)
    world.until(at("02T06:00"))
    world.works.end("FAILED", "out of memory")
    world.scheduler.advance(NAME)
    assert (world.record("02 06:00").status.value, world.record("02 06:00").reason) == ("FAILED", "out of memory")


def test_a_changed_schedule_runs_nothing_again_and_nothing_of_before(world: World) -> None:
    world.deploy(DAILY)
    world.until(at("02T08:00"))
    world.deploy(Schedule(cron="0 * * * ? *"), at=at("02T08:10"))
    world.until(at("02T10:00"))
    assert world.works.ticks == ["02 06:00", "02 09:00", "02 10:00"]
    assert [f"{one.since:%d %H:%M}" for one in world.ledger.definitions(NAME)] == ["02 00:00", "02 08:10"]


def test_the_old_schedules_ticks_count_until_the_new_one_was_deployed(world: World) -> None:
    world.deploy(Schedule(cron="0 6 * * ? *", missed="all(5)"))
    world.until(at("02T05:00"))
    world.deploy(Schedule(cron="30 * * * ? *", missed="all(5)", overlap="allow"), at=at("02T07:00"))
    world.now = at("02T08:00")
    world.wake()
    assert world.works.ticks == ["02 06:00", "02 07:30"]


def test_a_schedule_that_is_gone_starts_nothing_more_but_sees_its_run_end(world: World) -> None:
    world.deploy(DAILY)
    world.until(at("02T06:00"))
    del world.deployed.there[NAME]
    world.until(at("04T00:00"))
    assert world.history == [("02 06:00", "DONE")]
    with pytest.raises(ScheduleNotFound, match="it has none"):
        world.scheduler.run(NAME, by="ann")


def test_a_schedule_that_never_was_deployed_is_no_error_of_a_late_wake(world: World) -> None:
    world.wake()
    assert world.history == []


def test_a_pause_skips_its_ticks_for_good(world: World) -> None:
    world.deploy(DAILY)
    world.until(at("02T07:00"))
    world.scheduler.pause(NAME, until=None, by="Ann", why="audit")
    world.until(at("04T07:00"))
    assert world.record("03 06:00").reason == "paused by Ann: audit"
    assert world.scheduler.resume(NAME) is None
    world.until(at("05T07:00"))
    assert world.works.ticks == ["02 06:00", "05 06:00"]
    assert list(world.works.runs.values())[-1]["interval"][0] == "2026-03-04T06:00:00+00:00"


def test_a_pause_ends_by_itself(world: World) -> None:
    world.deploy(DAILY)
    world.scheduler.pause(NAME, until=at("03T00:00"), by="Ann")
    world.until(at("03T07:00"))
    assert world.works.ticks == ["03 06:00"]
    with pytest.raises(NotPaused):
        world.scheduler.resume(NAME)
    with pytest.raises(InvalidRequest, match="is past: it is 2026-03-03T07:00:00Z now"):
        world.scheduler.pause(NAME, until=at("02T00:00"), by="Ann")


def test_who_resumes_may_have_the_last_skipped_tick_after_all(world: World) -> None:
    world.deploy(DAILY)
    world.scheduler.pause(NAME, until=None, by="Ann")
    world.until(at("04T07:00"))
    late = world.scheduler.resume(NAME, missed="last")
    assert late is not None
    assert (f"{late.at:%d %H:%M}", late.status.value) == ("04 06:00", "STARTED")
    assert world.works.ticks == ["04 06:00"]


def test_a_start_by_hand_counts_as_a_run_and_moves_no_tick(world: World) -> None:
    world.deploy(DAILY)
    world.now = at("02T03:00")
    made = world.scheduler.run(NAME, by="Ann")
    assert (made.origin, made.status.value, made.by) == ("manual", "STARTED", "Ann")
    with pytest.raises(StillRuns, match=r"forbids two runs at once, and delays-.* is in progress"):
        world.scheduler.run(NAME, by="Bob")
    world.until(at("02T07:00"))
    assert world.works.ticks == ["02 03:00", "02 06:00"]


def test_two_starts_by_hand_are_two_runs_though_the_clock_stands(world: World) -> None:
    world.deploy(DAILY)
    for _ in range(2):
        world.scheduler.run(NAME, by="Ann")
        world.works.end()
    assert len(world.works.runs) == 2


@pytest.mark.parametrize("place", range(3))
def test_a_start_by_hand_whose_answer_was_lost_is_one_run(world: World, place: int) -> None:
    world.deploy(DAILY)
    world.faults.coming = [""] * place + ["answer lost"]
    world.scheduler.run(NAME, by="Ann")
    assert len(world.works.runs) == 1


def test_a_backfill_runs_a_range_with_so_many_at_once_and_can_be_resumed(world: World) -> None:
    world.deploy(DAILY)
    world.until(at("05T07:00"))
    first, last = datetime(2026, 2, 20, tzinfo=UTC), at("04T00:00")
    planned = world.scheduler.backfill(NAME, first, last, by="Ann", parallel=2, dry_run=True)
    assert len(planned) == 10
    assert len(world.works.runs) == 4
    world.works.end()
    world.works.most_at_once = 0
    world.faults.coming = ["", "killed before"]
    with pytest.raises(Killed):
        world.scheduler.backfill(NAME, first, last, by="Ann", parallel=2)
    world.faults.coming = []
    assert world.scheduler.backfill(NAME, first, last, by="Ann", parallel=2) == []
    while world.works.running:
        world.works.end()
        world.scheduler.advance(NAME)
    assert len(world.works.runs) == 14
    assert world.works.most_at_once == 2
    assert world.scheduler.backfill(NAME, first, last, by="Ann", dry_run=True) == []
    again = world.scheduler.backfill(NAME, first, last, by="Ann", again=True, dry_run=True)
    assert [record.attempt for record in again] == [2] * 12


def test_a_backfill_holds_no_tick_of_the_schedule_back_and_a_pause_holds_it(world: World) -> None:
    world.deploy(DAILY)
    world.until(at("02T05:00"))
    world.scheduler.backfill(NAME, datetime(2026, 2, 20, tzinfo=UTC), at("01T00:00"), by="Ann")
    world.until(at("02T06:00"), end=False)
    assert world.status("02 06:00").value == "STARTED"
    world.scheduler.pause(NAME, until=None, by="Ann")
    world.works.end()
    before = len(world.works.runs)
    world.scheduler.advance(NAME)
    assert len(world.works.runs) == before
    world.scheduler.resume(NAME)
    assert len(world.works.runs) == before + 1


def test_a_range_that_cannot_be_filled_is_refused_in_one_line(world: World) -> None:
    world.deploy(Schedule(every="1m"))
    world.now = at("20T00:00")
    with pytest.raises(BadRange, match="is empty"):
        world.scheduler.backfill(NAME, at("03T00:00"), at("03T00:00"), by="Ann")
    with pytest.raises(BadRange, match="which is to come"):
        world.scheduler.backfill(NAME, at("03T00:00"), at("21T00:00"), by="Ann")
    with pytest.raises(BadRange, match=f"more than {MOST_BACKFILLED} ticks, .* until 2026-03-03T08:20Z"):
        world.scheduler.backfill(NAME, at("03T00:00"), at("04T00:00"), by="Ann")


def test_a_month_of_missed_minutes_takes_few_entries(world: World) -> None:
    world.deploy(Schedule(every="1m"))
    world.now += MINUTE
    world.wake()
    world.works.end()
    world.now += 30 * DAY
    world.wake()
    records = list(world.ledger.ticks(NAME))
    assert len(records) == 3
    assert (records[1].count, records[1].status.value) == (30 * 24 * 60 - 1, "MISSED")
    filled = world.scheduler.backfill(NAME, at("02T00:02"), at("02T00:05"), by="Ann")
    assert [f"{record.at:%H:%M}" for record in filled] == ["00:02", "00:03", "00:04"]


@pytest.mark.parametrize("fault", ["killed before", "killed after", "answer lost"])
@pytest.mark.parametrize("place", range(3))
def test_a_wake_that_ends_at_any_write_is_finished_by_the_next(world: World, fault: str, place: int) -> None:
    world.deploy(Schedule(cron="0 6 * * ? *", missed="all(5)"))
    world.now = at("02T06:00")
    world.faults.coming = [""] * place + [fault]
    try:
        world.wake()
    except Killed:
        world.faults.coming = []
        world.wake()
    assert world.works.ticks == ["02 06:00"]
    assert world.status("02 06:00").value == "STARTED"
    world.until(at("03T07:00"))
    assert world.works.ticks == ["02 06:00", "03 06:00"]


def test_nothing_is_written_by_a_wake_that_finds_nothing(world: World) -> None:
    world.deploy(DAILY)
    world.wake()
    before = world.ledger.state(NAME)
    world.now += HOUR
    world.wake()
    assert world.ledger.state(NAME) == before
