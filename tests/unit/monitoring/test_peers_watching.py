"""What users of other monitors ran into with days, segments and versions, tried as they did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from headwater.errors import InvalidRequest
from headwater.monitoring.asked_days import AskedDays
from headwater.monitoring.drift.standing import State
from headwater.monitoring.drift.verdicts import Outcome
from headwater.monitoring.watching import Watching
from tests.unit.monitoring.logs import HOUR
from tests.unit.monitoring.watched import MODEL, TODAY, Watched, bank_with, morning, rows_of


def asking(served: Watched, now: datetime, known: datetime | None = None) -> Watching:
    return Watching(served.registry, served.log.store, served.days, served.store, served.versions, now=now, known=known)


def test_a_day_whose_column_is_empty_is_judged_by_the_others_and_names_it(served: Watched) -> None:
    """https://github.com/evidentlyai/evidently/issues/1480, issues/330: an empty column ends the whole report."""
    served.day(TODAY, rows_of(1, amount=None))
    status = served.hour(morning(TODAY))
    assert status is not None
    assert (status.state, status.score is not None) == (State.ALARM, True)
    assert status.reason.startswith("amount missing 100% (usual 0%)")
    assert len(asking(served, morning(TODAY)).explain(MODEL, TODAY).features) == 3


def test_missing_values_that_the_reference_has_none_of_are_found(served: Watched) -> None:
    """https://github.com/evidentlyai/evidently/issues/187: rows without a value are dropped first."""
    rows = rows_of(1)
    served.day(TODAY, [{**row, "amount": None if place % 5 == 0 else row["amount"]} for place, row in enumerate(rows)])
    status = served.hour(morning(TODAY))
    assert status is not None
    assert status.reason.startswith("amount missing 20%")


def test_a_day_of_one_prediction_is_no_error_and_no_alarm(served: Watched) -> None:
    """https://github.com/NannyML/nannyml/issues/88: a chunk that one record was left for ends the calculation."""
    served.day(TODAY, rows_of(1, 1, amount=99.0))
    status = served.hour(morning(TODAY))
    assert status is not None
    assert (status.state, status.reason) == (State.COLLECTING, "1 rows, fewer than 50")


def test_a_day_is_never_part_of_what_it_is_compared_with(served: Watched) -> None:
    """https://github.com/NannyML/nannyml/issues/426: reference chunks are compared with a reference they are in."""
    for place in range(3):
        served.day(TODAY + timedelta(days=place), rows_of(place))
        served.hour(morning(TODAY + timedelta(days=place)))
    now = morning(TODAY + timedelta(days=2))
    for one in asking(served, now).replay(MODEL, AskedDays(since=TODAY, until=TODAY + timedelta(days=2))).days:
        assert one.said is not None
        # The weekdays among the training's sixty days.
        assert one.verdict.windows == one.said.windows == 42


def test_segments_are_counted_and_not_empty(served: Watched) -> None:
    """https://github.com/whylabs/whylogs/issues/965: profiles of segments are written empty."""
    served.day(TODAY, rows_of(1))
    served.hour(morning(TODAY))
    found = asking(served, morning(TODAY)).segments(MODEL)
    assert sum(one.rows for one in found.segments) == 80
    assert all(one.rows for one in found.segments)


def test_the_first_day_that_is_shown_is_a_whole_one(served: Watched) -> None:
    """https://github.com/mlflow/mlflow/pull/25278: the oldest of seven days begins at the hour of asking."""
    for place in range(8):
        served.day(TODAY + timedelta(days=place), rows_of(place))
    now = morning(TODAY + timedelta(days=7)) - 5 * HOUR
    found = asking(served, now).drift(MODEL)
    assert [(one.day, one.verdict.rows) for one in found.days] == [
        (TODAY + timedelta(days=place), 80) for place in range(1, 8)
    ]


def test_moments_have_time_zones_and_mean_the_same_in_each(served: Watched) -> None:
    """https://github.com/mlrun/mlrun/pull/8526, pull/4889: a moment without a zone is the machine's, or fails later."""
    served.day(TODAY, rows_of(1))
    now, known = morning(TODAY), datetime(TODAY.year, TODAY.month, TODAY.day, 9, 0, tzinfo=UTC)
    rows = [
        asking(served, now, moment).drift(MODEL, AskedDays(version=1)).days[0].verdict.rows
        for moment in (known, known.astimezone(timezone(timedelta(hours=-7))))
    ]
    assert rows == [40, 40]
    with pytest.raises(InvalidRequest, match="has no time zone"):
        asking(served, now, known.replace(tzinfo=None))


def test_a_word_that_training_never_saw_is_named(served: Watched) -> None:
    """https://github.com/SeldonIO/alibi-detect/issues/193: unseen categories end the test or are left out."""
    rows = rows_of(1)
    served.day(TODAY, [{**row, "shop": "new" if place % 4 == 0 else row["shop"]} for place, row in enumerate(rows)])
    status = served.hour(morning(TODAY))
    assert status is not None
    assert status.reason.startswith("shop unseen 25% (usual 0%), most often 'new'")


def test_runs_of_a_few_minutes_are_one_day_and_no_trend(served: Watched) -> None:
    """https://github.com/mick-gsk/drift/issues/98: 72 runs within two minutes are shown as a history."""
    served.day(TODAY, rows_of(1))
    served.hour(morning(TODAY))
    for minutes in range(14, 20):
        served.watch().run(morning(TODAY) + timedelta(minutes=minutes))
    found = asking(served, morning(TODAY)).status(MODEL)
    assert [(one.day, len(one.said)) for one in found.days] == [(TODAY, 1)]


def test_a_new_version_is_judged_beside_its_own_training(served: Watched) -> None:
    """https://github.com/Azure/MachineLearningNotebooks/issues/1786: a monitor keeps the baseline of the old model."""
    moved = [{**row, "amount": row["amount"] + 9} for row in rows_of(1)]
    served.day(TODAY, moved)
    before = served.hour(morning(TODAY))
    bank = bank_with(seed=2, moved=9.0)
    served.version(bank, "run-2")
    served.serve(2)
    day = TODAY + timedelta(days=1)
    served.day(day, [{**row, "amount": row["amount"] + 9} for row in rows_of(2)], version=2)
    after = served.hour(morning(day))
    assert before is not None
    assert after is not None
    assert (before.state, after.state) == (State.ALARM, State.NORMAL)
    assert served.store.judged(MODEL, 2)[-1].now.verdict.outcome is Outcome.CLEAN
