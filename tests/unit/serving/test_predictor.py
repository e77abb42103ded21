"""The graph answers as the pipeline it was made from, and bytes that weren't registered are never run."""

from __future__ import annotations

import math

import pytest

from headwater.registry.errors import ArtifactInvalid
from headwater.registry.types import Output
from headwater.serving.errors import ArtifactCorrupted, PredictionFailed
from headwater.serving.predictor import Predictor
from headwater.values import Pointer
from tests.unit.serving.cases import package, trained

WHERE = Pointer(bucket="artifacts", key="model.onnx", version_id="1")


def test_onnx_agrees_with_scikit_learn_missing_values_included() -> None:
    model = trained()
    predictor = Predictor(package(WHERE, model.graph), model.graph, 1)
    rows = [{"carrier": "B6", "distance": 1.0}, {"carrier": "??", "distance": math.nan}, {"carrier": "", "distance": 2}]
    features = [
        {"delays.rate_6h": 0.4, "delays.rate_24h": 1.0},
        {"delays.rate_6h": None, "delays.rate_24h": 0.0},
        {"delays.rate_6h": None, "delays.rate_24h": None},
    ]
    answers = predictor.predict(rows, features)
    expected = [model.probability(row, values) for row, values in zip(rows, features, strict=True)]
    assert answers == pytest.approx(expected, abs=1e-5)


def test_a_graph_whose_bytes_changed_is_never_run() -> None:
    model = trained()
    with pytest.raises(ArtifactCorrupted, match=r"has sha256 .* was registered"):
        Predictor(package(WHERE, model.graph), model.graph + b"\0", 1)


def test_bytes_that_are_no_graph_are_refused() -> None:
    with pytest.raises(ArtifactInvalid, match="can't be loaded"):
        Predictor(package(WHERE, b"pickle"), b"pickle", 1)


def test_a_graph_that_takes_what_the_package_does_not_give_is_refused() -> None:
    graph = trained().graph
    described = package(WHERE, graph).model_copy(update={"columns": ("carrier", "distance"), "features": ()})
    with pytest.raises(ArtifactInvalid, match="takes delays__rate_24h, delays__rate_6h"):
        Predictor(described, graph, 1)


def test_a_graph_without_the_named_output_is_refused() -> None:
    graph = trained().graph
    described = package(WHERE, graph).model_copy(update={"output": Output(name="score")})
    with pytest.raises(ArtifactInvalid, match="'score' as tensor"):
        Predictor(described, graph, 1)


def test_a_column_that_the_output_lacks_fails_in_words() -> None:
    graph = trained().graph
    described = package(WHERE, graph)
    predictor = Predictor(described.model_copy(update={"output": Output(name="probabilities", column=0)}), graph, 1)
    first = predictor.predict([{"carrier": "B6", "distance": 1.0}], [dict.fromkeys(predictor.features)])
    assert 0 < first[0] < 1
    with pytest.raises(PredictionFailed, match="version 1"):
        Predictor(described.model_copy(update={"output": Output(name="probabilities", column=2)}), graph, 1).predict(
            [{"carrier": "B6", "distance": 1.0}], [dict.fromkeys(predictor.features)]
        )
