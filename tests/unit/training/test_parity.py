"""A graph answers as the pipeline it was made from, on every request that the API lets through."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import ensemble, tree
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from headwater.declare import (
    Examples,
    Gate,
    Holdout,
    InvalidProduct,
    Model,
    Product,
    Source,
    catalog,
    number,
)
from headwater.training.compiling import Graph, check_parity, compile_graph
from headwater.training.errors import CompilationFailed
from headwater.training.trees import widest

LEARNERS = {
    "boosted classifier": lambda: ensemble.HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2),
    "boosted regressor": lambda: ensemble.HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=2),
    "poisson": lambda: ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=5, min_samples_leaf=2),
    "forest": lambda: ensemble.RandomForestRegressor(3, random_state=0),
    "forest classifier": lambda: ensemble.RandomForestClassifier(3, random_state=0),
    "extra trees": lambda: ensemble.ExtraTreesRegressor(3, random_state=0),
    "tree": lambda: tree.DecisionTreeClassifier(random_state=0),
    "gradient classifier": lambda: ensemble.GradientBoostingClassifier(n_estimators=3, loss="exponential"),
    "gradient regressor": lambda: ensemble.GradientBoostingRegressor(n_estimators=3),
}
BEFORE: dict[str, Any] = {
    "nothing": list,
    "filled": lambda: [SimpleImputer(add_indicator=True)],
    "scaled": lambda: [SimpleImputer(), StandardScaler()],
}


def model(task: str, required: bool = True, inputs: int = 2) -> Model:
    return Model(
        name="m",
        task=task,  # type: ignore[arg-type]
        inputs=tuple(number(f"a{n}", required=required) for n in range(inputs)),
        examples=Examples(sources=("s",), sql="select 1", label="y"),
        train="a.b:c",
        holdout=Holdout(share=0.2),
        gates=(Gate(metric="accuracy" if task == "classification" else "r2", at_least=0),),
    )


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("learner", LEARNERS)
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), decimals=st.integers(0, 7), scale=st.sampled_from([1e-3, 1.0, 1e5]))
def test_trees_answer_alike_wherever_a_value_lies(
    learner: str, before: str, seed: int, decimals: int, scale: float
) -> None:
    random = numpy.random.default_rng(seed)
    values = (random.gamma(2, 1, (300, 2)) * scale).round(decimals).astype("float32").astype("float64")
    frame = pandas.DataFrame(values, columns=["a0", "a1"])
    label = frame.a0 + frame.a1 + scale * random.normal(size=300)
    made = LEARNERS[learner]()
    missing = before != "nothing" or not learner.startswith("gradient")
    if missing:
        frame = frame.mask(random.random(frame.shape) < 0.1)
    task = "classification" if hasattr(made, "predict_proba") else "regression"
    wanted = (label > label.median()).astype(int) if task == "classification" else label.clip(lower=0) + 1e-3
    pipeline = make_pipeline(*BEFORE[before](), made).fit(frame, wanted)
    # Values just beside each other, and those that the trees were split by.
    beside = numpy.nextafter(frame.astype("float32"), numpy.float32(numpy.inf)).astype("float64")
    asked = pandas.concat([frame, pandas.DataFrame(beside, columns=frame.columns)], ignore_index=True)
    declared = model(task, required=not missing)
    parity = check_parity(declared, pipeline, Graph(*compile_graph(declared, pipeline)), asked)
    assert parity.passed, parity.worst


@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30))
def test_a_widened_threshold_says_of_a_float64_what_float32_says(threshold: float, value: float) -> None:
    for given_value in (
        value,
        threshold,
        float(numpy.nextafter(threshold, numpy.inf)),
        float(numpy.float32(threshold)),
    ):
        expected = float(numpy.float32(given_value)) <= threshold
        assert (given_value <= widest(numpy.array([threshold]))[0]) == expected


def test_an_input_that_must_come_is_never_tried_without() -> None:
    frame = pandas.DataFrame({"a0": numpy.arange(50.0), "a1": numpy.arange(50.0) % 7})
    pipeline = make_pipeline(Ridge()).fit(frame, frame.a0)
    graph = Graph(*compile_graph(model("regression"), pipeline))
    incomplete = pandas.concat([frame, pandas.DataFrame({"a0": [numpy.nan], "a1": [1.0]})])
    parity = check_parity(model("regression"), pipeline, graph, incomplete)
    assert (parity.passed, parity.rows) == (True, 50)
    with pytest.raises(CompilationFailed, match="the pipeline fails when a0 is missing") as caught:
        check_parity(model("regression", required=False), pipeline, graph, frame)
    assert [*caught.value.next_steps] == [
        "fill a0 within the pipeline, such as by a SimpleImputer before the step that can't, or require it"
    ]


def test_a_disagreement_tells_trial_row_answers_and_remedy() -> None:
    frame = pandas.DataFrame({"a0": numpy.arange(50.0), "a1": numpy.arange(50.0) % 7})
    needed = model("regression")
    optional = number("a0", required=False)
    declared = needed.model_copy(update={"inputs": (optional, needed.inputs[1])})
    pipeline = make_pipeline(SimpleImputer(strategy="constant", fill_value=1000), Ridge()).fit(frame, frame.a0)
    other = make_pipeline(SimpleImputer(strategy="constant", fill_value=0), Ridge()).fit(frame, frame.a0)
    parity = check_parity(declared, pipeline, Graph(*compile_graph(declared, other)), frame)
    assert not parity.passed
    assert parity.worst is not None
    assert (parity.worst.trial, parity.worst.columns) == ("a0 is missing", ("a0",))
    assert "a0 = missing, a1 = " in str(parity.worst)
    assert "SimpleImputer" in parity.worst.remedy


def test_a_model_that_no_request_could_ask_is_refused_when_declared() -> None:
    source = Source(name="s", contract="a.b:C")
    assert catalog([Product(sources=(source,), models=(model("regression", inputs=500),))])
    with pytest.raises(InvalidProduct, match="25,000 inputs and 0 features has at least"):
        catalog([Product(sources=(source,), models=(model("regression", inputs=25_000),))])
