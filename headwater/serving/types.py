"""Results of a prediction request: the answer for the caller, and the record for the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from headwater.features.online.reading import OnlineAnswer
from headwater.serving.messages import PredictionAnswer, ViewLookUp

RECORD_FORMAT = 1
"""Newest format of a record's JSON."""


def hour_prefix(model: str, hour: datetime) -> str:
    """Beginning of the keys of an hour's records; ``hour`` is any moment in it, with its time zone."""
    return f"{model}/date={hour.astimezone(UTC):%Y-%m-%d/hour=%H}/"


def day_prefix(model: str, day: date) -> str:
    """Beginning of the keys of a day's records, those of its hours too."""
    return f"{model}/date={day.isoformat()}/"


def record_key(model: str, received_at: datetime, request_id: str) -> str:
    """The key of a request's record in the predictions bucket; the hour is that of the request, UTC."""
    return f"{hour_prefix(model, received_at)}{request_id}.json"


def possible_keys(model: str, day: date, request_id: str) -> list[str]:
    """The keys that the record of a request of ``day`` may have: one an hour, and that of earlier versions."""
    prefix = day_prefix(model, day)
    return [f"{prefix}{request_id}.json", *(f"{prefix}hour={hour:02}/{request_id}.json" for hour in range(24))]


def explain(answers: Iterable[OnlineAnswer]) -> dict[str, ViewLookUp]:
    """For each view that an instance was looked up in: whether its values can be used, and their age in seconds."""
    return {
        answer.lookup.view: {"status": answer.status.value, "age_seconds": answer.age_seconds} for answer in answers
    }


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
    looked: Sequence[Sequence[OnlineAnswer]] = ()
    """For each instance what the online store answered, view by view; nothing if the features came with the request."""

    @property
    def key(self) -> str:
        """Its key in the predictions bucket; date and hour are those of the request, UTC."""
        return record_key(self.model, self.received_at, self.request_id)

    def document(self) -> dict[str, Any]:
        """As JSON holds it: each prediction with ``views``, what `explain` makes of its look-ups.

        Made after the response went out, so it costs the caller nothing.
        """
        views = [explain(answers) for answers in self.looked] or [{} for _ in self.predictions]
        return {
            "format": RECORD_FORMAT,
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
            "predictions": [
                {**prediction, "views": seen} for prediction, seen in zip(self.predictions, views, strict=True)
            ],
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for the caller, and the record for the log."""

    body: PredictionAnswer
    record: PredictionRecord
    missing_features: int
    """How many feature values were missing, over all instances."""
