"""How good predictions are, and whether that is good enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy
from sklearn import metrics as sk

from headwater.declare import LOWER_IS_BETTER, Gate, Model
from headwater.registry.types import GateOutcome

Metrics = Mapping[str, float]

_CLASSIFICATION: Mapping[str, Callable[[Any, Any], float]] = {
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "log_loss": lambda label, predicted: sk.log_loss(label, predicted, labels=[0, 1]),
    "brier": sk.brier_score_loss,
    "accuracy": lambda label, predicted: sk.accuracy_score(label, predicted >= 0.5),
}
_REGRESSION: Mapping[str, Callable[[Any, Any], float]] = {
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
}


def measure(task: str, label: Any, predicted: Any) -> dict[str, float]:
    """Every metric of the task that is defined on these rows (a single class has no ROC curve)."""
    label, predicted = numpy.asarray(label), numpy.asarray(predicted, dtype="float64")
    if task == "classification":
        # Sums of float32 may pass 1 by a hair, which scikit-learn's metrics refuse.
        predicted = numpy.clip(predicted, 0.0, 1.0)
    values: dict[str, float] = {}
    for name, metric in (_CLASSIFICATION if task == "classification" else _REGRESSION).items():
        if name in {"roc_auc", "average_precision"} and len(numpy.unique(label)) < 2:
            continue
        if name == "r2" and len(label) < 2:
            continue
        value = float(metric(label, predicted))
        if math.isfinite(value):
            values[name] = value
    return values


def better(metric: str, value: float, than: float) -> bool:
    """Whether ``value`` is better than the other by this metric."""
    return value < than if metric in LOWER_IS_BETTER else value > than


def judge(model: Model, reached: Metrics, champion: Metrics | None, no_champion: str) -> tuple[GateOutcome, ...]:
    """How a candidate stands before each of the model's gates.

    Parameters
    ----------
    model : Model
    reached : mapping
        The candidate's metrics on the held-out rows.
    champion : mapping or None
        The champion's on the same rows.
    no_champion : str
        Why there are none, for people.
    """
    return tuple(outcome for gate in model.gates for outcome in _outcomes(gate, reached, champion, no_champion))


def _outcomes(gate: Gate, reached: Metrics, champion: Metrics | None, no_champion: str) -> list[GateOutcome]:
    metric, value = gate.metric, reached.get(gate.metric)
    outcomes = []
    if gate.at_least is not None:
        passed = value is not None and value >= gate.at_least
        reason = "" if passed else f"{metric} {_shown(value)} is below {gate.at_least:g}"
        outcomes.append(
            GateOutcome(metric=metric, rule="at_least", value=value, limit=gate.at_least, passed=passed, reason=reason)
        )
    if gate.at_most is not None:
        passed = value is not None and value <= gate.at_most
        reason = "" if passed else f"{metric} {_shown(value)} is above {gate.at_most:g}"
        outcomes.append(
            GateOutcome(metric=metric, rule="at_most", value=value, limit=gate.at_most, passed=passed, reason=reason)
        )
    if gate.champion_margin is not None:
        outcomes.append(
            _beside_champion(metric, gate.champion_margin, value, (champion or {}).get(metric), no_champion)
        )
    return outcomes


def _beside_champion(
    metric: str, margin: float, value: float | None, champion: float | None, no_champion: str
) -> GateOutcome:
    if champion is None:
        # Nothing to be worse than: the first version of a model must be able to pass.
        return GateOutcome(
            metric=metric, rule="champion_margin", value=value, limit=value or 0.0, passed=True, reason=no_champion
        )
    limit = champion + margin if metric in LOWER_IS_BETTER else champion - margin
    passed = value is not None and not better(metric, limit, value)
    reason = (
        "" if passed else f"{metric} {_shown(value)} is more than {margin:g} worse than the champion's {champion:.4f}"
    )
    return GateOutcome(metric=metric, rule="champion_margin", value=value, limit=limit, passed=passed, reason=reason)


def _shown(value: float | None) -> str:
    return "(undefined on these rows)" if value is None else f"{value:.4f}"
