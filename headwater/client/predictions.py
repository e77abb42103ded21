"""Predictions and the card of the version that serves, as the stack's API answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict

from headwater.client.api import Api
from headwater.client.errors import PredictionRefused
from headwater.declare import RequestInput
from headwater.json_values import NotJson
from headwater.routes import CARD, PREDICT

MAX_INSTANCES = 100


class ApiValue(BaseModel):
    """A frozen value that the API answered; fields that a newer stack adds are left out."""

    model_config = ConfigDict(frozen=True)


class ViewLookUp(ApiValue):
    """The look-up of one instance in one feature view."""

    status: Literal["FOUND", "MISSING", "EXPIRED", "FUTURE"]
    """FOUND: the values were used. MISSING: none are known. EXPIRED: older than the view's TTL. FUTURE: not yet
    available at ``as_of``."""
    age_seconds: float | None
    """Seconds from the values' event time to ``as_of``; None if none are known."""


class Prediction(ApiValue):
    """The answer for one instance."""

    probability: float | None = None
    """Probability of label 1, from a classifier; None from a regressor."""
    value: float | None = None
    """The predicted number, from a regressor; None from a classifier."""
    missing_features: tuple[str, ...]
    """The features that had no value, as ``view.feature``."""
    feature_age_seconds: float | None
    """Age of the oldest value that was found online; None if none was looked up or found."""
    views: Mapping[str, ViewLookUp] | None = None
    """Each feature view's look-up, if ``explain`` asked for it; empty if the features came with the request."""
    feedback_token: str | None = None
    """Lets its holder tell whether the prediction was right; None unless ``feedback`` asked for it."""

    @property
    def number(self) -> float:
        """The probability or the value, whichever the model gives."""
        found = self.value if self.probability is None else self.probability
        if found is None:
            raise ValueError("the API answered neither a probability nor a value")
        return found


class Predictions(ApiValue):
    """The answer to a prediction request."""

    model: str
    version: int
    """Version of the model that answered."""
    alias: str
    """The alias that was asked for."""
    request_id: str
    """Names the request in the prediction log and in the function's log."""
    predictions: tuple[Prediction, ...]
    """One for each instance, in their order."""

    def data(self) -> dict[str, Any]:
        """The answer as the API's JSON: only the fields that it holds."""
        return self.model_dump(mode="json", exclude_unset=True)


class CardFeature(ApiValue):
    """A feature that the model looks up."""

    name: str
    """``view.feature``."""
    kind: Literal["number", "category"]
    """``category`` is text."""
    entity: tuple[str, ...]
    """The request inputs whose values name the entity."""
    ttl_seconds: float
    """A value whose event time is longer ago than this is missing."""


class ServingCard(ApiValue):
    """The version that serves: its inputs and features, its data, and its metrics."""

    model: str
    version: int
    alias: str
    description: str
    """One line for people, from the declaration."""
    task: Literal["classification", "regression"]
    positive: str
    """Meaning of label 1, in words; of a classifier."""
    inputs: tuple[RequestInput, ...]
    """The values that an instance carries."""
    features: tuple[CardFeature, ...]
    """The features that are looked up."""
    metrics: Mapping[str, float]
    """Metrics on the held-out rows."""
    run_id: str
    """The training run that made the version."""
    data_version: str
    """Names the commits of the training rows."""
    commits: Mapping[str, str]
    """The commits, by source."""
    artifacts: str | None
    """The commit of the dataset ``models/<model>`` that holds the version's files."""
    code_version: str
    """The image, by digest, or the commit of the code that trained the version."""
    created_at: datetime
    """When the version was trained."""


def predict(
    api: Api, model: str, instances: Sequence[Mapping[str, Any]], *, alias: str | None = None, **options: Any
) -> Predictions:
    """Ask for predictions; see `headwater.client.Stack.predict`. Options that are None or False aren't sent."""
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    body = {"instances": _listed(instances), **given}
    query = f"?{urlencode({'alias': alias})}" if alias else ""
    return Predictions.model_validate(
        api.send(PREDICT.method, PREDICT.url(model=model) + query, body, PredictionRefused)
    )


def serving_card(api: Api, model: str) -> ServingCard:
    """The card of the version that serves."""
    return ServingCard.model_validate(api.send(CARD.method, CARD.url(model=model), refusal=PredictionRefused))


def _listed(instances: Any) -> list[Any]:
    """Instances as a list; a mapping, a text or a frame, which iterate over names, is refused."""
    if isinstance(instances, str | Mapping):
        raise NotJson(f"instances: one {type(instances).__name__}, expected a list of mappings, such as [{{...}}]")
    if hasattr(instances, "columns") and hasattr(instances, "to_dict"):
        raise NotJson('instances: a table, expected a list of mappings, such as frame.to_dict("records")')
    return list(instances)
