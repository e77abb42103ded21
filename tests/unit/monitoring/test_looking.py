"""The hourly look: days are judged once for each set of their rows, and the model's state follows from that."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from headwater.monitoring.drift.standing import State
from headwater.monitoring.drift.verdicts import Outcome, Verdict
from headwater.monitoring.log.service import Compaction
from headwater.monitoring.status import Severity, Status
from headwater.monitoring.watch.store import WatchStore
from headwater.monitoring.watch.types import MOST_SAID, JudgedDay, Said
from headwater.storage.environment import CLIENTS
from tests.crashing import crash_points, dying_at
from tests.unit.monitoring.logs import BUCKET, HOUR, record
from tests.unit.monitoring.watched import MODEL, TODAY, Watched, bank_with, morning, rows_of

STUCK = {"amount": 0.25}


def days_of(watched: Watched, faults: Sequence[dict[str, Any]], *, first: date = TODAY, version: int = 1) -> Status:
    """Let days pass, each with its fault; the status on the morning after the last one."""
    status = None
    for place, fault in enumerate(faults):
        day = first + timedelta(days=place)
        watched.day(day, rows_of(500 + place, **fault), version=version)
        status = watched.hour(morning(day))
    assert status is not None
    return status


def test_a_usual_day_is_normal_and_a_stuck_sensor_is_an_alarm_that_names_it(served: Watched) -> None:
    status = days_of(served, [{}])
    assert (status.state, status.severity, status.day, status.rows) == (State.NORMAL, Severity.NONE, TODAY, 80)
    assert status.reason.startswith("p 0.")
    status = days_of(served, [STUCK], first=TODAY + timedelta(days=1))
    assert (status.state, status.severity) == (State.ALARM, Severity.TICKET)
    assert status.since == TODAY + timedelta(days=1)
    assert status.reason.startswith("amount stuck 100% (usual ")
    assert "at 0.25" in status.reason
    status = days_of(served, [{}, {}], first=TODAY + timedelta(days=2))
    assert (status.state, status.severity) == (State.NORMAL, Severity.NONE)
    assert served.store.status(MODEL) == status


def test_a_day_is_judged_when_its_last_hour_is_compacted(served: Watched) -> None:
    served.day(TODAY, rows_of(1))
    evening = morning(TODAY) - HOUR
    status = served.hour(evening)
    assert status is not None
    assert (status.state, status.day) == (State.COLLECTING, None)
    # The look comes although compaction didn't.
    assert served.watch().run(morning(TODAY)).judged == 0
    assert served.watch().run(morning(TODAY)).judged == 0
    served.log.compact(morning(TODAY))
    assert served.watch().run(morning(TODAY)).judged == 1


def test_looking_twice_is_looking_once(served: Watched) -> None:
    days_of(served, [{}, STUCK])
    keys, judged = served.log.keys("profiles/"), served.store.judged(MODEL, 1)
    status = served.store.status(MODEL)
    for _ in range(2):
        assert served.watch().run(morning(TODAY + timedelta(days=1)) + timedelta(minutes=13)).judged == 0
    assert (served.log.keys("profiles/"), served.store.judged(MODEL, 1)) == (keys, judged)
    assert served.store.status(MODEL) == status


def test_a_window_without_traffic_changes_nothing(served: Watched) -> None:
    before = days_of(served, [{}, STUCK])
    for days in range(1, 5):
        status = served.hour(morning(TODAY + timedelta(days=1 + days)))
        assert status is not None
        assert status.model_copy(update={"at": before.at}) == before


def test_a_model_without_predictions_has_no_status(served: Watched) -> None:
    assert served.hour(morning(TODAY)) is None
    assert served.store.status(MODEL) is None


def test_late_rows_restate_a_day_and_what_was_said_first_stays(served: Watched) -> None:
    days_of(served, [{}])
    served.request(TODAY, 23, rows_of(2, 60, **STUCK), name="late")
    status = served.hour(morning(TODAY) + HOUR)
    (day,) = served.store.judged(MODEL, 1)
    assert [said.verdict.rows for said in day.said] == [80, 140]
    assert [said.verdict.outcome for said in day.said] == [Outcome.CLEAN, Outcome.EXTREME]
    # Within three days what is said anew counts.
    assert day.counts == day.now
    assert status is not None
    assert status.state is State.ALARM


def test_rows_of_a_month_ago_restate_their_day_and_raise_no_alarm(served: Watched) -> None:
    days_of(served, [{}, {}, {}])
    at = datetime(TODAY.year, TODAY.month, TODAY.day, 21, 30, tzinfo=UTC)
    served.request(TODAY, 21, rows_of(2, 60, **STUCK), name="late")
    # The hour is looked at again after 31 days, and all days are once a day.
    status = served.hour(at.replace(minute=7) + (32 * 24 + 1) * HOUR)
    day = served.store.judged(MODEL, 1)[0]
    assert [said.verdict.outcome for said in day.said] == [Outcome.CLEAN, Outcome.EXTREME]
    assert (day.counts.verdict.outcome, day.is_restated) == (Outcome.CLEAN, True)
    assert status is not None
    assert (status.state, status.severity) == (State.NORMAL, Severity.NONE)


def test_a_day_whose_rows_are_forgotten_is_said_anew_without_them(served: Watched) -> None:
    at = datetime(TODAY.year, TODAY.month, TODAY.day, 2, 30, tzinfo=UTC)
    served.request(TODAY, 2, rows_of(1), name="whole")
    served.hour(morning(TODAY))
    (window,) = served.store.window_names(MODEL)
    (part,) = served.log.keys("compact/")
    CLIENTS("s3").delete_object(Bucket=BUCKET, Key=part)
    CLIENTS("s3").delete_object(Bucket=BUCKET, Key=record(f"{TODAY}T02-v1-whole", at).key)
    served.request(TODAY, 2, rows_of(2, 1), name="other")
    Compaction(served.log.store).again(MODEL, at)
    served.hour(morning(TODAY) + 24 * HOUR)
    (day,) = served.store.judged(MODEL, 1)
    assert [said.verdict.rows for said in day.said] == [80, 1]
    left = CLIENTS("s3").list_object_versions(Bucket=BUCKET, Prefix=window.key)
    assert "Versions" not in left


def test_a_broken_feed_is_found_within_two_hours(served: Watched) -> None:
    days_of(served, [{}, {}, {}])
    day, status = TODAY + timedelta(days=3), None
    for hour in range(14):
        # Traffic as usual, and from noon on nobody says the amount.
        fault = {"amount": None} if hour >= 12 else {}
        served.request(day, hour, rows_of(900 + hour, 4, **fault))
        now = datetime(day.year, day.month, day.day, hour, 7, tzinfo=UTC) + HOUR
        status = served.hour(now)
        assert status is not None
        assert (status.state is State.ALARM) == (hour >= 13), hour
    assert status is not None
    assert (status.since, status.day, status.rows) == (day, day, 56)
    assert status.reason.startswith("today so far: amount missing")
    # Once it is mended the day is judged as all others are.
    served.request(day, 14, rows_of(950, 40))
    assert served.hour(datetime(day.year, day.month, day.day, 15, 7, tzinfo=UTC)) is not None


def test_a_part_of_a_day_is_not_judged_by_its_shape(served: Watched) -> None:
    """Nights differ from days: what is missing at night alone is usual, and so is who asks."""
    days_of(served, [{}])
    day = TODAY + timedelta(days=1)
    served.request(day, 1, rows_of(1, 60, shop="n", amount=3.0))
    status = served.hour(datetime(day.year, day.month, day.day, 2, 7, tzinfo=UTC))
    assert status is not None
    assert status.state is State.NORMAL


def test_a_retrained_version_has_its_own_days_and_its_own_state(served: Watched) -> None:
    days_of(served, [{}, STUCK])
    served.version(bank_with(seed=3), "run-2")
    day = TODAY + timedelta(days=2)
    served.day(day, rows_of(700, **STUCK)[:40], name="old-")
    served.serve(2)
    served.day(day, rows_of(701), version=2)
    status = served.hour(morning(day))
    assert status is not None
    # The alarm of the version that serves no longer is over.
    assert (status.version, status.state, status.severity, status.rows) == (2, State.NORMAL, Severity.NONE, 80)
    assert [one.day for one in served.store.judged(MODEL, 1)] == [TODAY, TODAY + timedelta(days=1)]
    assert [one.day for one in served.store.judged(MODEL, 2)] == [day]
    served.registry.withdraw(MODEL, alias="production", expected=2)
    status = served.hour(morning(day) + HOUR)
    assert status is not None
    assert (status.state, status.reason, status.severity) == (State.COLLECTING, "no version serves", Severity.NONE)


def test_a_version_without_a_bank_says_so(served: Watched) -> None:
    served.version(None, "bare")
    served.serve(2)
    served.day(TODAY, rows_of(1), version=2)
    status = served.hour(morning(TODAY))
    assert status is not None
    assert status.state is State.COLLECTING
    assert status.reason.startswith("version 2 of model 'buys' has no profiles of its training days")


def test_a_model_with_few_training_days_waits_for_thirty_with_its_own(watched: Watched) -> None:
    watched.version(bank_with(27))
    watched.serve(1)
    status = days_of(watched, [{}, {}, {}])
    assert (status.state, status.reason) == (State.COLLECTING, "29 reference windows, fewer than 30")
    status = days_of(watched, [{}], first=TODAY + timedelta(days=3))
    assert status.state in (State.NORMAL, State.SUSPECT)
    assert watched.store.judged(MODEL, 1)[-1].now.verdict.windows == 30
    status = days_of(watched, [STUCK], first=TODAY + timedelta(days=4))
    assert status.state is State.ALARM


def test_a_replay_of_a_month_is_judged_day_by_day(served: Watched) -> None:
    """All of July's requests are asked today, as of July."""
    received = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)
    for place in range(10):
        fault = STUCK if place == 9 else {}
        served.day(TODAY + timedelta(days=place), rows_of(500 + place, **fault), received=received, name="replay")
    status = served.hour(received.replace(hour=10, minute=7))
    assert status is not None
    assert len(served.store.judged(MODEL, 1)) == 10
    assert (status.state, status.since) == (State.ALARM, TODAY + timedelta(days=9))


def test_one_model_that_fails_holds_no_other_back(served: Watched) -> None:
    served.day(TODAY, rows_of(1))
    served.log.put("broken/date=2026-03-02/hour=02/x.json", "{}")
    served.log.put("profiles/broken/parts/2026-03-02T02-x.json", "not ours")
    served.log.compact(morning(TODAY))
    looked = served.watch().run(morning(TODAY))
    assert [status.model for status in looked.statuses] == [MODEL]
    assert looked.failed.keys() == {"broken"}


def look_twice(watched: Watched, now: datetime, start: threading.Barrier, failed: list[Exception]) -> None:
    start.wait()
    for _ in range(2):
        failed.extend(watched.watch().run(now).failed.values())


def test_looks_at_once_say_the_same_as_one(served: Watched) -> None:
    served.day(TODAY, rows_of(1, **STUCK))
    served.day(TODAY + timedelta(days=1), rows_of(2))
    now = morning(TODAY + timedelta(days=1))
    served.log.compact(now)
    start, failed = threading.Barrier(3), []  # type: ignore[var-annotated]
    threads = [threading.Thread(target=look_twice, args=(served, now, start, failed)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert [len(day.said) for day in served.store.judged(MODEL, 1)] == [1, 1]
    assert [day.now.verdict.outcome for day in served.store.judged(MODEL, 1)] == [Outcome.EXTREME, Outcome.CLEAN]
    assert len(served.store.window_names(MODEL)) == 2


CALLS = ("put_status", "put_judged", "put_window", "remove_window")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_look_that_is_killed_at_any_call_is_made_up_for(served: Watched, when: str) -> None:
    day = TODAY
    for number in crash_points(1, f"look {when}"):
        day += timedelta(days=1)
        served.day(day, rows_of(600))
        served.hour(morning(day))
        # The day is restated, and another one is new.
        served.request(day, 21, rows_of(601, 60), name="late")
        day += timedelta(days=1)
        served.day(day, rows_of(602, **STUCK))
        served.log.compact(morning(day))
        with dying_at(number, (WatchStore, CALLS), when=when) as death:
            served.watch().run(morning(day))
        served.watch().run(morning(day) + HOUR)
        first, last = served.store.judged(MODEL, 1)[-2:]
        assert [said.verdict.rows for said in first.said] == [80, 140]
        assert [said.verdict.outcome for said in last.said] == [Outcome.EXTREME]
        status = served.store.status(MODEL)
        assert status is not None
        assert (status.state, status.day) == (State.ALARM, day)
        if not death.came:
            break
    assert number > 4
    served.watch().run(morning(day) + 24 * HOUR)
    kept = {(name.day, name.digest) for name in served.store.window_names(MODEL)}
    assert kept == {(one.day, one.now.digest) for one in served.store.judged(MODEL, 1)}


def said(hours: float, outcome: Outcome = Outcome.CLEAN) -> Said:
    verdict = Verdict(outcome=outcome, reason="", rows=0, windows=0)
    return Said(at=morning(TODAY) + hours * HOUR, digest=f"{hours}", verdict=verdict, alone=outcome)


def test_the_verdict_that_counts_is_the_first_on_enough_rows_or_one_soon_after() -> None:
    day = JudgedDay(model=MODEL, version=1, day=TODAY)
    for hours, outcome, counts in (
        (0, Outcome.COLLECTING, 0),
        (100, Outcome.CLEAN, 100),
        (110, Outcome.EXTREME, 110),
        (172, Outcome.SUSPICIOUS, 172),
        (173, Outcome.CLEAN, 172),
        (400, Outcome.EXTREME, 172),
    ):
        day = day.saying(said(hours, outcome))
        assert day.counts.digest == str(counts)
    for hours in range(500, 520):
        day = day.saying(said(hours, Outcome.EXTREME))
    assert len(day.said) == MOST_SAID
    assert day.counts.digest == "172"
    known = day.known_at(morning(TODAY) + 300 * HOUR)
    assert known is not None
    assert known.now.digest == "172"
    assert day.known_at(morning(TODAY)) is None
