"""Declarations that are wrong are refused before anything is deployed, with what is wrong and what there is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from headwater.declare import (
    Examples,
    Feature,
    FeatureView,
    Gate,
    Holdout,
    InvalidProduct,
    Model,
    Product,
    Schedule,
    Search,
    Source,
    Uniform,
    catalog,
    category,
    number,
    resolve,
    timestamp,
)
from headwater.errors import InvalidRequest

SOURCE = Source(name="rows", contract="a.b:C")
VIEW = FeatureView(
    name="view",
    entity=("shop",),
    sources=("rows",),
    sql="SELECT 1",
    features=(Feature(name="total"),),
    ttl="1h",
)
MODEL: dict[str, Any] = {
    "name": "model",
    "task": "classification",
    "inputs": (category("shop"), timestamp("at")),
    "features": ("view.total",),
    "examples": Examples(sources=("rows",), sql="SELECT 1", label="label"),
    "train": "a.b:fit",
    "holdout": Holdout(share=0.5),
    "gates": (Gate(metric="roc_auc", at_least=0.7),),
}


def test_columns_follow_inputs_and_features() -> None:
    model = Model(**MODEL)
    assert model.columns == ("shop", "at_hour", "at_weekday", "at_month", "view__total")
    assert (model.categories, model.views) == (("shop",), ("view",))


def test_the_catalog_says_which_features_of_a_model_are_text() -> None:
    seller = Feature(name="seller", kind="category")
    view = VIEW.model_copy(update={"features": (*VIEW.features, seller)})
    model = Model(**{**MODEL, "features": ("view.seller", "view.total"), "text_features": ("view.total",)})
    found = catalog([Product(sources=(SOURCE,), views=(view,), models=(model,))]).model("model")
    assert (found.text_features, found.categories) == (("view.seller",), ("shop", "view__seller"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": ("nosuch.total",)}, "model 'model': unknown feature view 'nosuch'. Declared: view"),
        ({"features": ("view.nosuch",)}, "model 'model': unknown feature 'view.nosuch'. Declared: view.total"),
        ({"inputs": (number("x"),)}, "looked up by shop, which no request input carries"),
        (
            {"examples": Examples(sources=("nosuch",), sql="SELECT 1", label="label")},
            "model 'model': unknown source 'nosuch'. Declared: rows",
        ),
    ],
)
def test_a_name_that_nothing_has_is_told_with_those_that_exist(change: dict[str, Any], words: str) -> None:
    model = Model(**{**MODEL, **change})
    with pytest.raises(InvalidProduct, match=words):
        catalog([Product(sources=(SOURCE,), views=(VIEW,), models=(model,))])


def test_two_declarations_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidProduct, match="the sources: 'rows' declared more than once"):
        catalog([Product(sources=(SOURCE,)), Product(sources=(SOURCE.model_copy(),))])


@pytest.mark.parametrize(
    "make",
    [
        lambda: timestamp("at", timezone="Mars/Olympus"),
        lambda: Source(name="Not Lower", contract="a.b:C"),
        lambda: Source(name="rows", contract="no colon"),
        lambda: Holdout(),
        lambda: Holdout(share=0.5, last="1d"),
        lambda: Gate(metric="roc_auc"),
        lambda: Uniform(low=0, high=1, log=True),
        lambda: Search(trials=0),
        lambda: Schedule(expression="rate(0 days)"),
        lambda: Schedule(expression="cron(0 6 * * *)"),
        lambda: Model(**{**MODEL, "gates": (Gate(metric="rmse", at_most=1),)}),
        lambda: Model(**{**MODEL, "examples": Examples(sources=("rows",), sql="SELECT 1", label="shop")}),
        lambda: VIEW.model_validate({**dict(VIEW), "ttl": timedelta(0)}),
        lambda: Model(**{**MODEL, "colour": "blue"}),
    ],
)
def test_a_declaration_that_is_wrong_in_itself_is_refused(make: Any) -> None:
    with pytest.raises((ValidationError, InvalidRequest)):
        make()


def test_the_label_may_not_be_a_request_input() -> None:
    with pytest.raises(ValidationError, match="label 'shop' is also a request input: the answer would be its own clue"):
        Model(**{**MODEL, "examples": Examples(sources=("rows",), sql="SELECT 1", label="shop")})


def test_what_cannot_be_imported_is_named() -> None:
    with pytest.raises(InvalidProduct, match=r"'headwater\.declare:nosuch' can't be imported"):
        resolve("headwater.declare:nosuch")
