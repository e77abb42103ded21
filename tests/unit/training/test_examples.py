"""What an example holds comes out of the training set as a request would carry it, or is refused by name."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.declare import Examples, Gate, Holdout, Model, RequestInput, category, number
from headwater.features.inputs import encode
from headwater.registry.types import LeakWarning
from headwater.training.dataset import Rows
from headwater.training.describing import golden
from headwater.training.errors import InvalidExamples
from headwater.training.examples import Asked, encoded
from headwater.training.leaks import suspect
from headwater.training.types import LABEL

KINDS: dict[str, tuple[str, Any]] = {
    "BIGINT": ("category", st.integers(-(2**63), 2**63 - 1)),
    "HUGEINT": ("category", st.integers(-(10**29), 10**29)),
    "UBIGINT": ("number", st.integers(0, 2**64 - 1)),
    "BOOLEAN": ("category", st.booleans()),
    "DECIMAL(18,3)": ("number", st.decimals(-(10**14), 10**14, places=3)),
    "VARCHAR": ("category", st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)),
    "DOUBLE": ("number", st.floats(-1e30, 1e30)),
}


def model(*inputs: RequestInput, task: str = "regression") -> Model:
    return Model(
        name="m",
        task=task,  # type: ignore[arg-type]
        inputs=inputs,
        examples=Examples(sources=("s",), sql="select 1", label="y"),
        train="a.b:c",
        holdout=Holdout(share=0.2),
        gates=(Gate(metric="accuracy" if task == "classification" else "r2", at_least=0),),
    )


def made(declared: Model, sql: str, *values: Any) -> pandas.DataFrame:
    with duckdb.connect() as database:
        asked = Asked.of(declared, database.sql(sql, params=list(values)))
    return encoded(declared, asked, asked.frame)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_value_is_learnt_from_as_a_request_carries_it(kind: str, data: st.DataObject) -> None:
    what, strategy = KINDS[kind]
    values = data.draw(st.lists(st.none() | strategy, min_size=1, max_size=6))
    declared = model(RequestInput(name="x", kind=what, required=False))  # type: ignore[arg-type]
    rows = made(declared, f"SELECT unnest(?::{kind}[]) AS x, 1 AS y", values)
    for value, learnt in zip(values, rows["x"], strict=True):
        (asked,) = encode(declared.inputs, {"x": value}).values()
        assert learnt == asked or (learnt != learnt and asked != asked), (value, learnt)


def test_a_whole_number_beside_a_missing_one_keeps_its_digits() -> None:
    declared = model(category("x", required=False))
    rows = made(declared, "SELECT unnest([9007199254740993, NULL]) AS x, 1 AS y")
    assert rows["x"].tolist() == ["9007199254740993", ""]


def test_an_example_without_a_required_input_refuses_the_run_by_name() -> None:
    declared = model(number("x"), category("c"))
    with pytest.raises(InvalidExamples, match=r"2 of 4 .* x: missing.* example 2 \(x missing, c 'b'\)") as it:
        made(declared, "SELECT unnest([1, NULL, NULL, 2]) AS x, unnest(['a', 'b', 'c', 'd']) AS c, 1 AS y")
    assert "required=False" in it.value.next_steps[0]


@pytest.mark.parametrize(
    ("sql", "task", "expected"),
    [
        ("unnest([true, false])", "classification", [1, 0]),
        ("unnest([1::DECIMAL(9,2), 0])", "classification", [1, 0]),
        ("unnest([0.1::DECIMAL(9,2), 5])", "regression", [0.1, 5.0]),
        ("unnest([9007199254740991, 1])", "regression", [9007199254740991.0, 1.0]),
    ],
)
def test_a_label_is_the_number_that_was_given(sql: str, task: str, expected: list[float]) -> None:
    rows = made(model(number("x"), task=task), f"SELECT 1 AS x, {sql} AS y")
    assert rows[LABEL].tolist() == expected


@pytest.mark.parametrize("given_label", ["'1'", "'yes'", "0.9999999999::DECIMAL(18,10)", "2", "'inf'::DOUBLE"])
def test_a_label_is_never_guessed(given_label: str) -> None:
    declared = model(number("x"), task="classification")
    with pytest.raises(InvalidExamples, match=r"label 'y' holds .* in 1 of 1 examples, expected 0 or 1"):
        made(declared, f"SELECT 1 AS x, {given_label} AS y")


def rows_of(declared: Model, columns: pandas.DataFrame, label: Any) -> Rows:
    return Rows(columns, pandas.Series(label), pandas.DataFrame(index=columns.index))


def test_golden_requests_of_five_hundred_inputs_fit_the_api() -> None:
    declared = model(*(number(f"input_{n}", required=False) for n in range(500)))
    columns = pandas.DataFrame(numpy.random.default_rng(0).normal(size=(40, 500)), columns=list(declared.columns))
    made_set = golden(declared, "run-1", rows_of(declared, columns, [0.0] * 40), numpy.zeros(40))
    assert sum(len(request.instances) for request in made_set.requests) == 20
    assert len(made_set.requests) > 1
    for request in made_set.requests:
        body = request.model_dump_json(exclude={"expected", "as_of"})
        assert len(body) <= 256 * 1024


def leaks(declared: Model, columns: dict[str, Any], label: Any, **metrics: float) -> tuple[LeakWarning, ...]:
    rows = rows_of(declared, pandas.DataFrame(columns), label)
    half = numpy.arange(len(rows)) < len(rows) // 2
    return suspect(declared, rows.pick(half), rows.pick(~half), metrics)


def test_a_column_that_tells_the_label_is_told_of_and_an_honest_one_is_not() -> None:
    random = numpy.random.default_rng(0)
    label = (random.random(400) < 0.3).astype(int)
    declared = model(
        number("paid", required=False),
        number("age"),
        category("state"),
        task="classification",
    )
    columns = {
        "paid": numpy.where(random.random(400) < 0.1, math.nan, -3.0 * label),
        "age": label + random.normal(size=400),
        "state": numpy.where(label == 1, "closed", "open").astype(object),
    }
    found = leaks(declared, columns, label, roc_auc=1.0)
    assert [warning.column for warning in found] == [None, "paid", "state"]
    assert leaks(declared.model_copy(update={"deterministic": True}), columns, label, roc_auc=1.0) == ()
    few = {name: values[:60] for name, values in columns.items()}
    assert leaks(declared, few, label[:60], roc_auc=1.0) == ()
    assert leaks(declared, columns, numpy.ones(400), roc_auc=1.0) == ()


def test_a_curve_through_one_column_is_a_leak_of_a_number() -> None:
    random = numpy.random.default_rng(1)
    declared = model(*(number(name) for name in ("log", "noisy")))
    label = random.gamma(2, 50, 400)
    columns = {"log": numpy.log(label), "noisy": label * random.uniform(0.9, 1.1, 400)}
    assert [warning.column for warning in leaks(declared, columns, label, r2=0.99)] == ["log"]
    assert str(leaks(declared, columns, label, r2=0.99)[0]) == (
        "possible leak: column log alone reaches r2 1.0000 on 400 rows"
    )
