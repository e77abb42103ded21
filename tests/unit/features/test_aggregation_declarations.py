"""Views with windows are declared in one way, and their versions follow what values depend on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from headwater.declare import (
    Aggregations,
    Feature,
    FeatureView,
    InvalidProduct,
    Product,
    Schedule,
    Source,
    Window,
    catalog,
    count,
    last,
)
from headwater.features.errors import InvalidView
from headwater.features.offline.rows import compute
from tests.unit.features.test_aggregations import KINDS, TTL, windowed
from tests.unit.features.test_point_in_time import database, table


@pytest.mark.parametrize(
    ("where", "of", "words"),
    [
        ("nosuch", "amount", "feature view 'windowed': its aggregations can't be made of 'sales': .*nosuch"),
        ("", "nosuch", "can't be made of 'sales': .*nosuch"),
        ("", "shop", "'newest' is last of 'shop', which is VARCHAR, expected a number .text is declared with kind="),
    ],
)
def test_aggregations_of_what_is_not_there_say_so(where: str, of: str, words: str) -> None:
    table("sales", KINDS, [])
    newest = Feature(name="newest", aggregate=last(of, over="1h"))
    with pytest.raises(InvalidView, match=words):
        compute(database(), windowed(where=where).model_copy(update={"features": (newest,)}), "windows")


def test_the_last_number_is_no_category() -> None:
    table("sales", KINDS, [])
    window = last("amount", over="1h")
    newest = Feature(name="newest", kind="category", aggregate=window)
    with pytest.raises(InvalidView, match=r"'newest' is last of 'amount', which is DOUBLE, expected text, for it is"):
        compute(database(), windowed().model_copy(update={"features": (newest,)}), "windows")


def test_a_time_that_is_none_is_refused() -> None:
    table("sales", {**KINDS, "sold": "INTEGER"}, [])
    with pytest.raises(InvalidView, match="sold is INTEGER, expected a timestamp"):
        compute(database(), windowed(), "windows")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sql": "SELECT 1"}, "exactly one of sql, aggregate, transform, not sql and aggregate"),
        ({"aggregate": None}, "exactly one of .*, not none"),
        ({"sources": ("sales", "other")}, "over one source, not sales, other"),
        ({"features": (Feature(name="total"),)}, "feature 'total' has no aggregate"),
        ({"aggregate": None, "sql": "SELECT 1"}, "'count_2' has an aggregate, which only"),
        ({"freshness": "0h"}, "freshness\n.* a duration of 0:00:00 is nothing: it must be positive"),
        ({"entity": ("rowid",)}, "'rowid' has a meaning already"),
        ({"entity": ("rows",)}, "'rows' declared more than once"),
    ],
)
def test_a_view_is_declared_in_one_way(change: dict[str, Any], words: str) -> None:
    given = {name: getattr(windowed(), name) for name in FeatureView.model_fields} | change
    with pytest.raises((ValidationError, InvalidProduct), match=words):
        FeatureView(**given)


def test_a_window_must_be_of_something_and_last() -> None:
    with pytest.raises(ValidationError, match="mean: say what of"):
        Window(function="mean", over="1h")
    with pytest.raises(ValidationError, match="it must be positive"):
        count(over="0d")


def test_aggregations_without_any_event_time_are_refused() -> None:
    view = windowed().model_copy(update={"aggregate": Aggregations()})
    with pytest.raises(InvalidProduct, match="need an event time; neither they nor source 'sales' names one"):
        catalog([Product(sources=(Source(name="sales", contract="a.b:C"),), views=(view,))])
    with pytest.raises(ValueError, match="take the view from the catalog"):
        compute(database(), view, "windows")


def test_the_version_follows_what_values_depend_on_and_nothing_else() -> None:
    view = windowed()
    hourly = Schedule(expression="rate(1 hour)")
    said = {"description": "d", "owner": "o", "freshness": timedelta(hours=1), "schedule": hourly}
    checked = tuple(
        feature.model_copy(
            update={"values": ("a",), "max_length": 3} if feature.is_text else {"maximum": 1.0, "kind": "integer"}
        )
        for feature in view.features
    )
    assert view.model_copy(update={**said, "features": checked}).version == view.version
    others = [windowed(decay=True), windowed(where="NOT good"), windowed(ttl=TTL + 1)]
    window = view.features[0].aggregate
    assert window is not None
    longer = view.features[0].model_copy(update={"aggregate": window.model_copy(update={"over": timedelta(hours=1)})})
    others.append(view.model_copy(update={"features": (longer, *view.features[1:])}))
    others.append(view.model_copy(update={"features": tuple(numbers_only(view))}))
    assert len({view.version, *(other.version for other in others)}) == 6


def numbers_only(view: FeatureView) -> list[Feature]:
    return [feature.model_copy(update={"kind": "number"}) for feature in view.features]


def test_a_view_of_numbers_is_called_what_it_was_called_before_there_was_text() -> None:
    numbers = FeatureView(
        name="kept", entity=("shop",), sources=("sales",), sql="FROM sales", features=(Feature(name="amount"),),
        ttl="1h",
    )  # fmt: skip
    assert numbers.version == "3544cd896380"
