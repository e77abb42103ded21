"""On-demand features mean what their SQL means, in training and in the graph that serves."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import numpy
import onnxruntime
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import FunctionTransformer

from headwater.checking import problems
from headwater.declare import InvalidProduct, Model, OnDemand
from headwater.training.compiling import Graph, check_parity, compile_graph
from headwater.training.learning import fit, predict
from headwater.training.on_demand import Stage
from tests.unit.training.products import BUYS, HERE, PRICE, products

NUMBERS, TEXTS = ("amount", "seen_at_hour", "habits.visits"), ("n", "s", "")


def model(*expressions: str, base: Model = BUYS) -> Model:
    features = tuple(OnDemand(name=f"made_{number}", sql=sql) for number, sql in enumerate(expressions))
    return Model.model_validate({**dict(base), "on_demand": features})


def frame(rows: list[tuple[float, float, float, str]]) -> pandas.DataFrame:
    columns = dict(zip(("amount", "seen_at_hour", "habits__visits", "shop"), zip(*rows, strict=True), strict=True))
    numbers = {name: pandas.Series(values, dtype="float64") for name, values in columns.items() if name != "shop"}
    return pandas.DataFrame({**numbers, "shop": pandas.Series(columns["shop"], dtype=object)})


def made(sql: str, rows: list[tuple[float, float, float, str]]) -> list[float]:
    values: list[float] = Stage(model(sql)).run(frame(rows))["made_0"].to_list()
    return values


def in_duckdb(sql: str, rows: list[tuple[float, float, float, str]]) -> list[float]:
    with duckdb.connect() as database:
        database.execute("CREATE TABLE request (amount FLOAT, seen_at_hour FLOAT, visits FLOAT, shop VARCHAR)")
        known = [(*(None if math.isnan(v) else v for v in numbers), shop or None) for *numbers, shop in rows]
        database.executemany("INSERT INTO request VALUES (?, ?, ?, ?)", known)
        plain = sql.replace("habits.visits", "visits")
        found = database.execute(f"SELECT CAST({plain} AS DOUBLE) FROM request").fetchall()  # noqa: S608
    return [math.nan if value is None or not math.isfinite(value) else value for (value,) in found]


NUMBER = st.deferred(
    lambda: (
        st.sampled_from([*NUMBERS, "0.5", "-2", "3", "NULL"])
        | st.builds("({} {} {})".format, NUMBER, st.sampled_from("+-*"), NUMBER)
        | st.builds("({} / nullif({}, 0))".format, NUMBER, NUMBER)
        | st.builds("{}({})".format, st.sampled_from(["abs", "floor", "ceil", "-"]), NUMBER)
        | st.builds("{}({}, {})".format, st.sampled_from(["greatest", "least", "coalesce", "nullif"]), NUMBER, NUMBER)
        | st.builds("CASE WHEN {} THEN {} WHEN {} THEN {} END".format, TRUTH, NUMBER, TRUTH, NUMBER)
        | st.builds("CASE shop WHEN 'n' THEN {} ELSE {} END".format, NUMBER, NUMBER)
        | st.builds("CAST(({}) AS INTEGER)".format, TRUTH)
    )
)
TRUTH = st.deferred(
    lambda: (
        st.builds("{} {} {}".format, NUMBER, st.sampled_from(["<", "<=", ">", ">=", "=", "<>"]), NUMBER)
        | st.builds("({}) {} ({})".format, TRUTH, st.sampled_from(["AND", "OR"]), TRUTH)
        | st.builds("NOT ({})".format, TRUTH)
        | st.builds("{} IS {}NULL".format, NUMBER, st.sampled_from(["", "NOT "]))
        | st.builds("{} BETWEEN {} AND {}".format, NUMBER, NUMBER, NUMBER)
        | st.builds("{} IN ({}, 3)".format, NUMBER, NUMBER)
        | st.sampled_from(["shop = 'n'", "'s' <> shop", "shop NOT IN ('n', 'x')", "shop IS NULL", "shop IS NOT NULL"])
    )
)
SMALL = st.sampled_from([math.nan, -3.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0])
ROW = st.tuples(SMALL, SMALL, SMALL, st.sampled_from(TEXTS))


@settings(max_examples=150)
@given(sql=NUMBER, rows=st.lists(ROW, min_size=1, max_size=6))
def test_an_expression_means_what_it_means_to_duckdb(sql: str, rows: list[tuple[float, float, float, str]]) -> None:
    sql = f"({sql}) + 0 * coalesce(amount, 0)"  # a constant alone is refused
    numpy.testing.assert_allclose(made(sql, rows), in_duckdb(sql, rows), rtol=1e-5, atol=1e-6)


def test_functions_answer_null_where_they_aren_t_defined() -> None:
    rows = [(4.0, 0.0, math.nan, "n"), (-1.0, 2.0, 8.0, "")]
    for sql, expected in {
        "ln(amount)": [math.log(4), math.nan], "sqrt(amount)": [2, math.nan],
        "exp(amount)": [math.exp(4), math.exp(-1)], "1 / seen_at_hour": [math.nan, 0.5],
        "amount % 3": [1, -1], "power(amount, 2)": [16, 1],
        "sin(seen_at_hour)": [0, math.sin(2)], "cos(seen_at_hour)": [1, math.cos(2)],
        "exp(amount * 1000)": [math.nan, 0], "amount > 0": [1, 0], "habits.visits > 0": [math.nan, 1],
        "if(shop = 'n', amount, TRUE)": [4, 1], "habits__visits": [math.nan, 8],
    }.items():  # fmt: skip
        numpy.testing.assert_allclose(made(sql, rows), expected, rtol=1e-6, err_msg=sql)


def test_one_may_stand_on_another_and_is_made_as_far_as_its_columns_are_there() -> None:
    stage = Stage(model("amount * 2", "made_0 + habits.visits", "made_1 + made_0"))
    whole = frame([(1.0, 0.0, 5.0, "n")])
    assert stage.run(whole)[["made_0", "made_1", "made_2"]].iloc[0].to_list() == [2, 7, 9]
    assert list(stage.run(whole[["amount", "shop"]])) == ["amount", "shop", "made_0"]
    assert stage.needs["made_2"] == {"amount", "habits__visits"}


def linear(_parameters: Any, inputs: pandas.DataFrame, label: Any) -> Any:
    """Learns from what was made alone, so that nothing else can explain its answers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    names = [name for name in inputs if name.startswith("made_")]
    zero = FunctionTransformer(feature_names_out="one-to-one")
    return Pipeline([("made", ColumnTransformer([("made", zero, names)])), ("line", LinearRegression())]).fit(
        inputs.fillna(0.0), label
    )


@pytest.mark.parametrize("used", ["rooms", "area"])
def test_the_graph_takes_the_request_s_columns_alone_and_answers_as_the_pipeline(used: str) -> None:
    declared = model(f"coalesce({used}, 0) * 3", f"CASE WHEN {used} > 4 THEN 1 ELSE 0 END", base=PRICE).model_copy(
        update={"train": f"{__name__}:linear"}
    )
    columns = pandas.DataFrame({"rooms": numpy.arange(1.0, 41), "area": numpy.arange(40.0) % 9})
    columns.loc[3, "area"] = numpy.nan
    label = columns[used].fillna(0.0) * 7 + (columns[used] > 4)
    pipeline = fit(declared, {}, columns, label)
    graph = Graph(*compile_graph(declared, pipeline))
    assert used in graph.columns
    assert set(graph.columns) <= set(declared.columns)
    numpy.testing.assert_allclose(graph.predict(columns), label, rtol=1e-4, atol=1e-3)
    numpy.testing.assert_allclose(graph.predict(columns), predict(declared, pipeline, columns), rtol=1e-4)
    assert check_parity(declared, pipeline, graph, columns).passed


def test_a_stage_runs_in_front_of_text_too() -> None:
    declared = model("CASE WHEN shop = 'n' THEN amount ELSE habits.visits END")
    graph = Stage(declared)._session
    assert isinstance(graph, onnxruntime.InferenceSession)
    assert {entry.name: entry.type for entry in graph.get_inputs()} == {
        "amount": "tensor(float)", "habits__visits": "tensor(float)", "shop": "tensor(string)"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("amount +", "isn't an SQL expression"),
        ("price * 2", "unknown column 'price'; known are shop, amount, seen_at_hour, "),
        ("made_0 + 1", "unknown column 'made_0'"),
        ("1 + 1", "names no column"),
        ("shop", "'shop': text can only be compared"),
        ("amount = 'x'", "'amount': only a column of text can be compared with text"),
        ("shop AND TRUE", "'shop': text is no condition"),
        ("random() * amount", "it isn't part of the language"),
        ("sum(amount) OVER ()", "it isn't part of the language"),
        ("amount IN (SELECT 1)", "IN takes a list of values"),
        ("CAST(amount AS INTEGER)", "only a condition can be cast to a whole number"),
        ("amount IS TRUE", "IS takes NULL"),
        ("'x'", "text can only be compared"),
    ],
)
def test_what_the_language_hasn_t_is_refused_and_named(sql: str, said: str) -> None:
    with pytest.raises(InvalidProduct, match="model 'buys': on-demand feature 'made_0'") as refused:
        Stage(model(sql))
    assert said in str(refused.value)


def test_a_bad_expression_is_found_before_anything_is_deployed() -> None:
    bad = model("amount * nothing").model_copy(update={"train": f"{HERE}:boosted"})
    (found,) = [problem for problem in problems(products(bad)) if problem.where == "model 'buys'"]
    assert str(found).startswith("model 'buys': on-demand feature 'made_0': unknown column 'nothing'")
    with pytest.raises(InvalidProduct, match="'amount' declared more than once"):
        Model.model_validate({**dict(BUYS), "on_demand": (OnDemand(name="amount", sql="amount"),)})
