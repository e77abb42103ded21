"""Written labels: each counts once, the latest observation wins, and nothing depends on how they were delivered."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater import declare
from headwater.monitoring.labels.errors import InvalidLabels, LabelsTooLarge, NoDefinition
from headwater.monitoring.labels.store import LabelStore
from headwater.registry.errors import ModelNotRegistered
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table, WriteRefused
from tests.crashing import dying_at
from tests.unit.monitoring.labelling import AT, DAY, NOW, Shop, asked, changed, keys_of, predictions
from tests.unit.monitoring.logs import BUCKET

SEEN = "2026-03-01T06:30:00Z"
KEYS = {"shop": "n", "amount": 3.5, "seen_at": SEEN}
ROW = "n,3.5,2026-03-01T06:30:00,2026-03-02T12:00:00,1"
HOUR = timedelta(hours=1)
_MODELS = count()


def label(value: Any = 1, hours: float | None = None, **more: Any) -> dict[str, Any]:
    """A label of prediction r-1.0 that was observed some hours after it."""
    observed = {} if hours is None else {"observed_at": (AT + hours * HOUR).isoformat()}
    return {"prediction_id": "r-1.0", "value": value, **observed, **more}


def final(stand: Shop, known: datetime | None = None) -> dict[str, Any]:
    """The label of prediction r-1.0."""
    (row,) = stand.of(asked(**KEYS), known=known)
    return row


def test_a_label_is_taken_and_read(stand: Shop) -> None:
    assert stand.write(label(1, 5, source="clerk")) == [{"verdict": "TAKEN"}]
    row = final(stand)
    assert (row["label"], row["label_source"], row["label_state"]) == (1.0, "api:clerk", "LABELLED")
    assert (row["observed_at"], row["labelled_at"]) == (AT + 5 * HOUR, NOW)
    assert not row["label_conflict"]


def test_a_label_names_its_prediction_by_inputs_and_moment(stand: Shop) -> None:
    keys = {"shop": "n", "amount": 3.50, "seen_at": "2026-03-01T07:30:00+01:00"}
    assert stand.write({"keys": keys, "as_of": AT.isoformat(), "value": 0})[0]["verdict"] == "TAKEN"
    assert (final(stand)["label"], final(stand)["label_source"]) == (0.0, "api")
    later, other = asked(at=AT + HOUR, **KEYS), asked(**KEYS | {"shop": "s"})
    assert [row["label_state"] for row in stand.of(later, other)] == ["NOTHING", "NOTHING"]


def test_the_same_call_again_changes_nothing(stand: Shop) -> None:
    """https://github.com/Arize-ai/phoenix/issues/14189: one feedback is two annotations."""
    items = [label(1, 5), label(0, 5, prediction_id="r-2.0")]
    assert [one["verdict"] for one in stand.write(*items)] == ["TAKEN", "TAKEN"]
    keys = keys_of()
    assert [one["verdict"] for one in stand.write(*items, at=NOW + DAY)] == ["KNOWN", "KNOWN"]
    assert [one["verdict"] for one in stand.write(*reversed(items), at=NOW + DAY)] == ["KNOWN", "KNOWN"]
    assert keys_of() == keys
    assert final(stand, NOW + 2 * DAY)["labelled_at"] == NOW


def test_a_label_twice_in_a_call_is_one(stand: Shop) -> None:
    assert [one["verdict"] for one in stand.write(label(1, 5), label(1.0, 5))] == ["TAKEN", "KNOWN"]


def test_a_label_may_come_again_weeks_later_in_other_company(stand: Shop) -> None:
    """https://github.com/langfuse/langfuse-docs/pull/3232: an id that holds for one day only."""
    stand.write(label(1, write_id="w-1"))
    stand.write(label(0, 50))
    stand.write(label(1, write_id="w-1"), label(1, 5, prediction_id="r-2.0"), at=NOW + 20 * DAY)
    first = NOW
    assert (final(stand, NOW + 21 * DAY)["label"], final(stand, NOW + 21 * DAY)["labelled_at"]) == (1.0, first)


def test_what_is_taken_is_stored(stand: Shop) -> None:
    """https://github.com/ai-firstly/langfuse-ruby/pull/12: accepted with 201, and dropped for want of an id."""
    verdicts = stand.write(*(label(number % 2, prediction_id=f"r-{number}.0") for number in range(500)))
    assert {one["verdict"] for one in verdicts} == {"TAKEN"}
    rows = stand.of(*(asked(f"r-{number}.0", **KEYS) for number in range(500)))
    assert [row["label"] for row in rows] == [number % 2 for number in range(500)]


def test_the_latest_observation_wins_whichever_came_last(stand: Shop) -> None:
    """https://github.com/Arize-ai/phoenix/issues/6440: an update by another way is ignored."""
    stand.write(label(1, 9), at=NOW)
    stand.write(label(0, 5), at=NOW + HOUR)
    assert final(stand, NOW + DAY)["label"] == 1.0
    stand.write(label(0, 10), at=NOW + 2 * HOUR)
    assert final(stand, NOW + DAY)["label"] == 0.0
    assert not final(stand, NOW + DAY)["label_conflict"]


def test_of_two_at_one_moment_the_one_received_last_wins(stand: Shop) -> None:
    stand.write(label(1, 5), at=NOW)
    stand.write(label(0, 5), at=NOW + HOUR)
    assert final(stand, NOW + DAY)["label"] == 0.0


def test_every_label_is_as_known_on_a_day(stand: Shop) -> None:
    for days, value in ((0, 1), (1, 0), (2, 1)):
        stand.write(label(value, 5 + days), at=NOW + days * DAY)
    found = [final(stand, NOW + hours * HOUR)["label"] for hours in (-1, 0, 23, 24, 47, 48, 100)]
    assert math.isnan(found[0])
    assert found[1:] == [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]


def test_a_written_label_beats_that_of_the_lake_and_their_difference_is_told(stand: Shop) -> None:
    stand.land(ROW)
    stand.write(label(0, 5))
    assert (final(stand)["label"], final(stand)["label_source"], final(stand)["label_conflict"]) == (0.0, "api", True)
    stand.write(label(1, 6))
    assert (final(stand)["label"], final(stand)["label_conflict"]) == (1.0, False)


def test_sources_that_differ_are_a_conflict_and_corrections_are_none(stand: Shop) -> None:
    """https://github.com/deepchecks/monitoring/pull/309: which of two labels was taken, nobody is told."""
    stand.write(label(1, 5, source="clerk"), label(0, 6, source="clerk"))
    assert not final(stand)["label_conflict"]
    stand.write(label(1, 4, source="bank"))
    row = final(stand)
    assert (row["label"], row["label_source"], row["label_conflict"]) == (0.0, "api:clerk", True)
    stand.write(label(0, 4.5, source="bank"))
    assert not final(stand)["label_conflict"]


def test_a_write_id_says_what_it_said_first(stand: Shop) -> None:
    stand.write(label(1, 5, write_id="w"), at=NOW)
    stand.write(label(0, 9, write_id="w"), at=NOW + HOUR)
    assert final(stand, NOW + DAY)["label"] == 1.0


def test_a_label_may_come_before_its_prediction(stand: Shop) -> None:
    """https://github.com/Arize-ai/phoenix/issues/4026: annotations of spans that aren't there yet are lost."""
    assert stand.write(label(1), at=AT - HOUR) == [{"verdict": "TAKEN"}]
    assert final(stand, AT)["label"] == 1.0
    assert stand.of(asked("r-1.0", AT + 29 * DAY, **KEYS), known=AT + 30 * DAY)[0]["label"] == 1.0
    assert stand.of(asked("r-1.0", AT + 31 * DAY, **KEYS), known=AT + 32 * DAY)[0]["label_state"] == "NOTHING"


def test_a_label_observed_before_the_question_does_not_count(stand: Shop) -> None:
    assert stand.write(label(1, -1)) == [{"verdict": "TAKEN"}]
    assert final(stand)["label_state"] == "NOTHING"
    stand.write(label(0, 2))
    assert final(stand)["label"] == 0.0
    given = {"keys": KEYS, "as_of": AT.isoformat(), "observed_at": (AT - HOUR).isoformat(), "value": 1}
    (verdict,) = stand.write(given)
    assert (verdict["verdict"], verdict["field"]) == ("REFUSED", "observed_at")
    assert "no moment before as_of" in verdict["expected"]


REFUSED: list[tuple[Any, str, str]] = [
    ("text", "label", "an object with prediction_id"),
    (None, "label", "an object"),
    (label("1"), "value", "0 or 1"),
    (label("yes"), "value", "0 or 1"),
    (label(2), "value", "0 or 1"),
    (label(0.5), "value", "0 or 1"),
    (label(None), "value", "0 or 1"),
    (label(float("nan")), "value", "0 or 1"),
    (label([1]), "value", "0 or 1"),
    ({"prediction_id": "r-1.0"}, "value", "0 or 1"),
    (label(1, observed_at="yesterday"), "observed_at", "a time such as"),
    (label(1, observed_at=1_770_000_000), "observed_at", "a time such as"),
    (label(1, observed_at="2026-03-01T05:30:00.1234567Z"), "observed_at", "no finer than microseconds"),
    (label(1, observed_at=(NOW + timedelta(minutes=6)).isoformat()), "observed_at", "isn't in the future"),
    (label(1, prediction_id="r-1"), "prediction_id", "<request id>.<instance>"),
    (label(1, prediction_id=7), "prediction_id", "text of at most"),
    (label(1, prediction_id="r" * 300 + ".0"), "prediction_id", "text of at most"),
    (label(1, prediction_id="r\n1.0"), "prediction_id", "printable"),
    (label(1, keys=KEYS), "prediction_id", "either prediction_id, or keys and as_of"),
    ({"value": 1}, "prediction_id", "or else keys and as_of"),
    ({"value": 1, "keys": KEYS}, "as_of", "a time"),
    ({"value": 1, "keys": {"shop": "n"}, "as_of": SEEN}, "keys.seen_at", "a time such as"),
    ({"value": 1, "keys": KEYS | {"town": "x"}, "as_of": SEEN}, "keys.town", "one of shop, amount, seen_at"),
    ({"value": 1, "keys": KEYS | {"amount": "much"}, "as_of": SEEN}, "keys.amount", "a number"),
    ({"value": 1, "keys": [], "as_of": SEEN}, "keys", "an object with shop"),
    (label(1, source="x" * 65), "source", "at most 64"),
    (label(1, write_id=5), "write_id", "text"),
    (label(1, colour="red"), "colour", "one of prediction_id"),
]


@pytest.mark.parametrize(("item", "field", "expected"), REFUSED)
def test_what_is_no_label_is_refused_with_its_reason(stand: Shop, item: Any, field: str, expected: str) -> None:
    verdicts = stand.write(label(1, 5), item)
    assert verdicts[0] == {"verdict": "TAKEN"}
    assert (verdicts[1]["verdict"], verdicts[1]["field"]) == ("REFUSED", field)
    assert expected in verdicts[1]["expected"]
    assert final(stand)["label"] == 1.0


@pytest.mark.parametrize(
    ("value", "taken"),
    [(0.1, 0.1), (-7, -7.0), (True, 1.0), (Decimal("0.25"), 0.25), (2**53 + 1, None), (1e39, None), (10**400, None),
     (float("inf"), None), ("7", None)],
)  # fmt: skip
def test_a_regression_takes_numbers_that_float64_holds(stand: Shop, value: Any, taken: float | None) -> None:
    stand.register(changed(task="regression", gates=(declare.Gate(metric="rmse", at_most=9),)))
    (verdict,) = stand.write(label(value))
    assert verdict["verdict"] == ("REFUSED" if taken is None else "TAKEN")
    if taken is not None:
        (row,) = stand.of(asked(version=2, **KEYS))
        assert row["label"] == taken


def test_a_clock_that_is_five_minutes_ahead_is_none_that_is_wrong(stand: Shop) -> None:
    assert stand.write(label(1, observed_at=(NOW + timedelta(minutes=5)).isoformat()))[0]["verdict"] == "TAKEN"


def test_a_call_that_is_no_list_of_labels_is_refused_whole(stand: Shop) -> None:
    with pytest.raises(LabelsTooLarge, match="501 are too many"):
        stand.write(*[label(1)] * 501)
    with pytest.raises(InvalidLabels, match="a list of 1 to 500"):
        stand.write()
    with pytest.raises(ModelNotRegistered):
        stand.write(label(1), model="nobody")
    assert keys_of() == []


def test_a_model_whose_versions_kept_no_declaration_takes_no_labels(stand: Shop) -> None:
    stand.register(changed(name="old"), definition=False)
    with pytest.raises(NoDefinition, match="kept how it was declared"):
        stand.write(label(1), model="old")


def test_labels_of_one_class_only_are_labels(stand: Shop) -> None:
    """https://github.com/NannyML/nannyml/pull/405: a chunk in which a class is missing."""
    stand.write(*(label(1, prediction_id=f"r-{number}.0") for number in range(9)))
    frame = stand.of(*(asked(f"r-{number}.0", **KEYS) for number in range(10)))
    assert [row["label"] for row in frame[:9]] == [1.0] * 9
    assert math.isnan(frame[9]["label"])


def test_a_model_may_be_called_labels(stand: Shop) -> None:
    stand.write(label(1))
    assert "labels" not in stand.log.store.log.models()


def test_two_models_share_no_labels(stand: Shop) -> None:
    stand.register(changed(name="buys2"))
    stand.write(label(1), model="buys2")
    assert final(stand)["label_state"] == "NOTHING"


def test_a_batch_that_somebody_deleted_is_told_and_not_guessed(stand: Shop) -> None:
    stand.write(label(1, 5))
    CLIENTS("s3").delete_object(Bucket=BUCKET, Key=keys_of()[0])
    labels = stand.labels()
    assert labels.of(predictions(asked(**KEYS)))["label_state"].tolist() == ["NOTHING"]
    assert labels.coverage([predictions(asked(**KEYS))], AT - DAY, AT + DAY).deleted == 1


# -- faults -------------------------------------------------------------------------------------------------------


CALLS = ((LabelStore, ("put", "known", "put_file")), (Table, ("transact",)))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_write_that_is_killed_anywhere_can_be_made_again(stand: Shop, when: str) -> None:
    items = [label(1, 5), label(0, 5, prediction_id="r-2.0")]
    for number in count(1):
        model = f"buys_{number}"
        stand.register(changed(name=model))
        with dying_at(number, *CALLS, when=when) as death:
            stand.write(*items, model=model)
        # What isn't noted counts for nothing; what is noted is whole.
        before = len(list(stand.store.batches(model, AT - DAY, NOW + DAY)))
        assert before in (0, 1)
        stand.write(*items, model=model, at=NOW + HOUR)
        (batch,) = stand.store.batches(model, AT - DAY, NOW + DAY)
        assert batch.received_at == (NOW if before else NOW + HOUR)
        assert len(keys_of(f"labels/{model}/")) == 1
        with stand.labels(model) as labels:
            found = labels.of(predictions(asked(**KEYS), asked("r-2.0", **KEYS)), NOW + DAY)
        assert found["label"].tolist() == [1.0, 0.0]
        if not death.came:
            break
    assert number > 3


def test_a_lost_answer_is_no_second_label(stand: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    transact = Table.transact

    def lost(table: Table, writes: Sequence[Any]) -> None:
        transact(table, writes)
        raise WriteRefused("the answer was lost")

    monkeypatch.setattr(Table, "transact", lost)
    assert stand.write(label(1, 5)) == [{"verdict": "TAKEN"}]
    assert stand.write(label(1, 5), at=NOW + HOUR) == [{"verdict": "KNOWN"}]
    assert len(list(stand.store.batches("buys", AT, NOW + DAY))) == 1


def test_a_write_that_was_not_acknowledged_says_so(stand: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(table: Table, writes: Sequence[Any]) -> None:
        raise WriteRefused("throttled")

    monkeypatch.setattr(Table, "transact", refused)
    with pytest.raises(WriteRefused):
        stand.write(label(1, 5))
    assert final(stand)["label_state"] == "NOTHING"


ITEMS = st.lists(
    st.fixed_dictionaries(
        {
            "who": st.sampled_from(["r-1.0", "r-2.0", "keys"]),
            "value": st.integers(0, 1),
            "source": st.sampled_from(["", "a", "b"]),
        }
    ),
    min_size=1,
    max_size=8,
)


def items_of(drawn: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Labels that were each observed at a moment of their own."""
    made = []
    for place, one in enumerate(drawn):
        target = {"keys": KEYS, "as_of": AT.isoformat()} if one["who"] == "keys" else {"prediction_id": one["who"]}
        observed = (AT + place * timedelta(minutes=1)).isoformat()
        made.append({**target, "value": one["value"], "source": one["source"], "observed_at": observed})
    return made


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), drawn=ITEMS)
def test_doubled_and_shuffled_deliveries_give_the_same_labels(stand: Shop, data: st.DataObject, drawn: Any) -> None:
    items, found = items_of(drawn), []
    for _ in range(2):
        model = f"shuffled_{next(_MODELS)}"
        stand.register(changed(name=model))
        doubled = items + data.draw(st.lists(st.sampled_from(items), max_size=4))
        order = data.draw(st.permutations(doubled))
        cut = data.draw(st.integers(0, len(order)))
        for place, batch in enumerate((order[:cut], order[cut:])):
            if batch:
                stand.write(*batch, model=model, at=NOW + place * HOUR)
        with stand.labels(model) as labels:
            frame = labels.of(predictions(asked(**KEYS), asked("r-2.0", at=AT, shop="s", seen_at=SEEN)), NOW + DAY)
        columns = ["label", "label_source", "observed_at", "label_conflict", "label_state"]
        found.append(json.dumps(frame[columns].to_dict("records"), default=str))
    assert found[0] == found[1]
    # The oracle: the newest observation of each prediction.
    (first, _) = frame.to_dict("records")
    mine = [one for one in items if one.get("prediction_id") == "r-1.0" or "keys" in one]
    if mine:
        assert first["label"] == max(mine, key=lambda one: one["observed_at"])["value"]
    else:
        assert math.isnan(first["label"])
