"""Models: their inputs, features, examples, train function, gates and schedule."""

from __future__ import annotations

import json
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from headwater.declare.base import Declaration, InvalidProduct, Name, refuse_repeats
from headwater.declare.inputs import OnDemand, RequestInput
from headwater.declare.monitoring import Monitoring
from headwater.declare.references import Reference
from headwater.declare.retraining import Retraining
from headwater.declare.schedules import Schedule
from headwater.declare.training import CLASSIFICATION_METRICS, Examples, Gate, Holdout, Metric, Search

LONGEST_BODY = 256 * 1024
"""Bytes of a prediction request's body that the API reads."""
MOST_INSTANCES = 100
"""Instances that a prediction request may carry."""


class Model(Declaration):
    """A model: its inputs, examples, train function, gates and schedule."""

    name: Name
    """The model's name in the registry and in the API's paths."""
    description: str = ""
    """One line for people; the model card shows it."""
    owner: str = ""
    """Owner of the model: a person, a team or an address."""
    task: Literal["classification", "regression"]
    """Whether the model predicts a class's probability or a number."""
    inputs: tuple[RequestInput, ...] = Field(min_length=1)
    """The values that a prediction request carries."""
    features: tuple[str, ...] = ()
    """``view.feature`` each, looked up for the entity in the request's inputs at the request's time."""
    text_features: tuple[str, ...] = ()
    """The features that are categories. `catalog` fills the field in from the views; a given value is ignored."""
    on_demand: tuple[OnDemand, ...] = ()
    """Made from the request's inputs and the features when it comes; the graph takes no column for them."""
    examples: Examples
    """The rows that the model learns from."""
    train: Reference
    """``fit(params, inputs, label) -> sklearn.pipeline.Pipeline``: fits a frame with `columns`, and one for each
    on-demand feature, to a label series."""
    search: Search = Search()
    """The hyperparameter search; by default one fit without parameters."""
    holdout: Holdout
    """The examples that are kept back to judge the model."""
    gates: tuple[Gate, ...] = Field(min_length=1)
    """Rules for metrics on the held-out rows; a candidate that fails one is registered as REJECTED."""
    retrain: Schedule | None = None
    """The ticks at which the model is trained again, unless its policy refuses; by default there are none."""
    retraining: Retraining = Retraining()
    """The policy by which the model is trained again: reasons beside `retrain`, what holds a training back, budget."""
    promotion: Literal["automatic", "manual"] = "automatic"
    """Whether a staged candidate that answers its golden requests becomes ``production`` by itself."""
    deterministic: bool = False
    """Whether the label follows from the columns by a rule. Then a perfect score is no sign of a leak, and doesn't hold
    the automatic promotion back."""
    monitoring: Monitoring = Monitoring()
    """How the model is watched once it serves."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_repeats(f"model {self.name!r}", [*self.columns, *(feature.name for feature in self.on_demand)])
        if self.examples.label in {entry.name for entry in self.inputs}:
            raise ValueError(
                f"model {self.name!r}: label {self.examples.label!r} is also a request input: the answer would be its "
                "own clue"
            )
        self._check_monitoring()
        if self.retrain is not None and "schedule" not in self.retraining.reasons:
            raise ValueError(
                f"model {self.name!r}: retrain says when, and retraining.reasons leaves the schedule out "
                f"({', '.join(self.retraining.reasons) or 'none'}): add 'schedule', or leave out retrain"
            )
        for gate in self.gates:
            if (gate.metric in CLASSIFICATION_METRICS) != (self.task == "classification"):
                raise ValueError(f"model {self.name!r}: {gate.metric} doesn't judge a {self.task}")
        return self

    def _check_monitoring(self) -> None:
        watched, names = self.monitoring, {entry.name for entry in self.inputs}
        categories = {entry.name for entry in self.inputs if entry.kind == "category"} | set(self.features)
        if unknown := [name for name in watched.segments if name not in categories]:
            raise ValueError(
                f"model {self.name!r}: monitoring.segments has {unknown[0]!r}, which is no input of kind category and "
                f"no feature of the model. It has {', '.join(sorted(categories)) or 'none'}"
            )
        refuse_repeats(f"model {self.name!r}: monitoring.segments", watched.segments)
        if unknown := [name for name in watched.labelled_by if name not in names]:
            raise ValueError(
                f"model {self.name!r}: monitoring.labelled_by has {unknown[0]!r}, which is no request input. "
                f"The inputs are {', '.join(sorted(names))}"
            )
        if watched.metric and (watched.metric in CLASSIFICATION_METRICS) != (self.task == "classification"):
            raise ValueError(f"model {self.name!r}: monitoring.metric {watched.metric} doesn't judge a {self.task}")

    @property
    def watched_metric(self) -> Metric:
        """The figure that performance is judged by."""
        return self.monitoring.metric or self.gates[0].metric

    @property
    def columns(self) -> tuple[str, ...]:
        """The frame's columns as the pipeline and the ONNX graph take them: inputs first, then ``view__feature``."""
        return tuple(column for entry in self.inputs for column in entry.columns) + tuple(
            feature.replace(".", "__") for feature in self.features
        )

    @property
    def categories(self) -> tuple[str, ...]:
        """The columns that hold text; all others hold numbers."""
        inputs = tuple(entry.name for entry in self.inputs if entry.kind == "category")
        return inputs + tuple(name.replace(".", "__") for name in self.features if name in self.text_features)

    @property
    def views(self) -> tuple[str, ...]:
        """The feature views that it uses, in the order of their first feature."""
        return tuple(dict.fromkeys(feature.partition(".")[0] for feature in self.features))


def shortest_request(model: Model) -> int:
    """Bytes of the shortest body that carries one instance with every input and feature of ``model``.

    Golden requests are such bodies: a model for which this is above `LONGEST_BODY` could never be staged.
    """
    shortest = {"number": 0, "category": "a", "timestamp": "2000-01-01"}
    instance = {entry.name: shortest[entry.kind] for entry in model.inputs}
    features = {name: shortest["category" if name in model.text_features else "number"] for name in model.features}
    body: dict[str, Any] = {"instances": [instance]} | ({"features": [features]} if features else {})
    return len(json.dumps(body))


def refuse_large_request(model: Model) -> None:
    """Refuse a model that no request could ask; raises `InvalidProduct`."""
    if (size := shortest_request(model)) > LONGEST_BODY:
        raise InvalidProduct(
            f"model {model.name!r}: a request with its {len(model.inputs):,} inputs and {len(model.features):,} "
            f"features has at least {size:,} bytes; the API reads {LONGEST_BODY:,}. Declare fewer, or shorter names"
        )
