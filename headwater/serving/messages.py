"""Requests and answers of the HTTP API, as JSON: the types behind docs/reference/openapi.json.

`headwater.serving.requests` reads a request by hand, as fast as it can; these types say what it accepts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config

# Pydantic reads no other TypedDict before Python 3.12.
from typing_extensions import TypedDict

from headwater.declare import MOST_INSTANCES, RequestInput

_CLOSED = ConfigDict(extra="forbid")


@with_config(_CLOSED)
class PredictionBody(TypedDict):
    """A prediction request."""

    instances: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_INSTANCES)]
    """One instance each: input name to value, as the model card lists the inputs. A number, text, boolean or null."""
    as_of: NotRequired[datetime | None]
    """The time at which features are looked at, ISO 8601, UTC unless it has an offset; by default now."""
    features: NotRequired[list[dict[str, float | str | None]] | None]
    """``view.feature`` to value for each instance, instead of the online look-up; a feature left out is missing."""
    explain: NotRequired[bool]
    """Whether each prediction carries ``views``."""
    feedback: NotRequired[bool]
    """Whether each prediction carries ``feedback_token``."""


@with_config(_CLOSED)
class ViewLookUp(TypedDict):
    """How the look-up in one feature view went."""

    status: Literal["FOUND", "MISSING", "EXPIRED", "FUTURE"]
    """FOUND: the values were used. MISSING: none are known. EXPIRED: older than the view's TTL. FUTURE: not yet
    available at ``as_of``."""
    age_seconds: float | None
    """Seconds from the values' event time to ``as_of``; null if none are known."""


@with_config(_CLOSED)
class Prediction(TypedDict):
    """The answer for one instance: ``probability`` from a classifier, ``value`` from a regressor."""

    probability: NotRequired[Annotated[float, Field(ge=0, le=1)]]
    """Probability of label 1, which the model card's ``positive`` puts in words."""
    value: NotRequired[float]
    """The predicted number."""
    missing_features: list[str]
    """The features that had no value, as ``view.feature``."""
    feature_age_seconds: float | None
    """Age of the oldest value that was found online; null if none was looked up or found."""
    views: NotRequired[dict[str, ViewLookUp]]
    """Each feature view's look-up, if ``explain`` asked for it; empty if the features came with the request."""
    feedback_token: NotRequired[str | None]
    """Lets its holder tell whether this prediction was right, by ``POST /predictions/{id}/feedback``, if ``feedback``
    asked for it; the id is ``<request_id>.<n>``, the first prediction being 0. Null if no token could be made just
    now."""


@with_config(_CLOSED)
class PredictionAnswer(TypedDict):
    """The answer to a prediction request."""

    model: str
    """The model that answered."""
    version: int
    """Its version in the registry."""
    alias: str
    """The alias that the request named, or ``production``."""
    request_id: str
    """Names the request in the prediction log and in the function's log."""
    predictions: list[Prediction]
    """One for each instance, in their order."""


@with_config(_CLOSED)
class CardFeature(TypedDict):
    """A feature that the model looks up."""

    name: str
    """``view.feature``."""
    kind: Literal["number", "category"]
    """``category`` is text."""
    entity: list[str]
    """The request inputs whose values name the entity."""
    ttl_seconds: float
    """A value whose event time is longer ago than this is missing."""


@with_config(_CLOSED)
class Card(TypedDict):
    """The version that serves: what it takes, what it learnt from, and how good it was."""

    model: str
    """The model's name."""
    version: int
    """Its version in the registry."""
    alias: str
    """The alias that the request named, or ``production``."""
    description: str
    """One line for people, from the declaration."""
    task: Literal["classification", "regression"]
    """Whether predictions carry ``probability`` or ``value``."""
    positive: str
    """For a classifier, what label 1 means, in words."""
    inputs: list[RequestInput]
    """The values that an instance carries."""
    features: list[CardFeature]
    """The features that are looked up."""
    metrics: dict[str, float]
    """Metrics on the held-out rows."""
    run_id: str
    """The training run that made the version."""
    data_version: str
    """Names the commits that the training rows came from."""
    commits: dict[str, str]
    """The commits, by source."""
    artifacts: str | None
    """The commit of the dataset ``models/<model>`` that holds the version's files."""
    code_version: str
    """The image, by digest, or the commit of the code that trained the version."""
    created_at: datetime
    """When the version was trained."""


@with_config(_CLOSED)
class ErrorAnswer(TypedDict):
    """Why the function refused or failed a request."""

    reason: str
    """The error's name, for programs."""
    message: str
    """The given value, the expected one and the next step, for people, without internals."""
    request_id: str
    """Names the request in the function's log."""
