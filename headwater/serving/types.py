"""What a prediction request gives: the answer for the caller, and the record for later."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """A request and its answer as the prediction log keeps them, one JSON object each."""

    request_id: str
    model: str
    version: int
    alias: str
    run_id: str
    data_version: str
    received_at: datetime
    answered_at: datetime
    as_of: datetime
    looked_up: bool
    """Whether the features were looked up online, or came with the request."""
    predictions: list[dict[str, Any]] = field(default_factory=list)
    """For each instance its inputs, features, missing features, feature age and output."""

    @property
    def key(self) -> str:
        """Its key in the predictions bucket; the date is that of the request, UTC."""
        return f"{self.model}/date={self.received_at:%Y-%m-%d}/{self.request_id}.json"

    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "format": 1,
            "request_id": self.request_id,
            "model": self.model,
            "version": self.version,
            "alias": self.alias,
            "run_id": self.run_id,
            "data_version": self.data_version,
            "received_at": self.received_at.isoformat(),
            "answered_at": self.answered_at.isoformat(),
            "as_of": self.as_of.isoformat(),
            "features_from": "online" if self.looked_up else "request",
            "predictions": self.predictions,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the caller, and what is written down."""

    body: dict[str, Any]
    record: PredictionRecord
    missing_features: int
    """How many feature values were missing, over all instances."""
