"""Compaction of the prediction log: each prediction once, whatever happens."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from headwater.monitoring.log.service import Compaction, never
from headwater.monitoring.log.store import CompactionStore
from headwater.monitoring.log.types import part_name
from headwater.storage.environment import CLIENTS
from tests.crashing import crash_points, dying_at
from tests.unit.monitoring.logs import AT, BUCKET, HOUR, LATER, Log, record


def test_an_hour_becomes_one_part_with_a_row_for_each_instance(log: Log) -> None:
    log.write(record("r-1"), record("r-2", AT + timedelta(minutes=3), instances=100))
    report = log.compact()
    assert (report.records, report.rows, report.parts, report.torn) == (2, 101, 1, 0)
    assert log.keys("compact/") == [f"compact/buys/hour=2026-03-01T05/{part_name(['r-1', 'r-2'])}.parquet"]
    assert log.parts() == sorted(log.written)
    log.assert_once()


def test_compacting_twice_is_compacting_once(log: Log) -> None:
    """https://github.com/delta-io/delta-rs/issues/2576: a compaction that says it is idempotent and isn't."""
    log.write(*(record(f"r-{number}") for number in range(7)))
    first = log.compact(rows=3)
    assert first.parts == 3
    keys = log.keys()
    for hours in (0, 0, 1, 25, 200):
        assert log.compact(LATER + hours * HOUR, rows=3).parts == 0
    assert log.keys() == keys
    log.assert_once()


def test_an_hour_that_is_not_over_waits(log: Log) -> None:
    log.write(record("r-1"))
    assert log.compact(AT + timedelta(minutes=29)).parts == 0
    log.assert_once()
    assert log.compact(AT + timedelta(minutes=30)).parts == 1
    log.assert_once()


@pytest.mark.parametrize("late", [1, 2, 24, 7 * 24, 31 * 24])
def test_late_records_form_a_new_part(log: Log, late: int) -> None:
    log.write(record("r-1"), record("r-2"))
    log.compact(AT + HOUR)
    (first,) = log.keys("compact/")
    log.write(record("late"))
    log.compact(AT + (late + 1) * HOUR)
    assert set(log.keys("compact/")) == {first, first.replace(part_name(["r-1", "r-2"]), part_name(["late"]))}
    assert log.parts() == ["late.0", "r-1.0", "r-2.0"]
    log.assert_once()


@pytest.mark.parametrize("when", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2020, 2, 29, 23, 59, tzinfo=UTC)])
def test_a_clock_in_the_past_stays_in_its_own_hour(log: Log, when: datetime) -> None:
    """https://github.com/PostHog/posthog/pull/48464 replaces such times by now."""
    log.write(record("r-1"))
    log.compact()
    for number in range(3):
        log.write(record(f"old-{number}", when))
        log.compact(LATER + (number + 1) * HOUR)
    assert log.parts() == ["old-0.0", "old-1.0", "old-2.0", "r-1.0"]
    log.assert_once()


def test_a_clock_in_the_future_is_compacted_when_its_hour_comes(log: Log) -> None:
    log.write(record("r-1"), record("ahead", AT + 40 * HOUR))
    log.compact()
    assert log.parts() == ["r-1.0"]
    log.assert_once()
    log.compact(AT + 41 * HOUR)
    assert log.parts() == ["ahead.0", "r-1.0"]


def test_hours_are_those_of_utc_and_midnight_parts_them(log: Log) -> None:
    """https://github.com/BerriAI/litellm/issues/34364: partitions by the session's time zone."""
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    log.write(record("before", midnight - tick), record("at", midnight), record("end", midnight + HOUR - tick))
    log.compact(midnight + 2 * HOUR)
    hours = [key.split("/")[2] for key in log.keys("compact/")]
    assert hours == ["hour=2026-03-01T23", "hour=2026-03-02T00"]
    assert [row["prediction_id"] for row in log.read(since=midnight)] == ["at.0", "end.0"]
    assert [row["prediction_id"] for row in log.read(until=midnight)] == ["before.0"]
    log.assert_once()


def test_a_model_whose_name_begins_another_s_is_another_model(log: Log) -> None:
    """https://github.com/kserve/kserve/pull/6165: a prefix in S3 is no folder."""
    log.write(record("r-1"))
    for model in ("buys2", "buys-too", "buy"):
        log.write(record(f"of-{model}", model=model))
    log.compact()
    for model, expected in (("buys", "r-1.0"), ("buys2", "of-buys2.0"), ("buy", "of-buy.0")):
        assert log.parts(model) == [expected]
        assert [row["prediction_id"] for row in log.read(model)] == [expected]


@pytest.mark.parametrize("model", ["compact", "quarantine"])
def test_a_model_may_be_called_as_the_folders_beside_it(log: Log, model: str) -> None:
    log.write(record("r-1"))
    log.put(f"{model}x/other.json", "{}")
    log.compact()
    assert model not in log.store.log.models()
    log.write(record("r-2", AT + 5 * HOUR, model=model))
    assert model in log.store.log.models()
    log.compact(LATER + 6 * HOUR)
    assert log.parts(model) == ["r-2.0"]
    assert log.parts() == ["r-1.0"]


def test_an_id_that_comes_again_in_another_hour_is_another_request(log: Log) -> None:
    """https://github.com/BerriAI/litellm/pull/29466: reused request ids."""
    log.write(record("r-1"), record("r-1", AT + HOUR))
    log.compact(AT + 2 * HOUR)
    assert log.parts() == ["r-1.0", "r-1.0"]
    assert [row["received_at"] for row in log.read()] == [AT, AT + HOUR]


def test_a_record_that_is_written_twice_is_one(log: Log) -> None:
    log.write(record("r-1"))
    log.compact()
    log.write(record("r-1"))
    assert log.compact(LATER + 24 * HOUR).parts == 0
    log.assert_once()


def test_records_of_before_keys_had_hours_go_into_the_parts_of_their_hours(log: Log) -> None:
    log.write_flat(record("old-1", AT - 3 * HOUR))
    log.write_flat(record("old-2"))
    log.write(record("new"))
    log.assert_once()
    log.compact()
    assert [key.split("/")[2] for key in log.keys("compact/")] == ["hour=2026-03-01T02", *["hour=2026-03-01T05"] * 2]
    log.assert_once()
    log.write_flat(record("old-3"))
    log.assert_once()
    log.compact(AT + 20 * HOUR)
    assert log.parts() == ["new.0", "old-1.0", "old-2.0", "old-3.0"]
    assert log.compact(AT + 40 * HOUR).parts == 0
    log.assert_once()


def test_a_log_of_weeks_is_taken_in_by_the_first_run(log: Log) -> None:
    for days in range(0, 90, 9):
        log.write(record(f"r-{days}", AT - timedelta(days=days)))
    assert log.compact().parts == 10
    log.assert_once()


def test_hours_that_nobody_compacted_are_made_up_for(log: Log) -> None:
    log.write(record("r-1"))
    log.compact()
    for hours in range(5, 60, 7):
        log.write(record(f"r-{hours}", AT + hours * HOUR))
    log.compact(AT + 70 * HOUR)
    assert log.parts() == sorted(log.written)


def test_time_that_is_up_leaves_the_rest_to_the_next_run(log: Log) -> None:
    log.write(*(record(f"r-{number}") for number in range(6)))
    asked = iter([False, True, True])
    report = Compaction(log.store, rows=2).run(LATER, lambda: next(asked, True))
    assert (report.complete, report.parts) == (False, 1)
    log.assert_once()
    assert log.compact(LATER, rows=2).parts == 2
    log.assert_once()


CALLS = ("put", "quarantine", "note", "advance", "fetch", "hour", "torn", "progress")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_is_killed_at_any_call_leaves_each_row_once(log: Log, when: str) -> None:
    """https://github.com/apache/hudi/issues/9139: a compaction that commits in spite of write errors."""
    for number in crash_points(1, f"compaction {when}"):
        model = f"buys-{number}"
        log.written.clear()
        log.write(*(record(f"r-{one}", model=model) for one in range(3)))
        Compaction(log.store, rows=2).compact(model, AT + HOUR)
        # A late record, a new hour, and something torn in it.
        at = AT + HOUR
        log.write(record("late", model=model), *(record(f"n-{one}", at, model=model) for one in range(3)))
        log.put(f"{model}/date={at:%Y-%m-%d}/hour={at:%H}/torn.json", "{")
        with dying_at(number, (CompactionStore, CALLS), when=when) as death:
            Compaction(log.store, rows=2).compact(model, at + HOUR)
        log.assert_once(model)
        Compaction(log.store, rows=2).compact(model, at + HOUR)
        assert log.parts(model) == sorted(log.written)
        assert len(log.keys(f"quarantine/{model}/")) == 1
        log.assert_once(model)
        if not death.came:
            break
    assert number > 10


def compact_twice(log: Log, now: datetime, rows: int, start: threading.Barrier, failed: list[Exception]) -> None:
    start.wait()
    for _ in range(2):
        failed.extend(Compaction(log.store, rows=rows).run(now, never).failed.values())


def test_two_compactions_at_once_give_each_row_once(log: Log) -> None:
    """https://github.com/apache/hudi/pull/10965: two executions of one plan corrupt a table."""
    for round_ in range(2):
        at = AT + round_ * HOUR
        log.write(*(record(f"{round_}-{number}", at) for number in range(12)))
        start = threading.Barrier(3)
        failed: list[Exception] = []

        # Of different sizes, so that their parts overlap.
        threads = [
            threading.Thread(target=compact_twice, args=(log, at + HOUR, rows, start, failed)) for rows in (2, 3, 5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        log.compact(at + HOUR)
        assert log.parts() == sorted(log.written)
    log.assert_once()


def test_a_part_that_nobody_noted_is_not_read(log: Log) -> None:
    log.write(record("r-1"))
    log.compact()
    (key,) = log.keys("compact/")
    body = CLIENTS("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    log.put(key.replace(part_name(["r-1"]), "f" * 64), body)
    log.assert_once()


def test_a_part_that_is_deleted_is_made_again_of_the_records_that_are_left(log: Log) -> None:
    log.write(*(record(f"r-{number}") for number in range(4)))
    log.compact(LATER, rows=2)
    first = log.keys("compact/")[0]
    CLIENTS("s3").delete_object(Bucket=BUCKET, Key=first)
    log.assert_once()
    # As when a person is forgotten: a record goes, and the part that holds its rows.
    (gone,) = [name for name in ("r-0", "r-3") if name not in str(log.held(log.keys("compact/")[0]))]
    CLIENTS("s3").delete_object(Bucket=BUCKET, Key=record(gone).key)
    del log.written[f"{gone}.0"]
    log.assert_once()
    assert Compaction(log.store).again("buys", AT).records == 1
    log.assert_once()
    assert log.parts() == sorted(log.written)
    assert Compaction(log.store).again("buys", AT).records == 0
    assert log.store.hour("buys", AT.replace(minute=0)).rows == 3


def test_a_part_that_is_deleted_by_mistake_comes_back_under_its_name(log: Log) -> None:
    log.write(record("r-1"), record("late"))
    log.compact()
    (key,) = log.keys("compact/")
    CLIENTS("s3").delete_object(Bucket=BUCKET, Key=key)
    log.assert_once()
    assert Compaction(log.store).again("buys", AT).records == 2
    assert log.keys("compact/") == [key]
    assert log.parts() == sorted(log.written)
    log.assert_once()


def test_many_parts_of_an_hour_are_all_of_it(log: Log) -> None:
    log.write(*(record(f"r-{number:02}") for number in range(15)))
    assert log.compact(rows=1).parts == 15
    assert log.parts() == sorted(log.written)
    log.assert_once()
