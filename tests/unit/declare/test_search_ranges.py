"""A search's ranges are read from what was kept as they were declared: kinds, and whether a number is whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headwater import declare
from headwater.declare import Choice, Integers, Product, Search, Uniform
from headwater.retraining.standing import learnt_by
from tests.unit.formats.test_formats import document

WHOLE = st.integers(-(2**53), 2**53)
NUMBERS = WHOLE | st.floats(allow_nan=False, allow_infinity=False)
RANGES = st.one_of(
    st.tuples(WHOLE, WHOLE).map(sorted).map(lambda ends: Integers(low=ends[0], high=ends[1])),
    st.tuples(st.integers(1, 99), st.integers(100, 999)).map(
        lambda ends: Integers(low=ends[0], high=ends[1], log=True)
    ),
    st.tuples(NUMBERS, NUMBERS)
    .map(sorted)
    .filter(lambda ends: float(ends[0]) < float(ends[1]))
    .map(lambda ends: Uniform(low=ends[0], high=ends[1])),
    st.tuples(st.integers(1, 99), st.integers(100, 999)).map(lambda ends: Uniform(low=ends[0], high=ends[1], log=True)),
    st.lists(st.text(max_size=3) | st.booleans() | NUMBERS, min_size=1, max_size=4).map(
        lambda values: Choice(values=tuple(values))
    ),
)


def exactly(value: Any) -> Any:
    """What a value holds with the types of it: 8 is 8.0 to Python, and True is 1."""
    if isinstance(value, Choice):
        return Choice, [(type(one), one) for one in value.values]
    return type(value), type(value.low), value.low, type(value.high), value.high, value.log


@given(RANGES)
def test_every_range_is_read_as_it_was_declared(kind: Uniform | Integers | Choice) -> None:
    search = Search(space={"depth": kind}, trials=3)
    again = Search.model_validate_json(search.model_dump_json())
    twice = Search.model_validate(json.loads(json.dumps(again.model_dump(mode="json"))))
    for read in (again, twice):
        assert exactly(read.space["depth"]) == exactly(kind)
        assert read == search


def test_a_product_of_an_earlier_version_has_the_ranges_that_it_was_declared_with() -> None:
    product = Product.model_validate_json(json.dumps(document("1/Product")))
    space = product.models[0].search.space
    assert {name: type(kind) for name, kind in space.items()} == {
        "learning_rate": Uniform,
        "max_leaf_nodes": Integers,
        "l2_regularization": Uniform,
    }
    assert exactly(space["max_leaf_nodes"]) == exactly(Integers(low=7, high=31, log=True))
    assert learnt_by(Product.model_validate_json(product.model_dump_json())) == learnt_by(product)


@pytest.mark.parametrize("wrong", [declare.Gate(metric="rmse", at_most=1.0), 8, "8", None, [1, 8]])
def test_what_is_no_range_is_refused_by_the_kinds_there_are(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="a parameter's range is a Uniform, an Integers or a Choice"):
        Search(space={"depth": wrong})
