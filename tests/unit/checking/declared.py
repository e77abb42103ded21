"""Declarations that are right, for tests to make wrong; a module of its own, for train functions' imports are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandera.pandas as pa
from pandera.engines.pandas_engine import Date, DateTime, Decimal

from headwater import declare
from headwater.declare import catalog as together

ROWS = pa.DataFrameSchema(
    {
        "rooms": pa.Column(int),
        "price": pa.Column(float),
        "sold": pa.Column("datetime64[ns]"),
        "agent": pa.Column(str, nullable=True),
    }
)
ODD = pa.DataFrameSchema(
    {name: pa.Column(str) for name in ("größe", "select", "dotted.name", 'a"quote', "rowid", "With Space")}
    | {"order": pa.Column(int), "at": pa.Column("datetime64[ns]"), "price": pa.Column(float)}
)
TWICE = pa.DataFrameSchema({"Store": pa.Column(int), "store": pa.Column(int)})
FILLS = pa.DataFrameSchema(
    {
        "rooms": pa.Column(int, default=0),
        "price": pa.Column(float, parsers=pa.Parser(lambda prices: prices.fillna(0))),
        "sold": pa.Column("datetime64[ns]"),
        "agent": pa.Column(complex),
    }
)
EXACT = pa.DataFrameSchema(
    {
        "rooms": pa.Column("Int64"),
        "price": pa.Column(Decimal(30, 4)),
        "sold": pa.Column(DateTime(unit="ns", tz="Europe/Vienna")),
        "agent": pa.Column("category", nullable=True),
        "beds": pa.Column("uint8"),
        "built": pa.Column(Date()),
        "open": pa.Column("timedelta64[ns]"),
        "free": pa.Column("boolean", nullable=True),
    }
)
NOT_A_SCHEMA = 7
HERE = "tests.unit.checking.declared"


def fit(params: Mapping[str, Any], inputs: Any, label: Any) -> Any:
    """A train function that hands every parameter on."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(max_iter=2, **params).fit(inputs, label)


def astray(params: Mapping[str, Any], inputs: Any, label: Any) -> Any:
    """A train function that encodes a column which the model doesn't have."""
    from sklearn.compose import ColumnTransformer

    return ColumnTransformer([("categories", "passthrough", ["land"])]).fit(inputs, label)


def deaf(params: Mapping[str, Any], inputs: Any, label: Any) -> Any:
    """A train function that reads no parameter."""
    return fit({}, inputs, label)


def chooses(params: Mapping[str, Any], inputs: Any, label: Any) -> Any:
    """A train function that reads a parameter only sometimes."""
    return fit({"max_depth": params["depth"]} if params["kind"] == "deep" else {}, inputs, label)


def demands(params: Mapping[str, Any], inputs: Any, label: Any) -> Any:
    """A train function that wants a parameter and a column."""
    return fit({"learning_rate": params["rate"]}, inputs[["room"]], label)


def small(params: Mapping[str, Any], inputs: Any, label: Any) -> Any:
    """A train function that wants more rows than a check has."""
    raise ValueError(f"n_splits=100 can't be more than the {len(inputs)} rows")


SOURCE = declare.Source(name="houses", contract=f"{HERE}:ROWS", keys=("rooms",), event_time="sold")
VIEW = declare.FeatureView(
    name="prices",
    entity=("rooms",),
    sources=("houses",),
    sql="SELECT rooms, sold + INTERVAL 1 DAY AS event_time, sold + INTERVAL 1 DAY AS available_time, price AS last "
    "FROM houses",
    features=(declare.Feature(name="last"),),
    ttl="1d",
)
MODEL = declare.Model(
    name="house_price",
    task="regression",
    inputs=(declare.number("rooms"),),
    features=("prices.last",),
    examples=declare.Examples(
        sources=("houses",), sql="SELECT rooms, price, sold AS asked_at FROM houses", label="price"
    ),
    train=f"{HERE}:fit",
    holdout=declare.Holdout(share=0.2),
    gates=(declare.Gate(metric="r2", at_least=0),),
)


def products(
    source: declare.Source = SOURCE, view: declare.FeatureView = VIEW, model: declare.Model = MODEL
) -> declare.Catalog:
    """A catalog of one of each."""
    return together([declare.Product(sources=(source,), views=(view,), models=(model,))])
