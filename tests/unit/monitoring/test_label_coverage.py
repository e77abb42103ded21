"""Coverage of labels: what is labelled, since when, and what is wrong with the rest."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from headwater import declare
from headwater.monitoring.labels.coverage import Coverage
from headwater.monitoring.log.reading import Reader
from tests.unit.monitoring.labelling import AT, DAY, NOW, Shop, asked, changed, logged, predictions
from tests.unit.monitoring.test_written_labels import KEYS, label

HOUR = timedelta(hours=1)
SINCE, UNTIL = AT.replace(hour=0, minute=0), AT.replace(hour=0, minute=0) + DAY
SEEN = "2026-03-01T{hour:02}:30:00"


def covered(stand: Shop, known: datetime | None = None, model: str = "buys") -> Coverage:
    """The coverage of the day's logged predictions."""
    reader = Reader(stand.log.store)
    with stand.labels(model) as labels:
        return labels.coverage(
            reader.frames(model, SINCE, UNTIL), SINCE, UNTIL, known, around=lambda *span: reader.frames(model, *span)
        )


def ask(stand: Shop, *hours: int) -> None:
    """Log a prediction for each hour."""
    for hour in hours:
        at = SINCE + hour * HOUR
        stand.log.write(logged(f"r-{hour}", at, shop="n", amount=1, seen_at=SEEN.format(hour=hour) + "Z"))


def row(hour: int, paid: datetime, bought: Any = 1) -> str:
    return f"n,1,{SEEN.format(hour=hour)},{paid.isoformat()[:19]},{bought}"


def test_each_prediction_is_counted_by_what_is_known_of_it(stand: Shop) -> None:
    ask(stand, 1, 2, 3, 4, 5, 6)
    stand.land(row(1, UNTIL), row(2, UNTIL, ""), row(3, UNTIL, 7), row(4, UNTIL, 0), row(4, UNTIL, 1), row(6, UNTIL, 0))
    stand.write(label(1, prediction_id="r-6.0", source="clerk"))
    found = covered(stand)
    assert (found.predictions, found.labelled, found.share) == (6, 2, 2 / 6)
    assert (found.waiting, found.invalid, found.ambiguous, found.conflicts) == (1, 1, 1, 1)
    assert found.sources == {"api:clerk": 1, "lake": 1}
    assert found.classes == {"1": 2}


def test_the_delay_curve_says_what_was_known_then(stand: Shop) -> None:
    ask(stand, 1, 2, 3, 4)
    paid = [UNTIL + 2 * HOUR, UNTIL + 30 * HOUR, UNTIL + 5 * DAY]
    stand.land(*(row(hour, at) for hour, at in zip((1, 2, 3), paid, strict=True)), at=SINCE)
    stand.write(label(0, prediction_id="r-4.0"), at=UNTIL + HOUR / 2)
    found = covered(stand, UNTIL + 8 * DAY)
    assert {point.after / HOUR: point.labelled for point in found.delay} == {1: 1, 6: 2, 24: 2, 48: 3, 72: 3, 168: 4}
    assert found.labelled == 4
    for point in found.delay:
        assert covered(stand, point.known).labelled == point.labelled


def test_data_that_was_loaded_later_has_no_delays_and_says_why(stand: Shop) -> None:
    """When each row could have been seen first isn't in it: a date in a row would be a guess."""
    ask(stand, 1, 2)
    stand.land(row(1, UNTIL), row(2, UNTIL), at=UNTIL + 60 * DAY)
    found = covered(stand, UNTIL + 61 * DAY)
    assert found.labelled == 2
    assert {point.labelled for point in found.delay} == {0}
    assert found.delay_reason.startswith(f"no label was known within 30 days after {UNTIL:%Y-%m-%d}")
    assert "was committed, later" in found.delay_reason
    early = covered(stand, UNTIL + HOUR / 2)
    assert (early.delay, early.labelled, early.delay_reason) == ((), 0, "")


def test_a_curve_of_a_window_that_just_ended_says_that_it_is_too_early(stand: Shop) -> None:
    ask(stand, 1)
    stand.write(label(1, prediction_id="r-1.0"), at=UNTIL)
    assert "less than an hour after the window's end" in covered(stand, UNTIL + HOUR / 2).delay_reason
    assert covered(stand, UNTIL + HOUR).delay_reason == ""


def test_a_window_without_traffic_has_no_share(stand: Shop) -> None:
    found = covered(stand)
    assert (found.predictions, found.labelled, found.share, found.unmatched) == (0, 0, None, 0)
    assert [point.labelled for point in found.delay] == [0] * len(found.delay)


def test_labels_of_unknown_predictions_wait_and_expire_and_stay(stand: Shop) -> None:
    ask(stand, 1)
    stand.write(label(1, prediction_id="nobody.0"), {"keys": KEYS, "as_of": AT.isoformat(), "value": 0}, at=AT)
    stand.write(label(1, prediction_id="r-1.0"), at=AT + HOUR)
    found = covered(stand, AT + 5 * DAY)
    assert (found.unmatched, found.expired, found.labelled) == (2, 0, 1)
    found = covered(stand, AT + 31 * DAY)
    assert (found.unmatched, found.expired) == (2, 2)
    with stand.labels() as labels:
        assert len(labels.history(known=AT + 40 * DAY)) == 3


def test_a_label_of_a_prediction_outside_of_the_window_is_not_unmatched(stand: Shop) -> None:
    stand.log.write(logged("before", SINCE - 3 * DAY, **KEYS), logged("after", UNTIL + HOUR, **KEYS))
    stand.write(label(1, prediction_id="before.0"), label(1, prediction_id="after.0"), at=AT)
    assert covered(stand).unmatched == 0
    ask(stand, 1)
    found = covered(stand)
    assert (found.unmatched, found.labelled) == (0, 0)


def test_early_and_corrected_labels_are_counted(stand: Shop) -> None:
    ask(stand, 1, 2)
    early, late = (SINCE + HOUR - DAY).isoformat(), (SINCE + 5 * HOUR).isoformat()
    stand.write(label(1, prediction_id="r-1.0", observed_at=early))
    stand.write(label(1, prediction_id="r-2.0", observed_at=late))
    stand.write(label(0, prediction_id="r-2.0"))
    found = covered(stand)
    assert (found.early, found.corrected, found.labelled, found.classes) == (1, 1, 1, {"0": 1})


def test_versions_that_were_declared_otherwise_are_covered_together(stand: Shop) -> None:
    """A model that is retrained in mid-window, with other label keys."""
    stand.register(changed(monitoring=declare.Monitoring(labelled_by=("seen_at",))))
    stand.land(row(1, UNTIL), row(2, UNTIL, 0))
    at = (SINCE + HOUR, SINCE + 2 * HOUR)
    frame = predictions(
        asked("a.0", at[0], shop="n", amount=1, seen_at=SEEN.format(hour=1)),
        asked("b.0", at[1], version=2, shop="other", amount=9, seen_at=SEEN.format(hour=2)),
    )
    stand.write({"keys": {"seen_at": SEEN.format(hour=2)}, "as_of": at[1].isoformat(), "value": 1, "source": "x"})
    with stand.labels() as labels:
        found = labels.of(frame)
    assert found["label"].tolist() == [1.0, 1.0]
    assert found["label_source"].tolist() == ["lake", "api:x"]
    assert found["label_conflict"].tolist() == [False, True]


def test_history_shows_corrections_and_what_counts(stand: Shop) -> None:
    """https://github.com/mlflow/mlflow/pull/15884: an assessment that overrides another one, and both are kept."""
    stand.log.write(logged("r-1", AT, **KEYS))
    stand.write(label(1, 5), label(1, 5, prediction_id="r-2.0"), at=AT + 6 * HOUR)
    stand.write({"keys": KEYS, "as_of": AT.isoformat(), "value": 0, "observed_at": (AT + 7 * HOUR).isoformat()},
                at=AT + 8 * HOUR)  # fmt: skip
    stand.write(label(1, 5), at=AT + 9 * HOUR)
    stand.write(label(1, 4, source="bank"), at=AT + 10 * HOUR)
    with stand.labels() as labels:
        found = labels.history("r-1.0", AT + DAY)
        assert [(one.value, one.source, one.counts) for one in found] == [
            (1.0, "", False), (0.0, "", True), (1.0, "", False), (1.0, "bank", False),
        ]  # fmt: skip
        assert [one.counts for one in labels.history("r-1.0", AT + 7 * HOUR)] == [True]
        assert len(labels.history(known=AT + DAY)) == 5
        assert len(labels.history(known=AT + DAY, limit=2)) == 2
        assert labels.history("nobody.0", NOW) == ()
