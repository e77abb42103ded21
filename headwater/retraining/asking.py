"""Events as the policy's function takes them, and its answers: the words between it and those who ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.retraining.errors import RetrainingRefused
from headwater.retraining.types import Ask, Decision
from headwater.values import Value

FUNCTION = "retraining-decide"
"""The function's logical name."""


class Question(Value):
    """Somebody gives a reason to train a model, or asks for its policy."""

    model: str
    ask: Ask | None = None
    """None: only what the policy is."""

    def message(self) -> dict[str, Any]:
        """As the function takes it."""
        return self.model_dump(mode="json")


def decision_in(answer: Mapping[str, Any]) -> Decision:
    """The decision that the function answered; raises `RetrainingRefused` if it couldn't take the question."""
    if (refused := answer.get("refused")) is not None:
        raise RetrainingRefused(str(refused))
    return Decision.model_validate(answer["decision"])


def tick_ask(run: str) -> str:
    """Id of the event that is a schedule's tick, by the run that it is to be."""
    return f"tick:{run}"
