"""`headwater check` finds what is wrong with a product before anything is deployed, and names all of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pandera.pandas as pa
import pytest

from headwater.model import (
    Aggregations,
    Catalog,
    Examples,
    Feature,
    FeatureView,
    Gate,
    Holdout,
    Model,
    Product,
    RequestInput,
    Source,
    Window,
    catalog,
    load_catalog,
)
from headwater.checking import ProductProblems, problems

ROWS = pa.DataFrameSchema(
    {
        "rooms": pa.Column(int),
        "price": pa.Column(float),
        "sold": pa.Column("datetime64[ns]"),
        "agent": pa.Column(str, nullable=True),
    }
)
NOT_A_SCHEMA = 7
HERE = "tests.unit.scaffold.test_check"


def fit() -> None:
    """Stands for a product's train function."""


SOURCE = Source(name="houses", contract=f"{HERE}:ROWS", keys=("rooms",), event_time="sold")
VIEW = FeatureView(
    name="prices",
    entity=("rooms",),
    sources=("houses",),
    sql="SELECT rooms, sold AS event_time, sold AS available_time, price AS last FROM houses",
    features=(Feature(name="last"),),
    ttl=timedelta(days=1),
)
MODEL = Model(
    name="house_price",
    task="regression",
    inputs=(RequestInput(name="rooms", kind="number"),),
    features=("prices.last",),
    examples=Examples(sources=("houses",), sql="SELECT rooms, price, sold AS asked_at FROM houses", label="price"),
    train=f"{HERE}:fit",
    holdout=Holdout(share=0.2),
    gates=(Gate(metric="r2", at_least=0),),
)


def products(source: Source = SOURCE, view: FeatureView = VIEW, model: Model = MODEL) -> Catalog:
    return catalog([Product(sources=(source,), views=(view,), models=(model,))])


def found(**changed: object) -> list[str]:
    return [str(problem) for problem in problems(products(**changed))]  # type: ignore[arg-type]


def test_the_products_of_this_repository_have_no_problem() -> None:
    assert problems(load_catalog()) == []


def test_a_product_that_is_right_has_no_problem() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("contract", "words"),
    [(f"{HERE}:NONE", "can't be imported"), ("no.such:ROWS", "No module named"), (f"{HERE}:NOT_A_SCHEMA", "not int")],
)
def test_a_contract_that_is_none_is_named_once(contract: str, words: str) -> None:
    (problem,) = found(source=SOURCE.model_copy(update={"contract": contract}))
    assert problem.startswith("source 'houses': contract")
    assert words in problem


def test_a_misspelt_column_is_found_in_every_query() -> None:
    lines = found(
        source=SOURCE.model_copy(update={"sql": "SELECT *, roms + 1 AS more FROM landed"}),
    )
    assert len(lines) == 1
    assert 'Referenced column "roms" not found' in lines[0]
    examples = MODEL.examples.model_copy(update={"sql": "SELECT rooms, prize AS price, sold AS asked_at FROM houses"})
    view = VIEW.model_copy(update={"sql": VIEW.sql.replace("price", "prize")})
    lines = found(view=view, model=MODEL.model_copy(update={"examples": examples}))
    assert [line.partition(":")[0] for line in lines] == ["feature view 'prices'", "model 'house_price'"]


def test_a_view_without_sql_is_bound_and_imported_too() -> None:
    def last(of: str, kind: Literal["number", "category"] = "number") -> FeatureView:
        feature = Feature(name="last", kind=kind, aggregate=Window(function="last", of=of, over=timedelta(days=1)))
        return VIEW.model_copy(update={"sql": None, "aggregate": Aggregations(), "features": (feature,)})

    def python(transform: str) -> FeatureView:
        return VIEW.model_copy(update={"sql": None, "transform": transform})

    assert found(view=last("price")) == found(view=python(f"{HERE}:fit")) == []
    assert found(view=last("agent", "category")) == []
    (line,) = found(view=last("agent"))
    assert "'last' is last of 'agent', which is VARCHAR, expected a number (text is declared with kind=" in line
    (line,) = found(view=last("prize"))
    assert line.startswith("feature view 'prices': its aggregations can't be made of 'houses': ")
    assert 'column "prize" not found' in line
    assert found(view=python(f"{HERE}:NOT_A_SCHEMA")) == [
        f"feature view 'prices': transform '{HERE}:NOT_A_SCHEMA' is no function"
    ]
    (line,) = found(view=python("no.such:rows"))
    assert "No module named" in line


def test_sql_that_cannot_be_parsed_is_told_in_one_line() -> None:
    (line,) = found(view=VIEW.model_copy(update={"sql": "SELEC rooms FROM houses"}))
    assert "syntax error" in line
    assert "\n" not in line


def test_columns_that_a_query_must_yield_are_asked_for() -> None:
    view = VIEW.model_copy(update={"sql": "SELECT rooms, sold AS event_time FROM houses"})
    examples = MODEL.examples.model_copy(update={"sql": "SELECT rooms FROM houses"})
    assert found(view=view, model=MODEL.model_copy(update={"examples": examples})) == [
        "feature view 'prices': sql yields no available_time, last; it yields rooms, event_time",
        "model 'house_price': examples: sql yields no price, asked_at; it yields rooms",
    ]


def test_times_and_keys_must_be_columns() -> None:
    lines = found(source=SOURCE.model_copy(update={"event_time": "rooms", "available_time": "known", "keys": ("id",)}))
    assert lines == [
        "source 'houses': keys id are no columns of its contract",
        "source 'houses': event_time 'rooms' is BIGINT, not a timestamp",
        "source 'houses': available_time 'known' is no curated column; there are rooms, price, sold, agent",
    ]


def test_a_train_function_must_exist() -> None:
    (line,) = found(model=MODEL.model_copy(update={"train": f"{HERE}:fitt"}))
    assert line.startswith("model 'house_price': train:")
    (line,) = found(model=MODEL.model_copy(update={"train": f"{HERE}:HERE"}))
    assert line.endswith("is no function")


def test_all_problems_are_one_error_of_a_line_each() -> None:
    error = ProductProblems(problems(products(source=SOURCE.model_copy(update={"keys": ("a",), "event_time": "b"}))))
    assert len(error.message.splitlines()) == 2
    assert error.exit_code == 2
