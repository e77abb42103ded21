"""On-demand features: SQL expressions over a request's columns, made into the first stage of the model's ONNX graph.

The one implementation serves both sides: training runs the stage by itself to make what the pipeline learns from, and
serving runs it as a part of the graph. The language is that of `headwater.training.expressions`.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

from headwater.declare import Model
from headwater.training.expressions import TEXT_DOMAIN, Expression, Nodes, Number, Text, Value

if TYPE_CHECKING:
    import pandas

OPSET, TEXT_OPSET = 17, 2
"""The oldest versions of ONNX's operators, and of its operators for text, that have what a stage uses."""


def with_on_demand(model: Model, columns: pandas.DataFrame) -> pandas.DataFrame:
    """The columns that a pipeline learns from: the model's, as far as they are given, and what is made of these."""
    return Stage(model).run(columns) if model.on_demand else columns


class Stage:
    """Every on-demand feature of a model, ready to run.

    Parameters
    ----------
    model : Model

    Raises
    ------
    InvalidProduct
        An expression isn't SQL, names no column of the model, or uses what the language hasn't.
    """

    def __init__(self, model: Model) -> None:
        self._categories = frozenset(model.categories)
        self._nodes = Nodes()
        self._known = {name: self._column(name) for name in model.columns}
        self.names = tuple(feature.name for feature in model.on_demand)
        self.needs: dict[str, frozenset[str]] = {}
        """The model's columns that each one is made from."""
        for feature in model.on_demand:
            used = Expression(self._nodes, self._known, model, feature).compile()
            self.needs[feature.name] = used.union(*(self.needs.get(name, ()) for name in used)) - set(self.needs)
            self._known[feature.name] = Number(feature.name)

    def _column(self, name: str) -> Value:
        return Text(name) if name in self._categories else Number(name)

    def before(self, graph: onnx.ModelProto) -> onnx.ModelProto:
        """``graph`` with this stage in front: it takes the model's columns alone."""
        made = onnx.ModelProto()
        made.CopyFrom(graph)
        inside = made.graph
        taken = {entry.name: entry for entry in inside.input if entry.name not in self.names}
        taken |= {name: self._info(name) for name in self._used() if name not in taken}
        nodes, initializers = [*self._nodes.nodes, *inside.node], [*self._nodes.constants, *inside.initializer]
        for field, values in (("input", taken.values()), ("node", nodes), ("initializer", initializers)):
            inside.ClearField(field)
            getattr(inside, field).extend(values)
        for domain, least in (("", OPSET), (TEXT_DOMAIN, TEXT_OPSET)):
            _require(made, domain, least)
        onnx.checker.check_model(made)
        return made

    def run(self, columns: pandas.DataFrame) -> pandas.DataFrame:
        """The frame with a column for each feature that can be made from the columns it has."""
        names = [name for name in self.names if self.needs[name] <= set(columns.columns)]
        if not names:
            return columns
        feed = {name: self._tensor(name, columns) for name in self._used()}
        values = self._session.run(names, feed)
        made = {name: value.reshape(-1).astype("float64") for name, value in zip(names, values, strict=True)}
        return columns.assign(**made)

    def _tensor(self, name: str, columns: pandas.DataFrame) -> Any:
        kind, missing = (object, "") if name in self._categories else (numpy.float32, math.nan)
        if name not in columns:
            return numpy.full((len(columns), 1), missing, kind)
        return columns[name].to_numpy(dtype=kind).reshape(-1, 1)

    @cached_property
    def _session(self) -> Any:
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in self.names]
        inputs = [self._info(name) for name in self._used()]
        graph = helper.make_graph(self._nodes.nodes, "on_demand", inputs, outputs, self._nodes.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(TEXT_DOMAIN, TEXT_OPSET)]
        body = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(body, options, providers=["CPUExecutionProvider"])

    def _used(self) -> list[str]:
        return sorted(frozenset().union(*self.needs.values()))

    def _info(self, name: str) -> Any:
        kind = TensorProto.STRING if name in self._categories else TensorProto.FLOAT
        return helper.make_tensor_value_info(name, kind, [None, 1])


def _require(graph: onnx.ModelProto, domain: str, least: int) -> None:
    for entry in graph.opset_import:
        if entry.domain == domain:
            entry.version = max(entry.version, least)
            return
    graph.opset_import.append(helper.make_opsetid(domain, least))
