"""Trees of scikit-learn as ONNX nodes that compare exactly what scikit-learn compares.

scikit-learn puts a split between two values as a float64, and its own converter (skl2onnx) rounds that to float32:
a value that lies on the split then takes the other branch, and answers differ by a whole leaf. It also forgets which
way a missing value goes in a forest (https://github.com/onnx/sklearn-onnx/issues/1253). The nodes made here hold the
thresholds as float64 (``nodes_values_as_tensor``, ai.onnx.ml 3), and the way of missing values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from onnx import TensorProto, numpy_helper
from sklearn import ensemble, tree
from sklearn.impute import SimpleImputer

ML_OPSET = 3
"""Version of the domain ai.onnx.ml: the oldest whose trees hold float64."""

_HIST = (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor)
_BOOSTED = (ensemble.GradientBoostingClassifier, ensemble.GradientBoostingRegressor)
_FORESTS = (
    ensemble.RandomForestClassifier,
    ensemble.RandomForestRegressor,
    ensemble.ExtraTreesClassifier,
    ensemble.ExtraTreesRegressor,
)
_SINGLE = (
    tree.DecisionTreeClassifier,
    tree.DecisionTreeRegressor,
    tree.ExtraTreeClassifier,
    tree.ExtraTreeRegressor,
)


@dataclass(frozen=True)
class Tree:
    """A tree's nodes, a place each; ``left`` of a leaf is -1."""

    left: Any
    right: Any
    feature: Any
    threshold: Any
    missing_left: Any
    value: Any


@dataclass(frozen=True)
class Ensemble:
    """Trees whose leaves are summed, and what becomes of the sum."""

    trees: Sequence[Tree]
    base: float = 0.0
    steps: tuple[str, ...] = ()
    """Operators of ONNX for the sum, in order; ``Double`` is twice the sum."""


def converters() -> Mapping[type, Callable[..., None]]:
    """Converters in place of skl2onnx's own, by type of the fitted step."""
    trees = dict.fromkeys((*_HIST, *_BOOSTED, *_FORESTS, *_SINGLE), convert_trees)
    return {**trees, SimpleImputer: convert_imputer}


def convert_trees(scope: Any, operator: Any, container: Any) -> None:
    """Write a tree learner of one answer, or two classes 0 and 1; leave any other to skl2onnx."""
    learner = operator.raw_operator
    is_classifier = hasattr(learner, "classes_")
    options = container.get_options(learner, {})
    special = any(options.get(name) for name in ("raw_scores", "decision_path", "decision_leaf"))
    if special or (is_classifier and [*learner.classes_] != [0, 1]) or len(operator.inputs) != 1:
        _library(scope, operator, container)
        return
    found = ensemble_of(learner)
    if found is None:
        _library(scope, operator, container)
        return
    write = _Writer(scope, container)
    exact = write("Cast", [operator.inputs[0].full_name], to=TensorProto.DOUBLE)
    answer = write("TreeEnsembleRegressor", [exact], domain="ai.onnx.ml", version=ML_OPSET, **_attributes(found))
    for step in found.steps:
        answer = write("Add", [answer, answer]) if step == "Double" else write(step, [answer])
    if is_classifier:
        other = write("Sub", [write.constant(numpy.array([1], "float32")), answer])
        answer = write("Concat", [other, answer], axis=1)
        label = write("ArgMax", [answer], axis=1, keepdims=0)
        write("Cast", [label], to=TensorProto.INT64, into=operator.outputs[0].full_name)
    write("Cast", [answer], to=_element(operator.outputs[-1]), into=operator.outputs[-1].full_name)


def convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Write an imputer of numbers in the precision of its input; skl2onnx's knows float32 and no indicator."""
    step = operator.raw_operator
    kinds = {_element(entry) for entry in operator.inputs}
    numbers = kinds <= {TensorProto.FLOAT, TensorProto.DOUBLE} and len(kinds) == 1
    is_nan = isinstance(step.missing_values, float) and numpy.isnan(step.missing_values)
    if not numbers or not is_nan or step.statistics_.dtype.kind != "f":
        _library(scope, operator, container)
        return
    write = _Writer(scope, container)
    dtype = "float64" if kinds == {TensorProto.DOUBLE} else "float32"
    names = [entry.full_name for entry in operator.inputs]
    given = write("Concat", names, axis=1) if len(names) > 1 else names[0]
    missing = write("IsNaN", [given])
    # A column without any value is left out unless it is told to be kept.
    kept = numpy.flatnonzero(~numpy.isnan(step.statistics_))
    filled = write("Where", [missing, write.constant(step.statistics_.astype(dtype).reshape(1, -1)), given])
    parts = [filled if len(kept) == len(step.statistics_) else write("Gather", [filled, write.constant(kept)], axis=1)]
    if step.indicator_ is not None:
        told = write.constant(numpy.asarray(step.indicator_.features_, "int64"))
        parts.append(write("Cast", [write("Gather", [missing, told], axis=1)], to=operator_type(dtype)))
    write("Concat", parts, axis=1, into=operator.outputs[0].full_name)


def operator_type(dtype: str) -> int:
    """ONNX's number for a NumPy type."""
    return int(TensorProto.DOUBLE if dtype == "float64" else TensorProto.FLOAT)


def ensemble_of(learner: Any) -> Ensemble | None:
    """A fitted learner's trees; None if it has more than one answer, or begins with a model of its own."""
    is_classifier = hasattr(learner, "classes_")
    if isinstance(learner, _HIST):
        return _hist(learner)
    if isinstance(learner, _BOOSTED):
        if learner.init not in (None, "zero") or learner.estimators_.shape[1] != 1:
            return None
        start = learner._raw_predict_init(numpy.zeros((1, learner.n_features_in_)))
        twice = ("Double", "Sigmoid") if learner.loss == "exponential" else ("Sigmoid",)
        trees = [_tree(entry.tree_, learner.learning_rate) for entry in learner.estimators_[:, 0]]
        return Ensemble(trees, float(numpy.ravel(start)[0]), twice if is_classifier else ())
    members = learner.estimators_ if isinstance(learner, _FORESTS) else [learner]
    if learner.n_outputs_ != 1:
        return None
    return Ensemble([_tree(entry.tree_, 1 / len(members), is_classifier) for entry in members])


def _hist(learner: Any) -> Ensemble | None:
    if any(len(stage) != 1 for stage in learner._predictors):
        return None
    trees = []
    for (predictor,) in learner._predictors:
        nodes = predictor.nodes
        if nodes["is_categorical"].any():
            raise NotImplementedError(
                "splits by categorical_features have no ONNX form; encode them with OneHotEncoder or OrdinalEncoder "
                "and leave categorical_features out"
            )
        leaf = nodes["is_leaf"].astype(bool)
        left = numpy.where(leaf, -1, nodes["left"].astype("int64"))
        trees.append(
            Tree(
                left,
                nodes["right"].astype("int64"),
                nodes["feature_idx"],
                nodes["num_threshold"],
                nodes["missing_go_to_left"],
                nodes["value"],
            )
        )
    link = type(learner._loss.link).__name__
    steps = {"IdentityLink": (), "LogLink": ("Exp",), "LogitLink": ("Sigmoid",)}
    if link not in steps:
        return None
    return Ensemble(trees, float(numpy.ravel(learner._baseline_prediction)[0]), steps[link])


def _tree(grown: Any, weight: float, shares: bool = False) -> Tree:
    values = grown.value[:, 0, :]
    values = values[:, 1] / values.sum(axis=1) if shares else values[:, 0]
    ways = numpy.asarray(grown.missing_go_to_left)
    return Tree(
        grown.children_left, grown.children_right, grown.feature, widest(grown.threshold), ways, values * weight
    )


def widest(thresholds: Any) -> Any:
    """For each threshold t the w for which ``x <= w`` says of any float64 x what ``float32(x) <= t`` does.

    scikit-learn's forests, and its single trees, round what they are given to float32 before they compare.
    """
    thresholds = numpy.asarray(thresholds, "float64")
    with numpy.errstate(over="ignore"):
        nearest = thresholds.astype("float32")
    infinity = numpy.float32(numpy.inf)
    below = numpy.where(nearest > thresholds, numpy.nextafter(nearest, -infinity), nearest)
    middle = (below.astype("float64") + numpy.nextafter(below, infinity).astype("float64")) / 2
    # Half way between two, float32 rounds to the even one.
    with numpy.errstate(over="ignore"):
        rounds_down = middle.astype("float32") == below
    return numpy.where(rounds_down, middle, numpy.nextafter(middle, -numpy.inf))


def _attributes(found: Ensemble) -> dict[str, Any]:
    places = [numpy.arange(len(entry.left)) for entry in found.trees]
    numbers = numpy.concatenate([numpy.full(len(place), index) for index, place in enumerate(places)])

    def all_of(values: Callable[[Tree], Any], kind: str = "int64") -> Any:
        return numpy.concatenate([numpy.asarray(values(entry)) for entry in found.trees]).astype(kind)

    node, left = numpy.concatenate(places), all_of(lambda entry: entry.left)
    leaf = left < 0

    def whole(values: Any) -> list[int]:
        return [int(value) for value in values]

    return {
        "n_targets": 1,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "nodes_treeids": whole(numbers),
        "nodes_nodeids": whole(node),
        "nodes_modes": ["LEAF" if ends else "BRANCH_LEQ" for ends in leaf],
        "nodes_featureids": whole(numpy.where(leaf, 0, all_of(lambda entry: entry.feature))),
        "nodes_values_as_tensor": _tensor(numpy.where(leaf, 0.0, all_of(lambda entry: entry.threshold, "float64"))),
        "nodes_truenodeids": whole(numpy.where(leaf, 0, left)),
        "nodes_falsenodeids": whole(numpy.where(leaf, 0, all_of(lambda entry: entry.right))),
        "nodes_missing_value_tracks_true": whole(~leaf & (all_of(lambda entry: entry.missing_left) == 1)),
        "target_treeids": whole(numbers[leaf]),
        "target_nodeids": whole(node[leaf]),
        "target_ids": [0] * int(leaf.sum()),
        "target_weights_as_tensor": _tensor(all_of(lambda entry: entry.value, "float64")[leaf]),
        "base_values_as_tensor": _tensor(numpy.array([found.base])),
    }


def _tensor(values: Any) -> Any:
    return numpy_helper.from_array(numpy.asarray(values, "float64"), "values")


def _element(variable: Any) -> int:
    """ONNX's number for the type of one of skl2onnx's variables."""
    return int(variable.type.to_onnx_type().tensor_type.elem_type)


def _library(scope: Any, operator: Any, container: Any) -> None:
    from skl2onnx.common._registration import get_converter

    get_converter(operator.type)(scope, operator, container)


class _Writer:
    """Adds nodes to skl2onnx's container; a call answers with its node's output."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def __call__(
        self, kind: str, inputs: Sequence[str], *, into: str = "", domain: str = "", version: int = 13, **named: Any
    ) -> str:
        into = into or self._scope.get_unique_variable_name(kind)
        name = self._scope.get_unique_operator_name(kind)
        self._container.add_node(
            kind, [*inputs], [into], op_domain=domain, op_version=version, name=name, **named
        )  # fmt: skip
        return into

    def constant(self, values: Any) -> str:
        name: str = self._scope.get_unique_variable_name("constant")
        kinds = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64}
        self._container.add_initializer(name, kinds[values.dtype.name], list(values.shape), values.ravel().tolist())
        return name
