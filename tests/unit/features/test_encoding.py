"""The online value's bytes order as the point-in-time join orders rows."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.declare import Feature, FeatureView, InvalidProduct, Product, Source, catalog
from headwater.declare.views import LARGEST_ITEM
from headwater.features.online.encoding import (
    HEAD_BYTES,
    VALUE_BYTES,
    Known,
    Row,
    pack,
    pack_all,
    same,
    single,
    unpack,
    values_of,
)
from headwater.features.online.reading import attribute_of

TIMES = st.one_of(st.sampled_from([-1, 0, 1, 2**40]), st.integers(-(2**62), 2**62))
TINY = 1.401298464324817e-45
"""The smallest float32 above zero."""
VALUES = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, TINY, -TINY, 1e-40, -1e-40, 3.4028234663852886e38, -3.4028234663852886e38, 1.0, -1.0]),
    st.floats(allow_nan=True, allow_infinity=True),
)
ROWS = st.builds(
    Row, TIMES, TIMES, st.one_of(st.sampled_from([0, 1, 2**32 - 1]), st.integers(0, 2**32 - 1)),
    st.tuples(VALUES, VALUES, VALUES),
)  # fmt: skip


def documented(row: Row) -> tuple[float, ...]:
    """The documented order: event time, available time, revision, then the values, a missing one the smallest."""
    values = [single(value) for value in row.values]
    return (*row[:3], *(-math.inf if value is None else value for value in values))


@given(ROWS, ROWS, st.integers(0, 6))
def test_bytes_are_in_the_order_of_the_rows(one: Row, other: Row, alike: int) -> None:
    # Rows that differ only from some place on: drawn by themselves they would differ in the first.
    flat = [*one[:3], *one.values][:alike] + [*other[:3], *other.values][alike:]
    near = Row(flat[0], flat[1], flat[2], tuple(flat[3:]))
    for left, right in ((one, other), (one, near)):
        assert (pack(left) < pack(right)) == (documented(left) < documented(right))
        assert (pack(left) == pack(right)) == (documented(left) == documented(right))


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_what_is_packed_comes_back_one_by_one_and_all_at_once(rows: list[Row]) -> None:
    for row in rows:
        assert unpack(pack(row)) == Row(*row[:3], tuple(map(single, row.values)))
    columns = [
        np.array([math.nan if row.values[place] is None else row.values[place] for row in rows], dtype=np.float64)
        for place in range(3)
    ]
    events, available = (np.array([row[place] for row in rows], dtype=np.int64) for place in (0, 1))
    assert pack_all(events, available, 7, columns) == [pack(row._replace(revision=7)) for row in rows]


# Beginnings of one another, bytes that are neighbours of the terminator, characters of every length in UTF-8.
TEXTS = st.one_of(
    st.none(),
    st.sampled_from(["a", "ab", "a\0", "\0", "\0\0", "\1", "1", "01", "N", "T", "B6", "é", "\U0010ffff", "x" * 300]),
    st.text(min_size=1, max_size=4),
)
MIXED = st.builds(Row, TIMES, TIMES, st.sampled_from([0, 1]), st.tuples(TEXTS, VALUES, TEXTS))
PLACES = (0, 2)


def documented_mixed(row: Row) -> tuple[object, ...]:
    def text(value: Known) -> bytes:
        return value.encode() if isinstance(value, str) else b""

    first, number, last = row.values
    assert number is None or isinstance(number, float)
    value = single(number)
    return (*row[:3], text(first), -math.inf if value is None else value, text(last))


@given(MIXED, MIXED, st.integers(0, 6))
def test_bytes_with_text_are_in_the_order_of_the_rows(one: Row, other: Row, alike: int) -> None:
    flat = [*one[:3], *one.values][:alike] + [*other[:3], *other.values][alike:]
    near = Row(flat[0], flat[1], flat[2], tuple(flat[3:]))
    for left, right in ((one, other), (one, near)):
        packed = pack(left, PLACES), pack(right, PLACES)
        assert (packed[0] < packed[1]) == (documented_mixed(left) < documented_mixed(right))
        assert (packed[0] == packed[1]) == (documented_mixed(left) == documented_mixed(right))


@given(st.lists(MIXED, min_size=1, max_size=5))
def test_text_comes_back_one_by_one_and_all_at_once(rows: list[Row]) -> None:
    for row in rows:
        known = (row.values[0], single(row.values[1]), row.values[2])
        assert unpack(pack(row, PLACES)) == Row(*row[:3], known)
        assert values_of(pack(row, PLACES), [2, 1]) == (known[2], known[1])
    events, available = (np.array([row[place] for row in rows], dtype=np.int64) for place in (0, 1))
    columns = [
        np.array([row.values[0] for row in rows], dtype=object),
        np.array([math.nan if row.values[1] is None else row.values[1] for row in rows], dtype=np.float64),
        # A data frame's column of text has NaN where there is none.
        np.array([math.nan if row.values[2] is None else row.values[2] for row in rows], dtype=object),
    ]
    assert pack_all(events, available, 7, columns, PLACES) == [pack(row._replace(revision=7), PLACES) for row in rows]


def test_items_of_numbers_are_the_bytes_that_they_always_were() -> None:
    kept = "01800000000000000080000000000000010000000700000000bf800000407fffff"
    assert pack(Row(0, 1, 7, (None, 1.0, -1.0))).hex() == kept
    assert unpack(bytes.fromhex(kept)) == Row(0, 1, 7, (None, 1.0, -1.0))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        bytes(21),
        b"\x01" + bytes(22),
        b"\x03" + bytes(24),
        b"\x02" + bytes(20),
        b"\x02" + bytes(20) + b"X",
        b"\x02" + bytes(20) + b"Tabc",
        b"\x02" + bytes(20) + b"N\0\0\0",
    ],
)
def test_bytes_of_another_format_are_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="isn't of format 1 or 2"):
        unpack(value)


@cache
def many() -> tuple[Feature, ...]:
    return tuple(Feature(name=f"f{number}") for number in range(LARGEST_ITEM // VALUE_BYTES))


def wide(name: str, features: int, *entity: str) -> FeatureView:
    return FeatureView(
        name=name, entity=entity, sources=("rows",), sql="FROM rows", ttl="1d",
        features=many()[:features],
    )  # fmt: skip


def declared(*views: FeatureView) -> None:
    catalog([Product(sources=(Source(name="rows", contract="a.b:C"),), views=views)])


def test_the_size_that_a_declaration_is_judged_by_is_that_of_its_bytes() -> None:
    view = wide("view", 3, "shop")
    value = pack(Row(0, 0, 0, (1.0, None, 2.0)))
    assert view.online_bytes == len(attribute_of(view.version)) + len(value)


def test_views_that_no_item_could_hold_together_are_refused_when_they_are_declared() -> None:
    most = (LARGEST_ITEM - 2 - 2048 - 7 - 21 - 13 - HEAD_BYTES) // VALUE_BYTES
    declared(wide("wide", most, "shop"))
    with pytest.raises(
        InvalidProduct, match=rf"looked up by shop share an online item.*: wide \({most + 1:,} features"
    ):
        declared(wide("wide", most + 1, "shop"))
    half = most // 2
    declared(wide("one", half, "shop", "day"), wide("other", half + 9, "day", "shop"))
    with pytest.raises(InvalidProduct, match=r"one \(.*\), other \("):
        declared(wide("one", half, "shop", "day"), wide("other", half + 9, "shop", "day"))


def test_a_text_counts_with_the_longest_that_it_may_be() -> None:
    texts = [Feature(name=f"t{number}", kind="category") for number in range(100)]

    def of(*features: Feature) -> FeatureView:
        return wide("texts", 1, "shop").model_copy(update={"features": features})

    declared(of(*texts[:99], Feature(name="n")))
    with pytest.raises(
        InvalidProduct, match=r"texts \(100 features, 100 of them text\).* a smaller max_length of texts"
    ):
        declared(of(*texts))
    declared(of(*(feature.model_copy(update={"max_length": 1000}) for feature in texts)))
    declared(of(*(feature.model_copy(update={"values": ("a", "\u00e9")}) for feature in texts)))
    mixed = of(Feature(name="t", kind="category", values=("a", "\u00e9")), Feature(name="n"))
    largest = pack(Row(0, 0, 0, ("\u00e9", 1.0)), (0,))
    assert mixed.online_bytes == len(attribute_of(mixed.version)) + len(largest)


@given(value=st.floats(width=32, allow_nan=False))
def test_values_are_the_same_if_they_are_the_same_float32(value: float) -> None:
    assert same(value, value * (1 + 2**-40))
    assert not same(value, None)
    assert same(None, None)
    with np.errstate(over="ignore"):
        assert same(value, value + 1) is bool(np.float32(value) == np.float32(value + 1))
