"""Joins of labels went wrong elsewhere in these ways; each report has the right answer as a test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from headwater.monitoring.labels.coverage import Coverage
from tests.unit.monitoring.labelling import AT, Shop, asked, logged, predictions
from tests.unit.monitoring.test_label_coverage import covered
from tests.unit.monitoring.test_written_labels import SEEN, label

KEYS: dict[str, Any] = {"shop": "n", "amount": 3.5, "seen_at": SEEN}


def test_a_frame_of_any_index_keeps_it_and_its_labels(stand: Shop) -> None:
    """Arize-ai/phoenix#9610: a frame whose index isn't 0, 1, 2 ends with an exception."""
    stand.write(label(1), label(0, prediction_id="r-2.0"))
    frame = predictions(asked("r-1.0", **KEYS), asked("r-3.0", **KEYS), asked("r-2.0", **KEYS))
    for index in (["b", "a", "c"], [7, 7, -1], [2, 1, 0]):
        frame.index = index  # type: ignore[assignment]
        found = stand.labels().of(frame)
        assert list(found.index) == index
        assert found["label"].fillna(-1).tolist() == [1.0, -1.0, 0.0]


def test_predictions_of_equal_inputs_have_labels_of_their_own(stand: Shop) -> None:
    """ShiuLab/ML-Pipeline#22: rows of equal features were dropped, and the labels of others moved up to them."""
    stand.write(*(label(number % 2, prediction_id=f"r-{number}.0") for number in range(6)))
    rows = stand.of(*(asked(f"r-{number}.0", **KEYS) for number in (5, 0, 3, 2)))
    assert [row["label"] for row in rows] == [1.0, 0.0, 1.0, 0.0]


def test_an_id_that_nobody_has_holds_no_other_label_back(stand: Shop) -> None:
    """TencentCloudADP/youtu-agent#209: one id that doesn't exist ended the whole batch."""
    verdicts = stand.write(label(1), label(1, prediction_id="nobody.0"), label(1, prediction_id="no instance"))
    assert [one["verdict"] for one in verdicts] == ["TAKEN", "TAKEN", "REFUSED"]
    assert stand.of(asked(**KEYS))[0]["label"] == 1.0


def test_a_window_without_labels_or_predictions_is_an_answer(stand: Shop) -> None:
    """aws/sagemaker-python-sdk#2634: the job fails with "Job inputs had no data"."""
    nothing = covered(stand)
    assert isinstance(nothing, Coverage)
    assert (nothing.predictions, nothing.labelled, nothing.share) == (0, 0, None)
    stand.log.write(logged("r-1", AT, **KEYS))
    some = covered(stand)
    assert (some.predictions, some.labelled, some.share, some.delay_reason) == (1, 0, 0.0, "")


def test_labels_join_by_id_however_long_they_took_and_whatever_their_hour(stand: Shop) -> None:
    """aws/sagemaker-python-sdk#2629, #2634: truth is looked for in the folder of one hour, and found in no other."""
    at = AT.replace(minute=59) + timedelta(seconds=59)
    stand.write(label(1), at=AT + timedelta(days=25, hours=7))
    (row,) = stand.of(asked("r-1.0", at=at, **KEYS), known=AT + timedelta(days=26))
    assert row["label"] == 1.0
