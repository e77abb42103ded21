"""Declarations that are wrong are refused before anything is deployed, with what is wrong and what there is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from headwater import declare
from headwater.errors import InvalidRequest

SOURCE = declare.Source(name="rows", contract="a.b:C")
VIEW = declare.FeatureView(
    name="view",
    entity=("shop",),
    sources=("rows",),
    sql="SELECT 1",
    features=(declare.Feature(name="total"),),
    ttl="1h",
)
MODEL: dict[str, Any] = {
    "name": "model",
    "task": "classification",
    "inputs": (declare.category("shop"), declare.timestamp("at")),
    "features": ("view.total",),
    "examples": declare.Examples(sources=("rows",), sql="SELECT 1", label="label"),
    "train": "a.b:fit",
    "holdout": declare.Holdout(share=0.5),
    "gates": (declare.Gate(metric="roc_auc", at_least=0.7),),
}


def test_columns_follow_inputs_and_features() -> None:
    model = declare.Model(**MODEL)
    assert model.columns == ("shop", "at_hour", "at_weekday", "at_month", "view__total")
    assert (model.categories, model.views) == (("shop",), ("view",))


def test_the_catalog_says_which_features_of_a_model_are_text() -> None:
    seller = declare.Feature(name="seller", kind="category")
    view = VIEW.model_copy(update={"features": (*VIEW.features, seller)})
    model = declare.Model(**{**MODEL, "features": ("view.seller", "view.total"), "text_features": ("view.total",)})
    found = declare.catalog([declare.Product(sources=(SOURCE,), views=(view,), models=(model,))]).model("model")
    assert (found.text_features, found.categories) == (("view.seller",), ("shop", "view__seller"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": ("nosuch.total",)}, "model 'model': unknown feature view 'nosuch'. Declared: view"),
        ({"features": ("view.nosuch",)}, "model 'model': unknown feature 'view.nosuch'. Declared: view.total"),
        ({"inputs": (declare.number("x"),)}, "looked up by shop, which no request input carries"),
        (
            {"examples": declare.Examples(sources=("nosuch",), sql="SELECT 1", label="label")},
            "model 'model': unknown source 'nosuch'. Declared: rows",
        ),
    ],
)
def test_a_name_that_nothing_has_is_told_with_those_that_exist(change: dict[str, Any], words: str) -> None:
    model = declare.Model(**{**MODEL, **change})
    with pytest.raises(declare.InvalidProduct, match=words):
        declare.catalog([declare.Product(sources=(SOURCE,), views=(VIEW,), models=(model,))])


def test_two_declarations_of_one_name_are_refused() -> None:
    with pytest.raises(declare.InvalidProduct, match="the sources: 'rows' declared more than once"):
        declare.catalog([declare.Product(sources=(SOURCE,)), declare.Product(sources=(SOURCE.model_copy(),))])


@pytest.mark.parametrize(
    "make",
    [
        lambda: declare.timestamp("at", timezone="Mars/Olympus"),
        lambda: declare.Source(name="Not Lower", contract="a.b:C"),
        lambda: declare.Source(name="rows", contract="no colon"),
        lambda: declare.Holdout(),
        lambda: declare.Holdout(share=0.5, last="1d"),
        lambda: declare.Gate(metric="roc_auc"),
        lambda: declare.Uniform(low=0, high=1, log=True),
        lambda: declare.Search(trials=0),
        lambda: declare.Schedule(expression="rate(0 days)"),
        lambda: declare.Schedule(expression="cron(0 6 * * *)"),
        lambda: declare.Model(**{**MODEL, "gates": (declare.Gate(metric="rmse", at_most=1),)}),
        lambda: declare.Model(
            **{**MODEL, "examples": declare.Examples(sources=("rows",), sql="SELECT 1", label="shop")}
        ),
        lambda: VIEW.model_validate({**dict(VIEW), "ttl": timedelta(0)}),
        lambda: declare.Model(**{**MODEL, "colour": "blue"}),
    ],
)
def test_a_declaration_that_is_wrong_in_itself_is_refused(make: Any) -> None:
    with pytest.raises((ValidationError, InvalidRequest)):
        make()


def test_the_label_may_not_be_a_request_input() -> None:
    with pytest.raises(ValidationError, match="label 'shop' is also a request input: the answer would be its own clue"):
        declare.Model(**{**MODEL, "examples": declare.Examples(sources=("rows",), sql="SELECT 1", label="shop")})


def test_what_cannot_be_imported_is_named() -> None:
    with pytest.raises(declare.InvalidProduct, match=r"'headwater\.declare:nosuch' can't be imported"):
        declare.resolve("headwater.declare:nosuch")


def test_a_segment_is_text_and_a_feature_of_numbers_is_refused() -> None:
    watched = declare.Monitoring(segments=("shop", "view.total"))
    model = declare.Model(**{**MODEL, "monitoring": watched})
    with pytest.raises(InvalidRequest, match=r"monitoring\.segments has 'view\.total', a feature of numbers"):
        declare.catalog([declare.Product(sources=(SOURCE,), views=(VIEW,), models=(model,))])
