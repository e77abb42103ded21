"""Bodies of the API's route for labels."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config

# Pydantic reads no other TypedDict before Python 3.12.
from typing_extensions import TypedDict

from headwater.monitoring.labels.types import MOST_ITEMS

_CLOSED = ConfigDict(extra="forbid")


@with_config(_CLOSED)
class LabelItem(TypedDict):
    """A label: what really happened after a prediction, named by its id or by its inputs and moment."""

    prediction_id: NotRequired[str | None]
    """``<request_id>.<instance>``, instances counted from 0."""
    keys: NotRequired[dict[str, Any] | None]
    """Instead of the id, the inputs that the model declares as label keys; by default all of its inputs."""
    as_of: NotRequired[datetime | None]
    """Beside ``keys``, the moment that the prediction was asked about."""
    value: float | bool
    """0, 1, false or true for a classifier; a number for a regressor."""
    observed_at: NotRequired[datetime | None]
    """When it was observed: of several labels the one observed last counts. By default when it is received."""
    source: NotRequired[str | None]
    """The person or program that says so; sources that say different things are counted."""
    write_id: NotRequired[str | None]
    """A label with the id of an earlier one of the same prediction is that label, whatever it says."""


@with_config(_CLOSED)
class LabelsBody(TypedDict):
    """Labels of a model's predictions."""

    labels: Annotated[list[LabelItem], Field(min_length=1, max_length=MOST_ITEMS)]
    """One to five hundred. One that is refused keeps no other from being taken."""


@with_config(_CLOSED)
class LabelVerdict(TypedDict):
    """The outcome of one label."""

    verdict: Literal["TAKEN", "KNOWN", "REFUSED"]
    """TAKEN: it is stored. KNOWN: the call was made before, or has it twice. REFUSED: it can't be a label."""
    field: NotRequired[str]
    """The field that is wrong."""
    given: NotRequired[str]
    """The value that stands there."""
    expected: NotRequired[str]
    """The values that may stand there."""


@with_config(_CLOSED)
class LabelsAnswer(TypedDict):
    """A verdict on each label, in their order."""

    model: str
    """Name of the model."""
    verdicts: list[LabelVerdict]
    """One for each label."""
