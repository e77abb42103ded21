"""Records as rows: what was logged, exactly, or the reason why not."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from headwater.json_values import dumps
from headwater.monitoring.log.records import COLUMNS, Torn, read
from headwater.serving.types import record_key
from tests.unit.monitoring.logs import AT, HOUR, LATER, Log, instance, record, rows_of

KEY = record_key("buys", AT, "r-1")


def row(text: str) -> dict[str, Any]:
    (found,) = read(text.encode(), KEY).rows
    return dict(zip(COLUMNS, found, strict=True))


def logged(**changes: Any) -> str:
    """A record of one instance, some of whose cells are given as JSON text."""
    text = dumps(record("r-1").document())
    for name, value in changes.items():
        before = dumps(json.loads(text)["predictions"][0][name])
        assert f'"{name}":{before}' in text
        text = text.replace(f'"{name}":{before}', f'"{name}":{value}')
    return text


EXACT = [
    '{"amount":1e400,"other":-1E-400}',
    '{"amount":0.1000000000000000055511151231257827}',
    f'{{"amount":{10**20},"other":9007199254740993,"third":{"9" * 5000}}}',
    '{"amount":1.0,"other":1,"third":-0.0,"fourth":1E2}',
    r'{"name":"a\u0000b","half":"\ud800","pair":"\ud83d\ude00","slash":"\/","name 2":"\""}',
    '{ "spaces" : [ 1 , 2 ] ,\n "deep":{"a":[{"b":null}]}}',
    '{"naïve":"café ☃","predictions":[1],"inputs":{}}',
    "{}",
]


@pytest.mark.parametrize("text", EXACT)
@pytest.mark.parametrize("name", ["inputs", "features", "views"])
def test_inputs_and_features_are_the_text_that_was_logged(log: Log, name: str, text: str) -> None:
    """https://github.com/huggingface/datasets/issues/8365, https://github.com/whylabs/whylogs/issues/793."""
    body = logged(**{name: text})
    assert row(body)[name] == text
    if name == "inputs":
        log.put(KEY, body)
        assert [found[name] for found in log.read()] == [text]
        log.compact()
        assert [found[name] for found in log.read()] == [text]


@pytest.mark.parametrize(
    "text", ["0.1", "5e-324", "1.7976931348623157e308", "-0.0", "0", "9007199254740992", f"{2**70}"]
)
def test_outputs_are_the_float_that_was_logged(log: Log, text: str) -> None:
    log.put(KEY, logged(probability=text))
    log.compact()
    (found,) = log.read()
    assert (found["output"].hex(), found["output_name"]) == (float(text).hex(), "probability")


def test_every_field_is_kept_and_a_missing_age_is_missing(log: Log) -> None:
    at = datetime(2026, 3, 1, 5, 59, 59, 999999, tzinfo=UTC)
    far = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    given = [instance(1, feature_age_seconds=None), {**instance(2), "value": -3.5}]
    del given[1]["probability"]
    log.write(record("r-1", at, predictions=given, as_of=far, version=12, looked_up=False))
    log.compact()
    (key,) = log.keys("compact/")
    first, second = rows_of(log.body(key))
    assert list(first) == list(COLUMNS)
    assert (first["prediction_id"], first["request_id"], first["instance"]) == ("r-1.0", "r-1", 0)
    assert (first["model"], first["version"], first["alias"], first["run_id"]) == ("buys", 12, "production", "run-1")
    assert (first["data_version"], first["features_from"]) == ("d", "request")
    epoch, tick = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
    assert (first["received_at"], first["as_of"]) == ((at - epoch) // tick, (far - epoch) // tick)
    assert (first["feature_age_seconds"], second["feature_age_seconds"]) == (None, 60.0)
    assert (second["output_name"], second["output"]) == ("value", -3.5)
    assert json.loads(second["missing_features"]) == ["habits.name"]
    assert [found["received_at"] for found in log.read()] == [at, at]
    assert math.isnan(log.read()[0]["feature_age_seconds"])


def without(name: str, *, inside: bool = False) -> str:
    document = record("r-1").document()
    (document["predictions"][0] if inside else document).pop(name)
    return json.dumps(document)


def changed(**changes: Any) -> str:
    return json.dumps(record("r-1").document() | changes)


TORN = {
    "": "it is empty",
    "{": "isn't JSON",
    logged()[:-1]: "isn't JSON",
    logged()[: len(logged()) // 2]: "isn't JSON",
    logged() + logged(): "something follows",
    "[]": "expected an object",
    "null": "expected an object",
    logged(probability="NaN"): "NaN is no JSON value",
    logged(probability="1e400"): "1e400 is no float64",
    logged(probability="9007199254740993"): "9007199254740993 is no float64",
    logged(probability="null"): "probability is no number",
    logged(probability='"0.5"'): "probability is no number",
    logged(probability="true"): "probability is no number",
    logged(probability='0.5,"value":1'): "a probability and a value",
    logged(inputs="[]"): "inputs aren't an object",
    logged(inputs='{"a":1,"a":2}'): "one name twice",
    logged(missing_features="null"): "missing_features aren't a list",
    without("probability", inside=True): "neither a probability nor a value",
    without("inputs", inside=True): r"predictions\[0\]: it has no inputs",
    without("model"): "it has no model",
    without("received_at"): "it has no received_at",
    changed(model="buys2"): "its model is 'buys2', but it lies under 'buys'",
    changed(request_id="r-2"): "its request_id is 'r-2'",
    changed(received_at=(AT + HOUR).isoformat()): "another hour",
    changed(received_at="2026-03-01T05:30:00"): "has no time zone",
    changed(received_at="2026-03-01T05:30:00.1234567+00:00"): "finer than microseconds",
    changed(received_at="yesterday"): "is no time",
    changed(version="1"): "version is no whole number",
    changed(version=True): "version is no whole number",
    changed(version=1.5): "version is no whole number",
    changed(alias=None): "alias is no text",
    changed(run_id="\ud800"): "half a surrogate pair",
    changed(predictions=[]): "at least one entry",
    changed(predictions={"a": 1}): "at least one entry",
    changed(predictions=[1]): "isn't JSON",
    changed(format=2): "of format 2",
    logged().replace('"alias"', '"model":"buys","alias"'): "'model' twice",
    logged(inputs='{"a":' + "[" * 5000 + "]" * 5000 + "}"): "nested too deeply",
}


def test_deep_nesting_is_refused_whatever_python_s_limit_is() -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        with pytest.raises(Torn, match="nested too deeply"):
            read(logged(inputs='{"a":' + "[" * 5000 + "]" * 5000 + "}").encode(), KEY)
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize(("text", "reason"), TORN.items(), ids=range(len(TORN)))
def test_a_record_that_cannot_be_kept_says_why(text: str, reason: str) -> None:
    with pytest.raises(Torn, match=reason):
        read(text.encode(), KEY)


@pytest.mark.parametrize("key", ["buys/date=2026-03-01/hour=05/r-1", "buys/date=2026-02-30/r.json", "buys/r.json",
                                 "buys/date=2026-03-01/hour=5/r.json", "buys/date=2026-03-01/a/b.json"])  # fmt: skip
def test_a_key_that_is_no_records_is_torn(key: str) -> None:
    with pytest.raises(Torn, match="no record's"):
        read(logged().encode(), key)


def test_torn_records_are_quarantined_with_their_bytes_and_counted(log: Log) -> None:
    """https://github.com/banso-labs/banso/issues/1193: lines that are skipped with no record of what was lost."""
    log.write(record("good"))
    log.put(record_key("buys", AT, "half"), '{"model": "bu')
    log.put(record_key("buys", AT, "raw"), b"\xff\x00")
    log.put("buys/date=2026-03-01/hour=05/notes.txt", "hello")
    report = log.compact()
    assert (report.records, report.torn, report.alarming) == (1, 3, 3)
    assert len(report.reasons) == 3
    found = {
        document["key"].rpartition("/")[2]: document
        for key in log.keys("quarantine/")
        for document in [json.loads(log.body(key))]
    }
    assert {key.rpartition("/")[0] for key in log.keys("quarantine/")} == {"quarantine/buys/hour=2026-03-01T05"}
    assert found["half.json"]["text"] == '{"model": "bu'
    assert found["raw.json"]["latin1"].encode("latin-1") == b"\xff\x00"
    assert "no record's" in found["notes.txt"]["reason"]
    log.assert_once()
    # The records stay, and are neither read nor quarantined again.
    assert log.body(record_key("buys", AT, "half"))
    assert log.compact(LATER + 30 * HOUR).torn == 0
    assert len(log.keys("quarantine/")) == 3


def test_the_alarm_hears_of_torn_records_for_three_hours(log: Log) -> None:
    log.write(record("good"))
    log.put(record_key("buys", AT, "half"), "{")
    assert log.compact(AT + HOUR).alarming == 1
    assert [log.compact(AT + hours * HOUR).alarming for hours in (2, 3, 4, 5)] == [1, 1, 0, 0]


def test_a_torn_record_that_is_written_whole_later_is_taken_in(log: Log) -> None:
    log.put(record_key("buys", AT, "r-1"), "{")
    assert log.compact(AT + HOUR).torn == 1
    log.write(record("r-1"))
    report = log.compact(AT + 2 * HOUR)
    assert (report.records, report.torn) == (1, 0)
    log.assert_once()


def test_torn_records_that_are_not_compacted_yet_are_told_to_the_reader(log: Log) -> None:
    log.write(record("good"))
    log.put(record_key("buys", AT, "half"), "{")
    torn: list[str] = []
    assert len(log.read(torn=torn)) == 1
    (said,) = torn
    assert said.startswith("buys/date=2026-03-01/hour=05/half.json: it isn't JSON")
