"""Small products to train: shops with history, and houses with nothing but numbers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas
import pandera.pandas as pa
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder, StandardScaler

from headwater import declare

HERE = "tests.unit.training.products"

VISITS_CONTRACT = pa.DataFrameSchema(
    {
        "shop": pa.Column(str, nullable=True),
        "seen_at": pa.Column("datetime64[us]"),
        "amount": pa.Column(float, nullable=True),
        "bought": pa.Column(float, nullable=True),
    },
    coerce=True,
)
HOUSES_CONTRACT = pa.DataFrameSchema(
    {"rooms": pa.Column(int), "area": pa.Column(float, nullable=True), "price": pa.Column(float)}, coerce=True
)
VISITS = declare.Source(name="visits", contract=f"{HERE}:VISITS_CONTRACT")
HOUSES = declare.Source(name="houses", contract=f"{HERE}:HOUSES_CONTRACT")

HABITS = declare.FeatureView(
    name="habits",
    owner="shops@example.org",
    entity=("shop",),
    sources=("visits",),
    sql="""
        SELECT shop, seen_at AS event_time, seen_at + INTERVAL 1 MINUTE AS available_time, bought AS last_bought,
            count(*) OVER (PARTITION BY shop ORDER BY seen_at) AS visits
        FROM visits WHERE shop IS NOT NULL
    """,
    features=(declare.Feature(name="last_bought"), declare.Feature(name="visits")),
    ttl="3h",
)

BUYS = declare.Model(
    name="buys",
    owner="buyers@example.org",
    task="classification",
    inputs=(
        declare.category("shop", required=False),
        declare.number("amount", required=False, minimum=0),
        declare.timestamp("seen_at", timezone="Europe/Berlin"),
    ),
    features=("habits.last_bought", "habits.visits"),
    examples=declare.Examples(
        sources=("visits",),
        sql="SELECT shop, amount, seen_at, seen_at AS asked_at, bought FROM visits",
        label="bought",
        positive="buys",
    ),
    train=f"{HERE}:boosted",
    search=declare.Search(
        space={
            "learning_rate": declare.Uniform(low=0.05, high=0.3, log=True),
            "max_leaf_nodes": declare.Integers(low=4, high=8),
            "class_weight": declare.Choice(values=("balanced",)),
        },
        trials=2,
    ),
    holdout=declare.Holdout(last="12h"),
    gates=(
        declare.Gate(metric="roc_auc", at_least=0.6),
        declare.Gate(metric="log_loss", at_most=0.9, champion_margin=0.01),
    ),
)

PRICE = declare.Model(
    name="price",
    task="regression",
    inputs=(
        declare.number("rooms"),
        declare.number("area", required=False),
    ),
    examples=declare.Examples(sources=("houses",), sql="SELECT rooms, area, price FROM houses", label="price"),
    train=f"{HERE}:boosted_price",
    holdout=declare.Holdout(share=0.25),
    gates=(declare.Gate(metric="r2", at_least=0.5), declare.Gate(metric="rmse", champion_margin=100)),
    promotion="manual",
)

EXPENSIVE = PRICE.model_copy(
    update={
        "name": "expensive",
        "task": "classification",
        "train": f"{HERE}:boosted_numbers",
        "examples": declare.Examples(
            sources=("houses",), sql="SELECT *, price > 150000 AS dear FROM houses", label="dear"
        ),
        "gates": (declare.Gate(metric="accuracy", at_least=0.7),),
    }
)


def products(*models: declare.Model) -> declare.Catalog:
    """All sources and views, with these models."""
    return declare.catalog(
        [declare.Product(sources=(VISITS, HOUSES), views=(HABITS,), models=models or (BUYS, PRICE, EXPENSIVE))]
    )


def visits(rows: int = 900, seed: int = 1) -> str:
    """A CSV file: shops at which people buy in spells, a visit a few minutes after another."""
    chance, lines, mood = random.Random(seed), ["shop,seen_at,amount,bought"], {"n": 0.1, "s": 0.9, "w": 0.9}
    for row in range(rows):
        shop = chance.choice(list(mood))
        if chance.random() < 0.03:
            mood[shop] = 1 - mood[shop]
        amount = round(chance.expovariate(0.1), 2)
        bought = int(chance.random() < mood[shop] * (0.8 if amount > 10 else 1.1))
        told = "" if chance.random() < 0.05 else str(amount)
        named = "" if chance.random() < 0.02 else shop
        label = "" if chance.random() < 0.01 else str(bought)
        moment = datetime(2024, 1, 1) + timedelta(minutes=4 * row)  # noqa: DTZ001 - the file has no zone
        lines.append(f"{named},{moment.isoformat()},{told},{label}")
    return "\n".join(lines) + "\n"


def houses(rows: int = 400, seed: int = 1) -> str:
    """A CSV file of numbers without time."""
    chance, lines = random.Random(seed), ["rooms,area,price"]
    for _ in range(rows):
        rooms = chance.randint(1, 8)
        area = round(rooms * chance.uniform(15, 35), 1)
        price = round(900 * area + 8000 * rooms + chance.gauss(0, 9000), 2)
        lines.append(f"{rooms},{area if chance.random() > 0.1 else ''},{price}")
    return "\n".join(lines) + "\n"


def boosted(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Pipeline:
    """Trees over encoded text and numbers."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = ColumnTransformer([("text", codes, ["shop"])], remainder="passthrough")
    learn = HistGradientBoostingClassifier(max_iter=30, random_state=0, **params)
    return Pipeline([("encode", encode), ("learn", learn)]).fit(inputs, label)


def boosted_price(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Pipeline:
    """Trees over numbers alone."""
    return make_pipeline(HistGradientBoostingRegressor(max_iter=60, random_state=0, **params)).fit(inputs, label)


def boosted_numbers(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Pipeline:
    """Trees over numbers alone."""
    return make_pipeline(HistGradientBoostingClassifier(max_iter=30, random_state=0, **params)).fit(inputs, label)


def linear_price(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Pipeline:
    """Fails when a number is missing."""
    return make_pipeline(StandardScaler(), Ridge(**params)).fit(inputs.fillna(0), label)


def linear_all(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Pipeline:
    """A model of numbers that all requests must carry."""
    return make_pipeline(StandardScaler(), LogisticRegression(**params)).fit(inputs.fillna(0), label)


def strict_encoder(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Pipeline:
    """Fails on text that training never saw."""
    encode = ColumnTransformer([("text", OrdinalEncoder(), ["shop"])], remainder="passthrough")
    learn = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    return Pipeline([("encode", encode), ("learn", learn)]).fit(inputs, label)


def own_code(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Pipeline:
    """Has a step that is a Python function."""
    doubled = FunctionTransformer(lambda values: values * 2)
    return make_pipeline(doubled, HistGradientBoostingRegressor(max_iter=5)).fit(inputs, label)


def forest(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Pipeline:
    """Its graph answers missing numbers otherwise than scikit-learn does (sklearn-onnx issue 1253)."""
    return make_pipeline(RandomForestClassifier(n_estimators=20, random_state=0)).fit(inputs, label)


def raising(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Pipeline:
    """Raises."""
    raise KeyError("no such column")


def not_a_pipeline(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Any:
    """Gives nothing that predicts."""
    return object()


def stump(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Pipeline:
    """Answers everything, but learns next to nothing."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = ColumnTransformer([("text", codes, ["shop"])], remainder="passthrough")
    learn = HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=2, learning_rate=0.01, random_state=0)
    return Pipeline([("encode", encode), ("learn", learn)]).fit(inputs, label)
