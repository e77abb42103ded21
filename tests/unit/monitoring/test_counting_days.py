"""Days by as_of: each part is counted once, whatever happens, and parts that no longer count are gone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from headwater.monitoring.days.keeping import Keeping
from headwater.monitoring.days.service import NoSuchSegment
from headwater.monitoring.days.store import DayStore
from headwater.monitoring.days.types import PartName
from headwater.monitoring.log.service import Compaction
from headwater.monitoring.profiles.types import WindowProfile
from headwater.storage.environment import CLIENTS
from headwater.storage.objects import Bucket
from tests.crashing import crash_points, dying_at
from tests.unit.monitoring.logs import BUCKET, HOUR, record
from tests.unit.monitoring.watched import (
    MODEL,
    TODAY,
    Watched,
    bank_with,
    counted,
    morning,
    rows_of,
)


def keep(watched: Watched, now: datetime) -> Any:
    watched.log.compact(now)
    return Keeping(watched.log.store, watched.days, watched.versions).run(MODEL, now)


def bare(profile: WindowProfile) -> dict[str, Any]:
    """A profile without the names of its parts, and without what depends on them."""
    found = profile.model_dump(exclude={"parts"})
    for counts in [*found["numbers"].values(), found["scores"]]:
        counts.pop("top")
    return found


def test_a_day_s_profile_is_that_of_its_rows_and_so_is_each_segment_s(served: Watched) -> None:
    rows = rows_of(1)
    rows[0]["shop"], rows[1]["shop"] = "elsewhere", None
    served.day(TODAY, rows)
    report = keep(served, morning(TODAY))
    assert (report.parts, report.rows, report.skipped) == (4, 80, 0)
    scheme, days = bank_with().scheme, served.read()
    assert bare(days.profile(MODEL, 1, TODAY, TODAY)) == bare(counted(scheme, rows))
    for segment, shops in (("shop=n", ("n",)), ("shop=(other)", ("w", "elsewhere")), ("shop=(missing)", (None,))):
        some = [row for row in rows if row["shop"] in shops]
        assert some
        assert bare(days.profile(MODEL, 1, TODAY, TODAY, segment)) == bare(counted(scheme, some))
    assert days.segments(MODEL, 1) == ["shop=n", "shop=s", "shop=(other)", "shop=(missing)"]
    with pytest.raises(NoSuchSegment, match=r"has no segment 'shop=x'. It has shop=n, shop=s"):
        days.profile(MODEL, 1, TODAY, TODAY, "shop=x")


def test_days_go_by_as_of_and_not_by_receipt(served: Watched) -> None:
    received = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
    for place in range(5):
        served.day(TODAY + timedelta(days=place), rows_of(place), received=received, name="replay")
    keep(served, received + HOUR)
    days = served.read()
    assert days.days(MODEL, 1) == [TODAY + timedelta(days=place) for place in range(5)]
    assert days.profile(MODEL, 1, TODAY, TODAY + timedelta(days=1)).rows == 160
    (frame,) = days.frames(MODEL, 1, TODAY, ["prediction_id", "received_at", "output"])
    assert len(frame) == 80
    assert set(frame["received_at"]) == {received}
    hours = days.counted(MODEL, 1, TODAY, TODAY)[0].hours()
    assert {hour: profile.rows for hour, profile in hours.items()} == {2: 20, 8: 20, 14: 20, 20: 20}


def test_counting_again_changes_nothing(served: Watched) -> None:
    served.day(TODAY, rows_of(1))
    keep(served, morning(TODAY))
    keys = {key: served.log.body(key) for key in served.log.keys("profiles/")}
    for hours in (0, 1, 2, 30):
        assert keep(served, morning(TODAY) + hours * HOUR).parts == 0
    assert {key: served.log.body(key) for key in served.log.keys("profiles/")} == keys


@pytest.mark.parametrize("late", [2, 24, 31 * 24])
def test_late_records_are_added_to_their_day(served: Watched, late: int) -> None:
    """A record of a request that came a month ago, as from a machine that was off."""
    served.day(TODAY, rows_of(1))
    keep(served, morning(TODAY))
    served.request(TODAY, 2, rows_of(2, 10), name="late")
    # The hour is looked at again then, and the day's look at all hours finds it.
    now = datetime(TODAY.year, TODAY.month, TODAY.day, 3, 7, tzinfo=UTC) + (late + 1) * HOUR
    keep(served, now)
    keep(served, now + 24 * HOUR)
    assert served.read().profile(MODEL, 1, TODAY, TODAY).rows == 90
    assert sum(len(frame) for frame in served.read().frames(MODEL, 1, TODAY)) == 90


def test_a_record_that_is_logged_twice_counts_once(served: Watched) -> None:
    for _ in range(2):
        served.day(TODAY, rows_of(1))
    keep(served, morning(TODAY))
    served.day(TODAY, rows_of(1))
    keep(served, morning(TODAY) + 24 * HOUR)
    assert served.read().profile(MODEL, 1, TODAY, TODAY).rows == 80


@pytest.mark.parametrize("year", [1970, 2090])
def test_a_clock_that_is_wrong_makes_a_day_of_its_own(served: Watched, year: int) -> None:
    wrong = date(year, 1, 1)
    served.day(TODAY, rows_of(1))
    served.day(wrong, rows_of(2), received=datetime(TODAY.year, TODAY.month, TODAY.day, 5, tzinfo=UTC), name="wrong")
    keep(served, morning(TODAY))
    assert served.read().days(MODEL, 1) == sorted([TODAY, wrong])
    assert served.read().profile(MODEL, 1, TODAY, TODAY).rows == 80


def test_a_deleted_part_s_counts_go_with_every_version_of_them(served: Watched) -> None:
    served.request(TODAY, 2, rows_of(1, 30), name="stays")
    served.request(TODAY, 2, rows_of(2, 30), name="goes")
    keep(served, morning(TODAY))
    before = served.log.keys("profiles/")
    (part,) = served.log.keys("compact/")
    at = datetime(TODAY.year, TODAY.month, TODAY.day, 2, 30, tzinfo=UTC)
    CLIENTS("s3").delete_object(Bucket=BUCKET, Key=part)
    CLIENTS("s3").delete_object(Bucket=BUCKET, Key=record(f"{TODAY}T02-v1-goes", at).key)
    Compaction(served.log.store).again(MODEL, at)
    # What no longer counts is ignored before anybody removes it.
    assert served.read().days(MODEL, 1) == []
    now = morning(TODAY) + HOUR
    assert served.read(now=now).profile(MODEL, 1, TODAY, TODAY).rows == 30
    report = keep(served, now)
    assert (report.parts, report.removed) == (1, 1)
    assert served.read().profile(MODEL, 1, TODAY, TODAY).rows == 30
    left = CLIENTS("s3").list_object_versions(Bucket=BUCKET, Prefix="profiles/")
    there = {entry["Key"] for entry in (*left.get("Versions", ()), *left.get("DeleteMarkers", ()))}
    assert not there & set(before)


def test_what_a_run_that_was_overtaken_left_is_swept(served: Watched) -> None:
    served.day(TODAY, rows_of(1))
    keep(served, morning(TODAY))
    hour = next(served.log.store.compacted(MODEL, morning(TODAY) - 30 * HOUR, morning(TODAY)))
    index = served.days.index(MODEL, PartName(hour.hour, hour.parts[0].name))
    assert index is not None
    (stored,) = served.days.read([one for one in served.days.list_day(MODEL, TODAY) if one.part.hour == hour.hour])
    served.days.put_index(index.model_copy(update={"part": "f" * 64}))
    served.days.put(stored.model_copy(update={"part": "f" * 64}))
    assert served.read().profile(MODEL, 1, TODAY, TODAY).rows == 80
    assert keep(served, morning(TODAY) + 24 * HOUR).removed == 1
    assert not [key for key in served.log.keys("profiles/") if "f" * 64 in key]


def test_predictions_of_a_minute_ago_are_counted_and_not_stored(served: Watched) -> None:
    served.day(TODAY, rows_of(1))
    now = datetime(TODAY.year, TODAY.month, TODAY.day, 14, 40, tzinfo=UTC)
    assert served.read().days(MODEL, 1) == []
    days = served.read(now=now)
    assert days.profile(MODEL, 1, TODAY, TODAY).rows == 80
    assert sum(len(frame) for frame in days.frames(MODEL, 1, TODAY)) == 80
    keep(served, now)
    assert served.log.keys("profiles/")
    assert served.read(now=now).profile(MODEL, 1, TODAY, TODAY).rows == 80
    assert served.read().profile(MODEL, 1, TODAY, TODAY).rows == 40


def test_what_was_known_at_a_moment_is_what_was_received_before(served: Watched) -> None:
    served.day(TODAY, rows_of(1))
    keep(served, morning(TODAY))
    for hour, minute, rows in ((2, 0, 0), (2, 30, 0), (2, 31, 20), (3, 0, 20), (20, 59, 80)):
        known = datetime(TODAY.year, TODAY.month, TODAY.day, hour, minute, tzinfo=UTC)
        days = served.read(now=morning(TODAY), known=known)
        assert days.profile(MODEL, 1, TODAY, TODAY).rows == rows
        assert sum(len(frame) for frame in days.frames(MODEL, 1, TODAY)) == rows


def test_a_version_without_a_bank_is_numbered_and_named_once(served: Watched) -> None:
    served.version(None, "bare")
    served.day(TODAY, rows_of(1), version=2)
    served.day(TODAY, rows_of(2), version=7)
    report = keep(served, morning(TODAY))
    assert [reason.partition(":")[0] for reason in report.reasons] == [
        "version 2 of model 'buys' has no profiles of its training days",
        "model 'buys' has no version 7; its versions are 1 to 2",
    ]
    assert keep(served, morning(TODAY) + HOUR).reasons == []
    assert sum(len(frame) for frame in served.read().frames(MODEL, 2, TODAY)) == 80
    assert served.read().days(MODEL, 7) == [TODAY]


def test_a_row_that_cannot_be_counted_is_named_and_holds_no_other_back(served: Watched) -> None:
    served.day(TODAY, [*rows_of(1), {"shop": "n", "amount": "a lot", "score": 0.5}])
    report = keep(served, morning(TODAY))
    assert report.skipped == 1
    assert report.reasons[0].startswith(f"{TODAY}T02-v1-0-0.20: amount: 'a lot'")
    (day,) = served.read().counted(MODEL, 1, TODAY, TODAY)
    assert (day.rows, day.skipped, day.profile().rows) == (81, 1, 80)


def test_a_thousand_values_of_a_declared_column_are_at_most_33_segments(served: Watched) -> None:
    shops = tuple(f"shop {number}" for number in range(31))
    served.version(bank_with(segments={"shop": shops}), "wide")
    rows = [{**row, "shop": f"shop {place}"} for place, row in enumerate(rows_of(1, 1_000))]
    served.day(TODAY, rows, version=2)
    keep(served, morning(TODAY))
    segments = served.read().segments(MODEL, 2)
    assert len(segments) == 33
    found = {name: served.read().profile(MODEL, 2, TODAY, TODAY, name).rows for name in segments}
    assert sum(found.values()) == 1_000
    assert (found["shop=(other)"], found["shop=shop 3"]) == (969, 1)


def test_a_value_that_looks_like_the_others_is_not_among_them(served: Watched) -> None:
    served.version(bank_with(segments={"shop": ("(other)", "n")}), "odd")
    rows = [{**row, "shop": "(other)"} for row in rows_of(1, 40)]
    served.day(TODAY, rows, version=2)
    keep(served, morning(TODAY))
    assert served.read().profile(MODEL, 2, TODAY, TODAY, "shop=\\(other)").rows == 40
    assert served.read().profile(MODEL, 2, TODAY, TODAY, "shop=(other)").rows == 0


CALLS = ("put", "put_index", "remove", "note_counted")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_is_killed_at_any_call_counts_each_row_once(served: Watched, when: str) -> None:
    day = TODAY
    for number in crash_points(1, f"count {when}"):
        day += timedelta(days=1)
        served.request(day, 2, rows_of(number, 6), name="stays")
        served.request(day, 2, rows_of(number, 6), name="goes")
        now = datetime(day.year, day.month, day.day, 3, 7, tzinfo=UTC)
        keep(served, now)
        # A part is deleted and made again, and another hour comes.
        hour = served.log.store.hour(MODEL, now.replace(hour=2, minute=0))
        CLIENTS("s3").delete_object(Bucket=BUCKET, Key=hour.key(hour.parts[0]))
        CLIENTS("s3").delete_object(Bucket=BUCKET, Key=record(f"{day}T02-v1-goes", now - HOUR).key)
        Compaction(served.log.store).again(MODEL, now - HOUR)
        served.request(day, 3, rows_of(number, 5), name="more")
        served.log.compact(now + HOUR)
        with dying_at(number, (DayStore, CALLS), (Bucket, ("forget",)), when=when) as death:
            Keeping(served.log.store, served.days, served.versions).run(MODEL, now + HOUR)
        assert served.read(now=now + HOUR).profile(MODEL, 1, day, day).rows == 11
        keep(served, now + HOUR)
        assert served.read().profile(MODEL, 1, day, day).rows == 11
        assert not [key for key in served.log.keys(f"profiles/{MODEL}/") if hour.parts[0].name in key]
        if not death.came:
            break
    assert number > 10


def test_time_that_is_up_leaves_the_rest_to_the_next_run(served: Watched) -> None:
    served.day(TODAY, rows_of(1))
    served.log.compact(morning(TODAY))
    asked = iter([False, False, True])
    keeping = Keeping(served.log.store, served.days, served.versions)
    report = keeping.run(MODEL, morning(TODAY), lambda: next(asked, True))
    assert (report.complete, report.parts) == (False, 2)
    assert keep(served, morning(TODAY)).parts == 2
    assert served.read().profile(MODEL, 1, TODAY, TODAY).rows == 80
