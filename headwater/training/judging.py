"""How good predictions are, and whether that is good enough."""

from __future__ import annotations

from collections.abc import Mapping

from headwater.declare import LOWER_IS_BETTER, Gate, Model
from headwater.monitoring.performance.metrics import measure
from headwater.registry.types import GateOutcome

__all__ = ["Metrics", "better", "judge", "measure"]

Metrics = Mapping[str, float]


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
