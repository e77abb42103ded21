"""Logged predictions in the client and on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pandas
import pytest

from headwater.client import Stack
from headwater.client.errors import BadTarget
from headwater.monitoring.log.reading import BadRange, NoSuchColumn
from headwater.monitoring.log.records import COLUMNS
from headwater.registry.errors import ModelNotRegistered
from tests.unit.monitoring.logs import AT, HOUR, LATER, Log, record

EMPTY = datetime(2020, 1, 1, tzinfo=UTC)


def test_a_frame_equals_the_records_compacted_or_not(log: Log, logging_stack: Stack) -> None:
    records = [record(f"r-{number}", AT + number * timedelta(minutes=17), instances=3) for number in range(9)]
    log.write(*records)
    expected = [
        (one.received_at, f"{one.request_id}.{place}", given["probability"], json.dumps(given["inputs"]))
        for one in records
        for place, given in enumerate(one.predictions)
    ]
    for now in (None, AT + HOUR, AT + 2 * HOUR, AT + 9 * HOUR):
        if now:
            log.compact(now)
        frame = logging_stack.predictions("buys", AT, AT + 9 * HOUR).frame()
        assert tuple(frame.columns) == tuple(COLUMNS)
        read = zip(frame.received_at, frame.prediction_id, frame.output, frame.inputs, strict=True)
        assert [(at, name, output, json.dumps(json.loads(text))) for at, name, output, text in read] == expected
        assert logging_stack.predictions("buys", AT, AT + 9 * HOUR).count() == len(expected)
        part = logging_stack.predictions("buys", AT + timedelta(minutes=17), AT + HOUR)
        assert part.count() == len(part.frame()) == 9


def test_columns_types_and_time_zones_are_the_same_with_and_without_rows(log: Log, logging_stack: Stack) -> None:
    log.write(record("r-1"))
    log.compact()
    full = logging_stack.predictions("buys", AT, LATER).frame()
    none = logging_stack.predictions("buys", EMPTY, EMPTY + HOUR).frame()
    assert len(none) == 0
    pandas.testing.assert_series_equal(full.dtypes, none.dtypes)
    assert str(full.received_at.dtype) == "datetime64[us, UTC]"
    assert str(full.version.dtype) == "int64"
    tokyo = timezone(timedelta(hours=9))
    chosen = logging_stack.predictions(
        "buys", AT.astimezone(tokyo), LATER.astimezone(tokyo), columns=["output", "received_at"]
    )
    assert chosen.frame().to_dict("records") == [{"output": 0.25, "received_at": AT}]
    assert list(logging_stack.predictions("buys", EMPTY, EMPTY + HOUR)) == []
    assert logging_stack.predictions("buys", EMPTY, EMPTY + HOUR).count() == 0


def test_frames_are_small_however_many_predictions_an_hour_has(log: Log, logging_stack: Stack) -> None:
    log.write(*(record(f"r-{number:04}", instances=100) for number in range(450)))
    log.compact(AT + HOUR, rows=20_000)
    logged = logging_stack.predictions("buys", AT, LATER, columns=["instance"])
    sizes = [len(frame) for frame in logged.frames()]
    assert sum(sizes) == logged.count() == 45_000
    assert max(sizes) <= 40_960
    with pytest.raises(BadTarget, match="more than 44,999 predictions of buys"):
        logged.frame(most_rows=44_999)
    assert len(logged.frame(most_rows=45_000)) == 45_000


def test_an_hour_that_is_settled_is_not_listed(log: Log, logging_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(record("r-1"), record("r-2", AT + HOUR))
    log.compact(AT + 26 * HOUR)

    def listed(*given: object) -> None:
        raise AssertionError("records are listed")

    for name in ("of_hour", "of_day", "bodies", "hours"):
        monkeypatch.setattr(f"headwater.monitoring.log.store.CompactionStore.{name}", listed)
    assert len(logging_stack.predictions("buys", AT, AT + 2 * HOUR).frame()) == 2
    monkeypatch.setattr("headwater.monitoring.log.store.CompactionStore.fetch", listed)
    assert logging_stack.predictions("buys", AT - timedelta(minutes=30), AT + timedelta(minutes=90)).count() == 2


def test_times_and_columns_that_cannot_be_are_refused(logging_stack: Stack) -> None:
    with pytest.raises(BadRange, match=r"since 2026-03-01T05:30:00 has no time zone"):
        logging_stack.predictions("buys", AT.replace(tzinfo=None), LATER)
    with pytest.raises(BadRange, match="isn't before until"):
        logging_stack.predictions("buys", LATER, LATER)
    with pytest.raises(NoSuchColumn, match=r"no column 'probability'\. They have prediction_id"):
        logging_stack.predictions("buys", AT, LATER, columns=["output", "probability"])
    with pytest.raises(NoSuchColumn, match="expected a list"):
        logging_stack.predictions("buys", AT, LATER, columns="output")
    with pytest.raises(ModelNotRegistered):
        logging_stack.predictions("unknown", AT, LATER)
