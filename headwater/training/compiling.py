"""From a fitted scikit-learn pipeline to an ONNX graph, and the proof that both answer alike."""

from __future__ import annotations

import warnings
from typing import Any

import numpy
import onnx
import onnxruntime
import pandas
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from headwater.declare import Model
from headwater.registry.types import Output, Package
from headwater.training.errors import CompilationFailed
from headwater.training.on_demand import Stage
from headwater.training.parity import check_parity as check_parity
from headwater.training.trees import ML_OPSET, converters

OPSET = 18


def compile_graph(model: Model, pipeline: Any) -> tuple[bytes, Output]:
    """The ONNX graph of a pipeline, on-demand features and preprocessing included, and where its answer stands.

    One input a column of the model, shape (n, 1): text or float32.

    Raises
    ------
    CompilationFailed
        A step has no ONNX form, or the classifier's labels aren't 0 and 1.
    """
    if model.task == "classification" and [int(label) for label in pipeline.classes_] != [0, 1]:
        raise CompilationFailed(
            f"{model.train}: the classifier knows the labels {list(pipeline.classes_)}, not 0 and 1"
        )
    graph = _converted(model, pipeline)
    if model.on_demand:
        graph = Stage(model).before(graph)
    names = [output.name for output in graph.graph.output]
    if model.task == "classification":
        return graph.SerializeToString(), Output(name=names[1], column=1)
    return graph.SerializeToString(), Output(name=names[0], column=0)


def _converted(model: Model, pipeline: Any) -> onnx.ModelProto:
    """The pipeline in float64, as scikit-learn computes; in float32 if one of its steps has no other form."""
    failure: Exception | None = None
    for exact in (True, False):
        try:
            graph = _convert(model, pipeline, exact=exact)
            # Some operators exist for float32 alone, which shows when they are loaded.
            _load(graph.SerializeToString())
        except Exception as error:
            failure = error
        else:
            return graph
    said = " ".join(str(failure).split())[:500]
    raise CompilationFailed(
        f"{model.train}: the pipeline can't be made into ONNX: {said}",
        next_steps=["use steps that https://onnx.ai/sklearn-onnx/supported.html lists"],
    ) from failure


def _convert(model: Model, pipeline: Any, *, exact: bool) -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    number = DoubleTensorType if exact else FloatTensorType
    with warnings.catch_warnings():
        # skl2onnx hands booleans to protobuf as whole numbers, which protobuf 6 warns of and 7 refuses.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        graph: onnx.ModelProto = convert_sklearn(
            _from_columns(model, pipeline),
            # By default a random one, and the graph's bytes would differ from run to run.
            name=model.name,
            initial_types=[
                (name, (StringTensorType if name in model.categories else number)([None, 1]))
                for name in _learnt_from(model)
            ],
            options={"zipmap": False} if model.task == "classification" else None,
            custom_conversion_functions=converters(),
            target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
        )
    return _in_float32(graph) if exact else graph


def _in_float32(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with float32 tensors outside, as requests and answers have them, and float64 inside."""
    inside = graph.graph
    before: list[str] = []
    after: list[str] = []
    for entries, changed in ((inside.input, before), (inside.output, after)):
        for entry in entries:
            kind = entry.type.tensor_type
            if kind.elem_type == onnx.TensorProto.DOUBLE:
                kind.elem_type = onnx.TensorProto.FLOAT
                changed.append(entry.name)
    renamed = {name: f"{name}__float64" for name in (*before, *after)}
    for node in inside.node:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    cast = onnx.helper.make_node
    nodes = [cast("Cast", [name], [renamed[name]], to=onnx.TensorProto.DOUBLE) for name in before]
    nodes += inside.node
    nodes += [cast("Cast", [renamed[name]], [name], to=onnx.TensorProto.FLOAT) for name in after]
    inside.ClearField("node")
    inside.node.extend(nodes)
    return graph


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
        self._session = _load(body)
        self._output = output

    @classmethod
    def of(cls, package: Package, body: bytes) -> Graph:
        """The graph of a package."""
        return cls(body, package.output)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the graph takes."""
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


def _load(body: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    # Sums in a fixed order: the same rows give the same figures on every machine of a kind.
    options.intra_op_num_threads = 1
    # What a graph's failure says stands in its exception.
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(body, options, providers=["CPUExecutionProvider"])
