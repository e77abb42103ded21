"""Labels that the lake tells by the model's own examples: those that were known by then, and no others."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from headwater import declare
from headwater.features.errors import InvalidExamples
from tests.unit.monitoring.labelling import AT, BASKET_SOURCE, DAY, MODEL, Shop, asked, changed, predictions

SEEN = "2026-03-01T06:30:00Z"
ROW = "n,3.5,2026-03-01T06:30:00,2026-03-02T12:00:00,1"


def one(stand: Shop, known: Any = None, **inputs: Any) -> tuple[Any, str]:
    """Label and state of a prediction."""
    given = {"shop": "n", "amount": 3.5, "seen_at": SEEN} | inputs
    (row,) = stand.of(asked(**given), known=known)
    return (None if math.isnan(row["label"]) else row["label"]), row["label_state"]


def test_a_prediction_has_the_label_of_the_example_with_its_inputs(stand: Shop) -> None:
    stand.land(
        ROW, "n,3.5,2026-03-01T07:30:00,2026-03-02T12:00:00,0", "s,3.5,2026-03-01T06:30:00,2026-03-02T12:00:00,0"
    )
    (row,) = stand.of(asked(shop="n", amount=3.5, seen_at=SEEN))
    assert (row["label"], row["label_source"], row["label_state"]) == (1.0, "lake", "LABELLED")
    assert not row["label_conflict"]
    assert one(stand, shop="s") == (0.0, "LABELLED")
    assert one(stand, shop="w") == (None, "NOTHING")


def test_a_row_is_known_from_its_available_time_on(stand: Shop) -> None:
    stand.land(ROW, at=AT)
    paid = AT.replace(day=2, hour=12, minute=0)
    assert one(stand, paid - timedelta(microseconds=1)) == (None, "NOTHING")
    assert one(stand, paid) == (1.0, "LABELLED")


def test_the_next_moment_is_told_at_which_time_alone_gives_a_label(stand: Shop) -> None:
    stand.land(ROW, ROW.replace("T12:00:00", "T18:00:00"), at=AT)
    first, second = (AT.replace(day=2, hour=hour, minute=0) for hour in (12, 18))
    for known, expected in ((AT, first), (first, second), (second, None)):
        with stand.labels() as labels:
            labels.of(predictions(asked(shop="n", amount=3.5, seen_at=SEEN)), known)
            assert labels.changes(known) == expected


def test_a_row_is_known_from_its_commit_on(stand: Shop) -> None:
    stand.land(ROW, at=AT + 5 * DAY)
    assert one(stand, AT + 4 * DAY) == (None, "NOTHING")
    assert one(stand, AT + 5 * DAY + timedelta(seconds=1)) == (1.0, "LABELLED")


def test_a_correction_in_the_lake_restates_the_label_from_its_commit_on(stand: Shop) -> None:
    stand.source = BASKET_SOURCE.model_copy(update={"keys": ("shop", "seen_at")})
    stand.register()
    stand.land(ROW, at=AT + 2 * DAY)
    stand.land(ROW[:-1] + "0", at=AT + 4 * DAY)
    given = asked(version=2, shop="n", amount=3.5, seen_at=SEEN)
    before, after = (stand.of(given, known=AT + days * DAY)[0]["label"] for days in (3, 5))
    assert (before, after) == (1.0, 0.0)


def test_rows_without_an_available_time_are_known_with_their_commit(stand: Shop) -> None:
    stand.land("n,3.5,2026-03-01T06:30:00,,1", at=AT + DAY)
    assert one(stand, AT + 2 * DAY) == (1.0, "LABELLED")


def test_a_source_without_an_available_time_is_known_as_it_was_committed(stand: Shop) -> None:
    stand.source = BASKET_SOURCE.model_copy(update={"available_time": None})
    stand.register()
    stand.land(ROW.replace("n,", "s,"), at=AT + timedelta(hours=1))
    (row,) = stand.of(asked(version=2, shop="s", amount=3.5, seen_at=SEEN), known=AT + timedelta(hours=2))
    assert row["label"] == 1.0


def test_an_example_without_a_label_waits_for_it(stand: Shop) -> None:
    stand.land(ROW[:-1])
    assert one(stand) == (None, "WAITING")


def test_of_several_examples_the_one_of_the_very_moment_counts(stand: Shop) -> None:
    stand.register(changed(monitoring=declare.Monitoring(labelled_by=("shop",))))
    stand.land(ROW, "n,9,2026-03-01T06:31:00,2026-03-02T12:00:00,0")
    labels = [stand.of(asked(at=AT + timedelta(minutes=minutes), version=2, shop="n"))[0] for minutes in (0, 1, 2)]
    assert [(row["label_state"], row["label"]) for row in labels[:2]] == [("LABELLED", 1.0), ("LABELLED", 0.0)]
    assert labels[2]["label_state"] == "AMBIGUOUS"
    assert math.isnan(labels[2]["label"])


def test_several_examples_that_agree_are_a_label(stand: Shop) -> None:
    stand.register(changed(monitoring=declare.Monitoring(labelled_by=("shop",))))
    stand.land(ROW, "n,9,2026-03-01T06:31:00,2026-03-02T12:00:00,1")
    (row,) = stand.of(asked(at=AT + timedelta(minutes=2), version=2, shop="n"))
    assert (row["label"], row["label_state"]) == (1.0, "LABELLED")


def test_keys_without_a_time_meet_no_example_of_another_day(stand: Shop) -> None:
    """Shop n comes again every day: the label of next week is another one's."""
    stand.register(changed(monitoring=declare.Monitoring(labelled_by=("shop",))))
    stand.land("n,1,2026-03-04T06:30:00,2026-03-05T12:00:00,1")
    (row,) = stand.of(asked(version=2, shop="n"))
    assert row["label_state"] == "NOTHING"


def test_who_asks_days_ahead_still_gets_the_label_by_keys_with_a_time(stand: Shop) -> None:
    stand.land("n,3.5,2026-03-09T06:30:00,2026-03-09T12:00:00,1")
    assert one(stand, seen_at="2026-03-09T07:30:00+01:00") == (1.0, "LABELLED")


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("n,3.5,2026-03-01T06:30:00", {"seen_at": "2026-03-01 07:30:00+01:00"}),
        ("n,3.5,2026-03-01T06:30:00", {"seen_at": "2026-03-01T06:30"}),
        ("n,3.5,2026-03-01T06:30:00", {"seen_at": "2026-W09-7T06:30:00Z"}),
        ("n,3,2026-03-01T06:30:00", {"amount": 3.0}),
        ("n,0.1,2026-03-01T06:30:00", {"amount": 1e-1}),
        ("n,1,2026-03-01T06:30:00", {"amount": True}),
        (",3.5,2026-03-01T06:30:00", {"shop": None}),
        (",3.5,2026-03-01T06:30:00", {"shop": ""}),
        ("n,,2026-03-01T06:30:00", {"amount": None}),
        ("12,3.5,2026-03-01T06:30:00", {"shop": 12}),
        ("12,3.5,2026-03-01T06:30:00", {"shop": 12.0}),
        ("0.5,3.5,2026-03-01T06:30:00", {"shop": 0.50}),
        ("true,3.5,2026-03-01T06:30:00", {"shop": True}),
        ('"a ""b"" \\ c/é",3.5,2026-03-01T06:30:00', {"shop": 'a "b" \\ c/é'}),
    ],
)
def test_keys_compare_as_training_encodes_them(stand: Shop, written: str, given: dict[str, Any]) -> None:
    stand.land(f"{written},2026-03-02T12:00:00,1", "x,7,2026-03-01T06:30:00,2026-03-02T12:00:00,0")
    assert one(stand, **given) == (1.0, "LABELLED")


def test_a_missing_key_is_no_wildcard(stand: Shop) -> None:
    stand.land(ROW)
    assert one(stand, amount=None) == (None, "NOTHING")
    assert one(stand, shop=None) == (None, "NOTHING")


@pytest.mark.parametrize("label", ["0.5", "2", "-1"])
def test_a_label_that_a_classifier_cannot_have_is_told(stand: Shop, label: str) -> None:
    stand.land(ROW[:-1] + label)
    assert one(stand) == (None, "INVALID")


def test_a_regression_s_label_is_the_number_that_the_lake_has(stand: Shop) -> None:
    gates = (declare.Gate(metric="rmse", at_most=9),)
    sql = MODEL.examples.sql.replace("bought FROM", "CAST(bought AS DECIMAL(18, 4)) AS bought FROM")
    examples = MODEL.examples.model_copy(update={"sql": sql + ";"})
    stand.register(changed(task="regression", gates=gates, examples=examples))
    stand.land(ROW[:-1] + "17.0625")
    (row,) = stand.of(asked(version=2, shop="n", amount=3.5, seen_at=SEEN))
    assert row["label"] == 17.0625


def test_each_version_s_labels_mean_what_they_meant_when_it_was_trained(stand: Shop) -> None:
    sql = MODEL.examples.sql.replace("bought FROM", "1 - bought AS bought FROM")
    stand.register(changed(examples=MODEL.examples.model_copy(update={"sql": sql})))
    stand.land(ROW)
    given = {"shop": "n", "amount": 3.5, "seen_at": SEEN}
    rows = stand.of(asked("a.0", **given), asked("b.0", version=2, **given), asked("c.0", **given))
    assert [row["label"] for row in rows] == [1.0, 0.0, 1.0]


def test_a_version_that_kept_no_declaration_is_read_by_the_newest_one(stand: Shop) -> None:
    stand.register(definition=False)
    stand.land(ROW)
    (row,) = stand.of(asked(version=2, shop="n", amount=3.5, seen_at=SEEN))
    assert row["label"] == 1.0


def test_examples_whose_sql_fails_on_the_data_of_then_say_so(stand: Shop) -> None:
    sql = "SELECT shop, amount, seen_at, gone AS bought FROM baskets"
    stand.register(changed(examples=MODEL.examples.model_copy(update={"sql": sql}), holdout=declare.Holdout(share=0.1)))
    stand.land(ROW)
    with pytest.raises(InvalidExamples, match="the SQL of its examples fails"):
        stand.of(asked(version=2, shop="n", amount=3.5, seen_at=SEEN))


def test_examples_without_a_time_are_met_by_their_keys_alone(stand: Shop) -> None:
    sql = "SELECT shop, amount, seen_at, bought FROM baskets"
    stand.register(changed(examples=MODEL.examples.model_copy(update={"sql": sql}), holdout=declare.Holdout(share=0.1)))
    stand.land(ROW)
    (row,) = stand.of(asked(version=2, shop="n", amount=3.5, seen_at=SEEN))
    assert row["label"] == 1.0


def test_a_lake_without_data_gives_no_labels(stand: Shop) -> None:
    assert one(stand) == (None, "NOTHING")


def test_one_set_of_files_serves_all_frames(stand: Shop) -> None:
    stand.land(*(f"n,{number},2026-03-01T06:30:00,2026-03-02T12:00:00,{number % 2}" for number in range(40)))
    frames = [asked(f"r-{number}.0", shop="n", amount=number, seen_at=SEEN) for number in range(40)]
    labels = stand.labels()
    found = [frame["label"].iloc[0] for frame in (labels.of(predictions(row)) for row in frames)]
    assert found == [number % 2 for number in range(40)]
