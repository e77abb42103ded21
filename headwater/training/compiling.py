"""From a fitted scikit-learn pipeline to an ONNX graph, and the proof that both answer alike."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy
import onnxruntime
import pandas
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from headwater.model import Model
from headwater.registry.types import Output, Package, Parity
from headwater.training.errors import CompilationFailed
from headwater.training.learning import predict
from headwater.training.on_demand import Stage

TOLERANCE = 1e-4
PARITY_ROWS = 5_000
ROWS_WITHOUT = 100
NEVER_SEEN = "\u2205 never seen"


def compile_graph(model: Model, pipeline: Any) -> tuple[bytes, Output]:
    """The ONNX graph of a pipeline, on-demand features and preprocessing included, and where its answer stands.

    One input a column of the model, shape (n, 1): text or float32.

    Raises
    ------
    CompilationFailed
        A step has no ONNX form, or the classifier's labels aren't 0 and 1.
    """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    if model.task == "classification" and [int(label) for label in pipeline.classes_] != [0, 1]:
        raise CompilationFailed(
            f"{model.train}: the classifier knows the labels {list(pipeline.classes_)}, not 0 and 1"
        )
    types = [
        (name, StringTensorType([None, 1]) if name in model.categories else FloatTensorType([None, 1]))
        for name in _learnt_from(model)
    ]
    try:
        with warnings.catch_warnings():
            # skl2onnx hands booleans to protobuf as whole numbers, which protobuf 6 warns of and 7 refuses.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", UserWarning)
            options = {"zipmap": False} if model.task == "classification" else None
            graph = to_onnx(_from_columns(model, pipeline), initial_types=types, options=options)
    except Exception as error:
        said = " ".join(str(error).split())[:500]
        raise CompilationFailed(
            f"{model.train}: the pipeline can't be made into ONNX: {said}",
            next_steps=["use steps that https://onnx.ai/sklearn-onnx/supported.html lists"],
        ) from error
    if model.on_demand:
        graph = Stage(model).before(graph)
    names = [output.name for output in graph.graph.output]
    if model.task == "classification":
        return graph.SerializeToString(), Output(name=names[1], column=1)
    return graph.SerializeToString(), Output(name=names[0], column=0)


def _learnt_from(model: Model) -> list[str]:
    return [*model.columns, *(feature.name for feature in model.on_demand)]


def _from_columns(model: Model, pipeline: Any) -> Pipeline:
    """The pipeline with a first step that puts the columns side by side, as a data frame has them.

    skl2onnx knows that of a ColumnTransformer alone; any other first step it would give the first column only.
    """
    steps = list(pipeline.steps) if isinstance(pipeline, Pipeline) else [("model", pipeline)]
    if model.categories or isinstance(steps[0][1], ColumnTransformer):
        return pipeline if isinstance(pipeline, Pipeline) else Pipeline(steps)
    columns = _learnt_from(model)
    beside = ColumnTransformer([("columns", "passthrough", columns)])
    beside.fit(pandas.DataFrame(0.0, index=range(2), columns=columns))
    return Pipeline([("beside", beside), *steps])


class Graph:
    """An ONNX graph that answers frames.

    Parameters
    ----------
    body : bytes
    output : Output
    """

    def __init__(self, body: bytes, output: Output) -> None:
        options = onnxruntime.SessionOptions()
        # Sums in a fixed order: the same rows give the same figures on every machine of a kind.
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(body, options, providers=["CPUExecutionProvider"])
        self._output = output

    @classmethod
    def of(cls, package: Package, body: bytes) -> Graph:
        """The graph of a package."""
        return cls(body, package.output)

    @property
    def columns(self) -> tuple[str, ...]:
        """What it takes."""
        return tuple(entry.name for entry in self._session.get_inputs())

    def predict(self, columns: pandas.DataFrame) -> Any:
        """The answer for each row."""
        feed = {
            entry.name: columns[entry.name]
            .to_numpy(dtype=object if entry.type == "tensor(string)" else numpy.float32)
            .reshape(-1, 1)
            for entry in self._session.get_inputs()
        }
        answer = self._session.run([self._output.name], feed)[0]
        return numpy.asarray(answer, dtype="float64").reshape(len(columns), -1)[:, self._output.column]


def check_parity(model: Model, pipeline: Any, graph: Graph, held_out: pandas.DataFrame) -> Parity:
    """Compare graph and pipeline on held-out rows: as they are, without each column in turn, and with unseen text.

    A probability may differ by `TOLERANCE`, a value by that much of itself; so a label can flip only where the
    pipeline itself is undecided.

    Raises
    ------
    CompilationFailed
        The pipeline fails on a request that serving would let through: a feature or optional input is missing, or a
        category wasn't seen in training.
    """
    rows, largest = 0, 0.0
    for words, allowed, frame in _trials(model, held_out):
        try:
            expected = predict(model, pipeline, frame)
        except ValueError as error:
            if not allowed:
                continue
            said = " ".join(str(error).split())[:300]
            raise CompilationFailed(
                f"{model.train}: the pipeline fails when {words}, which requests may do: {said}"
            ) from error
        answered = graph.predict(frame)
        scale = numpy.maximum(1.0, numpy.abs(expected)) if model.task == "regression" else 1.0
        differences = numpy.abs(answered - expected) / scale
        # NaN is a difference too.
        largest = max(largest, float(numpy.nan_to_num(differences, nan=1e9).max(initial=0.0)))
        rows += len(frame)
    return Parity(rows=rows, largest_difference=largest, tolerance=TOLERANCE, passed=largest <= TOLERANCE)


def _trials(model: Model, held_out: pandas.DataFrame) -> Iterator[tuple[str, bool, pandas.DataFrame]]:
    """What is tried, whether a request may do it, and the rows."""
    yield "rows are as they were held out", True, spread(held_out, PARITY_ROWS)
    some = spread(held_out, ROWS_WITHOUT)
    optional = {name for entry in model.inputs if not entry.required for name in entry.columns}
    optional |= {reference.replace(".", "__") for reference in model.features}
    for name in model.columns:
        missing: Any = "" if name in model.categories else numpy.nan
        yield f"{name} is missing", name in optional, some.assign(**{name: pandas.Series(missing, some.index)})
    for name in model.categories:
        unseen = pandas.Series(NEVER_SEEN, some.index, dtype=object)
        yield f"{name} was never seen in training", True, some.assign(**{name: unseen})
    if optional:
        without = {name: "" if name in model.categories else numpy.nan for name in optional}
        yield "all that is optional is missing", True, some.assign(**without)


def spread(frame: pandas.DataFrame, count: int) -> pandas.DataFrame:
    """At most ``count`` rows, evenly from the first to the last."""
    return frame.iloc[places(len(frame), count)]


def places(length: int, count: int) -> list[int]:
    """At most ``count`` positions, evenly spread over ``length``."""
    count = min(count, length)
    return [index * (length - 1) // max(count - 1, 1) for index in range(count)]
