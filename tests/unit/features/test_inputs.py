"""Request inputs become model columns, or problems that say what was given and what was expected."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.declare import category, number, timestamp
from headwater.features.errors import InvalidInput
from headwater.features.inputs import encode, encode_value, entity_text
from headwater.features.offline.columns import entity_sql

DISTANCE = number("distance", minimum=1, maximum=12000)
CARRIER = category("carrier")
DEPARTURE = timestamp("sched_dep", timezone="America/New_York")
NOTE = category("note", required=False)
SPEED = number("speed", required=False)
INPUTS = (DISTANCE, CARRIER, DEPARTURE, NOTE, SPEED)
GOOD = {"distance": 187, "carrier": "B6", "sched_dep": "2013-05-01T10:30:00Z"}


def problems(instance: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        encode(INPUTS, instance)
    assert caught.value.http_status == 400
    return {problem.field: f"{problem.given}, expected {problem.expected}" for problem in caught.value.problems}


def test_inputs_become_the_models_columns_in_order() -> None:
    columns = encode(INPUTS, GOOD)
    assert list(columns) == [
        "distance", "carrier", "sched_dep_hour", "sched_dep_weekday", "sched_dep_month", "note", "speed"
    ]  # fmt: skip
    assert list(columns.values())[:6] == [187.0, "B6", 6.5, 2.0, 5.0, ""]
    assert math.isnan(columns["speed"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "moment",
    ["2013-05-01T06:30:00-04:00", "2013-05-01T10:30:00", "2013-05-01 10:30", datetime(2013, 5, 1, 10, 30, tzinfo=UTC)],
)
def test_a_time_is_utc_unless_it_carries_an_offset(moment: Any) -> None:
    assert encode_value(DEPARTURE, moment) == (6.5, 2.0, 5.0)


def test_the_hour_follows_daylight_saving_time() -> None:
    assert encode_value(DEPARTURE, "2013-03-10T06:59:00Z")[0] == pytest.approx(1 + 59 / 60)
    assert encode_value(DEPARTURE, "2013-03-10T07:00:00Z")[0] == 3.0


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"distance": "far"}, "distance", "'far', expected a number from 1 to 12000"),
        ({"distance": 0}, "distance", "0, expected a number from 1 to 12000"),
        ({"distance": 10**400}, "distance", "a number of more than 38 digits"),
        ({"distance": math.inf}, "distance", "inf, expected"),
        ({"distance": None}, "distance", "missing, expected"),
        ({"distance": math.nan}, "distance", "missing, expected"),
        ({"speed": 1e39}, "speed", "1e+39, expected a number"),
        ({"carrier": ["B6"]}, "carrier", "['B6'], expected text"),
        ({"carrier": ""}, "carrier", "missing, expected text"),
        ({"carrier": "\ud800"}, "carrier", "expected text"),
        ({"carrier": "x" * 2000}, "carrier", "expected text"),
        ({"sched_dep": "tomorrow"}, "sched_dep", "'tomorrow', expected a time such as"),
        ({"sched_dep": "0001-01-01T00:00:00"}, "sched_dep", "expected a time"),
        ({"sched_dep": 1367404200}, "sched_dep", "1367404200, expected a time"),
        ({"carier": "B6"}, "carier", "unknown input, expected one of distance, carrier, sched_dep, note, speed"),
    ],
)
def test_a_problem_names_the_field_what_was_given_and_what_was_expected(
    change: dict[str, Any], field: str, words: str
) -> None:
    assert words in problems({**GOOD, **change})[field]


def test_all_problems_are_told_at_once() -> None:
    assert sorted(problems({"distance": -1, "extra": 1})) == ["carrier", "distance", "extra", "sched_dep"]


@pytest.mark.parametrize("instance", [None, [], "text", 3])
def test_an_instance_must_be_an_object(instance: Any) -> None:
    assert "expected an object" in problems(instance)["instance"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([entry.name for entry in INPUTS] + ["x"]), json_values))
def test_any_json_gives_columns_or_problems_and_nothing_else(instance: dict[str, Any]) -> None:
    try:
        columns = encode(INPUTS, json.loads(json.dumps(instance)))
    except InvalidInput:
        return
    assert len(columns) == 7
    assert all(isinstance(value, str) or not math.isinf(numpy.float32(value)) for value in columns.values())


@pytest.mark.parametrize("value", [12, 12.0, Decimal("12.00"), numpy.int64(12), numpy.float32(12), "12"])
def test_a_join_key_is_the_same_text_however_its_number_is_written(value: Any) -> None:
    assert entity_text(value) == "12"


decimals = st.integers(0, 37).flatmap(
    lambda places: st.tuples(
        st.just(f"DECIMAL(38,{places})"),
        st.integers(-(10**37), 10**37).map(lambda digits: Decimal(digits).scaleb(-places)) | st.just(Decimal(0)),
    )
)
keys = st.one_of(
    st.tuples(st.just("DOUBLE"), st.floats(allow_nan=False, allow_infinity=False) | st.integers(-99, 99).map(float)),
    st.tuples(st.just("FLOAT"), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.tuples(st.just("HUGEINT"), st.integers(-(2**127) + 1, 2**127 - 1)),
    st.tuples(st.just("BIGINT"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("UBIGINT"), st.integers(2**53, 2**64 - 1)),
    st.tuples(st.just("BOOLEAN"), st.booleans()),
    st.tuples(st.just("DATE"), st.dates()),
    st.tuples(st.just("UUID"), st.uuids()),
    st.tuples(st.just("VARCHAR"), st.text(st.characters(exclude_categories=["Cs"]))),
    decimals,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(keys, min_size=1, max_size=8))
def test_sql_and_python_write_join_keys_alike_and_different_ones_differently(given: list[tuple[str, Any]]) -> None:
    columns = ", ".join(entity_sql(f"x{place}", kind) for place, (kind, _) in enumerate(given))
    rows = ", ".join(f"CAST(? AS {kind}) AS x{place}" for place, (kind, _) in enumerate(given))
    (texts,) = duckdb.execute(f"SELECT {columns} FROM (SELECT {rows})", [value for _, value in given]).fetchall()  # noqa: S608
    assert list(texts) == [entity_text(value) for _, value in given]
    numbers = [value for _, value in given if isinstance(value, int | float | Decimal) and not isinstance(value, bool)]
    for one in numbers:
        for other in numbers:
            alike = entity_text(one) == entity_text(other)
            # A float's fraction is its shortest decimal.
            assert alike <= (float(one) == float(other))
            if isinstance(one, float) is isinstance(other, float):
                assert alike == (one == other)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("9007199254740993"), "9007199254740993"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10000000000000000001"), "0.10000000000000000001"),
        (1e-7, "0.0000001"),
        (-0.0, "0"),
        (numpy.bool_(True), "true"),
        (numpy.float32(0.5), "0.5"),
        (numpy.uint64(2**64 - 1), "18446744073709551615"),
        (pandas.NA, None),
        (pandas.NaT, None),
        (numpy.float64("nan"), None),
    ],
)
def test_a_join_key_keeps_all_of_its_digits(value: Any, text: str | None) -> None:
    assert entity_text(value) == text


@pytest.mark.parametrize(
    "value",
    [
        2**127,
        Decimal("1E+40"),
        Decimal("1E-500"),
        Decimal("Infinity"),
        math.inf,
        1j,
        b"a",
        [1],
        datetime(2013, 5, 1, tzinfo=UTC),
    ],
)
def test_what_is_no_join_key_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="expected text or a number of at most 38 digits"):
        entity_text(value)
