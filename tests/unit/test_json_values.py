"""What goes into JSON comes out as it was, or is refused by the name of its place."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy
import pandas
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.json_values import NotJson, dumps, json_value, loads, number_of

MOMENT = datetime(2013, 5, 1, 10, 30, tzinfo=timezone(timedelta(hours=2)))
PLAIN = [
    (numpy.bool_(False), False),
    (numpy.bool_(True), True),
    (numpy.int64(2**62 + 1), 2**62 + 1),
    (numpy.uint64(2**64 - 1), 2**64 - 1),
    (numpy.float64(0.1), 0.1),
    (numpy.float32(0.1), 0.10000000149011612),
    (numpy.float16(1.5), 1.5),
    (numpy.str_("a"), "a"),
    (numpy.array(4), 4),
    (math.nan, None),
    (numpy.float32("nan"), None),
    (numpy.datetime64("NaT"), None),
    (pandas.NaT, None),
    (pandas.NA, None),
    (Decimal("NaN"), None),
    (2**80 + 1, 2**80 + 1),
    (Decimal("9007199254740993"), 9007199254740993),
    (Decimal("0.12345678901234567890123456789"), Decimal("0.12345678901234567890123456789")),
    (Decimal("1E-30"), 1e-30),
    (datetime(2013, 5, 1, 10, 30), "2013-05-01T10:30:00+00:00"),  # noqa: DTZ001 - UTC, as the API reads it
    (MOMENT, "2013-05-01T10:30:00+02:00"),
    (date(2013, 5, 1), "2013-05-01"),
    (pandas.Timestamp("2013-05-01 10:30:00.123456789"), "2013-05-01T10:30:00.123456789+00:00"),
    (pandas.Timestamp(MOMENT), "2013-05-01T10:30:00+02:00"),
    (numpy.datetime64("2013-05-01"), "2013-05-01"),
    (numpy.datetime64("2013-05"), "2013-05-01"),
    (numpy.datetime64("2013-05-01T10"), "2013-05-01T10:00:00+00:00"),
    (numpy.datetime64("2013-05-01T10:30:00.123456789"), "2013-05-01T10:30:00.123456789+00:00"),
    (pyarrow.scalar(2**53 + 1), 2**53 + 1),
    (pyarrow.scalar(None), None),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ((1, [numpy.int8(2)], {"a": numpy.bool_(True)}), [1, [2], {"a": True}]),
]


@pytest.mark.parametrize(("value", "expected"), PLAIN, ids=lambda value: f"{type(value).__name__}-{value!r}"[:60])
def test_a_value_of_any_library_is_the_value_that_json_has(value: Any, expected: Any) -> None:
    found = loads(dumps(json_value({"v": value})))["v"]
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    "value",
    [
        math.inf, numpy.float32("-inf"), Decimal("Infinity"), 1j, numpy.complex64(1), b"a", numpy.bytes_(b"a"), {1},
        numpy.array([1, 2]), numpy.array([]), numpy.timedelta64(1, "s"), timedelta(1), object(), 10**5000,
        numpy.longdouble(1) / 3, pandas.Series([1]), pandas.Interval(0, 1),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_json_can_not_hold_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(NotJson, match=r"^instances\[1\]\.rooms: .* can't be sent exactly, expected text, a number"):
        json_value({"instances": [{"rooms": 1}, {"rooms": value}]})


@pytest.mark.parametrize("name", [5, None, True, ("a",)])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(NotJson, match=r"^instances\[0\]: the name .* expected text"):
        json_value({"instances": [{name: 1}]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "b": {"x": 1, "x": 1}}', "an object has the name 'x' twice"),
        ('{"a": NaN}', "NaN is no JSON value"),
        ("[-Infinity]", "-Infinity is no JSON value"),
        ("1e99999999999999999999", "no number that can be read"),
    ],
)
def test_json_that_says_two_things_or_none_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        loads(text)


def digits(value: Any) -> Any:
    """The value with each number as the decimal that its text is: 0.1 as a float and as a decimal are the same."""
    if isinstance(value, list):
        return [digits(entry) for entry in value]
    if isinstance(value, dict):
        return {name: digits(entry) for name, entry in value.items()}
    return value if value is None or isinstance(value, str | bool) else Decimal(repr(value).strip("Decimal()'"))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(values)
def test_whatever_is_sent_is_read_as_the_same_value(value: Any) -> None:
    text = dumps(json_value(value))
    json.loads(text)
    assert digits(loads(text)) == digits(value)
    # The log writes what was read.
    assert digits(loads(dumps(loads(text)))) == digits(value)


@settings(max_examples=150, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False) | st.integers() | st.floats(-1e300, 1e300))
def test_a_cell_s_number_is_read_to_its_last_digit(number: Any) -> None:
    assert digits(number_of(str(number))) == digits(number)


@pytest.mark.parametrize("cell", ["", "1_000", "nan", "inf", "0x1", "1e", "e5", ".", "١", "1 2", "true"])
def test_a_cell_that_says_no_number_is_left_as_it_is(cell: str) -> None:
    assert number_of(cell) is None


def test_a_time_without_a_zone_is_utc_for_the_api_as_for_the_client() -> None:
    assert json_value(MOMENT.astimezone(UTC)) == json_value(MOMENT.astimezone(UTC).replace(tzinfo=None))
