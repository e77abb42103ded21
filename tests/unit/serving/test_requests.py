"""A malformed request is refused with the instance, the field, what was given and what was expected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.serving.errors import BodyTooLarge, InvalidBody
from headwater.serving.requests import LONGEST_BODY, columns, parse
from tests.unit.serving.cases import INPUTS, body

FEATURES = {"delays.rate_6h": "number", "delays.rate_24h": "number", "delays.last": "category"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b'{"instances": [{"carrier": "B6", "carrier": "AA"}]}', "an object has the name 'carrier' twice"),
        (b'{"instances": [{"distance": -Infinity}]}', "-Infinity is no JSON value"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"instances": [{"carrier": "B6", "distance": NaN}]}', "NaN is no JSON value; a missing value is null"),
        (b'{"instances": [{"distance": ' + b"9" * 5000 + b"}]}", "the body is not JSON"),
        (b"[]", r"the body is \[\], expected an object with instances, as_of, features, explain"),
        (b"{}", "instances: missing, expected a list of 1 to 100 objects"),
        (body(), "instances: 0 instances, expected a list of 1 to 100 objects"),
        (body(*[{}] * 101), "instances: 101 instances, expected a list of 1 to 100 objects"),
        (body({}, instance=1), "instance: unknown field, expected one of instances, as_of, features, explain"),
        (body({}, as_of="soon"), "as_of: 'soon', expected a time such as"),
        (body({}, explain=1), "explain: 1, expected true or false"),
        (body({}, as_of=7), "as_of: 7, expected a time such as"),
        (body({}, features=[]), "features: 0 entries, expected a list with an object for each of the 1 instances"),
        (body({}, features={}), "features: {}, expected a list"),
        (body({}, {}, features=[{}, 3]), "instance 1: features: 3, expected an object of names and values"),
        (body({}, features=[{"x.y": 1}]), "instance 0: features: 'x.y' is no feature of this model: delays.rate_6h"),
        (body({}, features=[{"delays.rate_6h": "a"}]), "delays.rate_6h: 'a', expected a number or null"),
        (body({}, features=[{"delays.last": 1}]), "delays.last: 1, expected text of at most 1,024 characters or null"),
        (body({}, features=[{"delays.rate_6h": 10**400}]), "a number of more than 38 digits, expected a number"),
    ],
)
def test_a_malformed_body_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InvalidBody, match=message):
        parse(content, FEATURES)


def test_a_body_that_is_too_long_is_not_even_read() -> None:
    with pytest.raises(BodyTooLarge, match=f"{LONGEST_BODY + 1} bytes; at most {LONGEST_BODY}"):
        parse(b" " * (LONGEST_BODY + 1), FEATURES)


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        ({"distance": 1}, "instance 1: carrier: missing, expected text"),
        ({"carrier": "B6", "distance": "far"}, "instance 1: distance: 'far', expected a number from 0 to 10000"),
        ({"carrier": "B6", "distance": -1}, "instance 1: distance: -1, expected a number from 0 to 10000"),
        ({"carrier": ["B6"]}, "instance 1: carrier: "),
        ({"carrier": "B6", "origin": "JFK"}, "instance 1: origin: unknown input, expected one of carrier, distance"),
        ("B6", "instance 1: instance: 'B6', expected an object"),
    ],
)
def test_a_malformed_instance_is_named(instance: Any, message: str) -> None:
    with pytest.raises(InvalidBody, match=message):
        columns(INPUTS, [{"carrier": "B6"}, instance])


def test_of_many_problems_the_first_ten_are_told() -> None:
    with pytest.raises(InvalidBody, match=r"; and 90 more$"):
        columns(INPUTS, [{}] * 100)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(["instances", "as_of", "features", "x"]), JSON) | JSON)
def test_whatever_json_comes_it_is_read_or_refused_in_words(document: Any) -> None:
    refusal = ""
    try:
        columns(INPUTS, parse(json.dumps(document).encode(), FEATURES).instances)
    except InvalidBody as error:
        refusal = error.message
    assert len(refusal) < 5_000
