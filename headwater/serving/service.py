"""Answers a prediction request: finds the model, checks the instances, looks features up, runs the graph."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from headwater.features.online.reading import OnlineAnswer, ReadsItems, plan, read_online
from headwater.registry.service import PRODUCTION
from headwater.serving.errors import UnknownModel
from headwater.serving.messages import Card, Prediction, PredictionAnswer
from headwater.serving.models import ServingModels
from headwater.serving.predictor import Predictor
from headwater.serving.requests import Features, columns, parse
from headwater.serving.types import Answer, PredictionRecord, explain

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,47}")
Tokens = Callable[[str, str, datetime, int], Sequence[str | None]]
"""A feedback token for each prediction of a request: of model, request id, the time of receipt and their number."""


class Serving:
    """The predict path. One object serves all models and is kept as long as its process lives.

    Parameters
    ----------
    models : ServingModels
        Which version an alias means, loaded.
    online : OnlineStore
        The newest feature values.
    tokens : callable, optional
        Makes feedback tokens where a request asks for them; by default there are none.
    now : callable
        The time, UTC.
    """

    def __init__(
        self,
        models: ServingModels,
        online: ReadsItems,
        *,
        tokens: Tokens = lambda *given: [None] * given[3],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._models, self._online, self._tokens, self._now = models, online, tokens, now

    def predict(self, model: str, body: bytes, *, request_id: str, alias: str = PRODUCTION) -> Answer:
        """Answer a request's body.

        Raises
        ------
        UnknownModel
            No such model serves.
        InvalidBody, BodyTooLarge
            The request is malformed; says which instance and field, what was given and what was expected.
        OnlineStoreBusy, RegistryUnavailable
            AWS is throttling or down; the same request may be sent again.
        """
        received_at = self._now()
        predictor = self._predictor(model, alias)
        request = parse(body, predictor.features)
        rows = columns(predictor.package.inputs, request.instances)
        as_of = request.as_of or received_at
        features: Sequence[Features]
        ages: list[float | None] = [None] * len(rows)
        looked: list[list[OnlineAnswer]] = []
        if request.features is not None:
            features = request.features
        else:
            features, ages, looked = self._look_up(predictor, request.instances, as_of)
        numbers = predictor.predict(rows, features)
        predictions = _predictions(predictor.label, numbers, features, ages)
        # Before tokens are put into the answer: those aren't written down.
        logged = [
            {"inputs": instance, "features": row, **prediction}
            for instance, row, prediction in zip(request.instances, features, predictions, strict=True)
        ]
        if request.explain:
            for place, prediction in enumerate(predictions):
                prediction["views"] = explain(looked[place]) if looked else {}
        if request.feedback:
            tokens = self._tokens(model, request_id, received_at, len(predictions))
            for prediction, token in zip(predictions, tokens, strict=True):
                prediction["feedback_token"] = token
        answer: PredictionAnswer = {
            "model": model,
            "version": predictor.version,
            "alias": alias,
            "request_id": request_id,
            "predictions": predictions,
        }
        record = PredictionRecord(
            request_id=request_id,
            model=model,
            version=predictor.version,
            alias=alias,
            run_id=predictor.package.run_id,
            data_version=predictor.package.data_version,
            received_at=received_at,
            answered_at=self._now(),
            as_of=as_of,
            looked_up=request.features is None,
            predictions=logged,
            looked=looked,
        )
        return Answer(answer, record, sum(len(one["missing_features"]) for one in predictions))

    def card(self, model: str, alias: str = PRODUCTION) -> Card:
        """The card of the version that serves: its inputs and output, its data, and its metrics."""
        predictor = self._predictor(model, alias)
        package = predictor.package
        card = {
            "model": model,
            "version": predictor.version,
            "alias": alias,
            "description": package.description,
            "task": package.task,
            "positive": package.positive,
            "inputs": [entry.model_dump(mode="json") for entry in package.inputs],
            "features": [
                {
                    "name": entry.name,
                    "kind": entry.kind,
                    "entity": list(entry.entity),
                    "ttl_seconds": entry.ttl_seconds,
                }
                for entry in package.features
            ],
            "metrics": dict(package.metrics),
            "run_id": package.run_id,
            "data_version": package.data_version,
            "commits": dict(package.commits),
            "artifacts": predictor.commit,
            "code_version": package.code_version,
            "created_at": package.created_at.isoformat(),
        }
        return cast(Card, card)

    def _predictor(self, model: str, alias: str) -> Predictor:
        # What can't be a name isn't looked up: it would only cost a read.
        if not (_NAME.fullmatch(model) and _NAME.fullmatch(alias)):
            raise UnknownModel(f"no model {model[:48]!r} serves under the alias {alias[:48]!r}")
        return self._models.get(model, alias)

    def _look_up(
        self, predictor: Predictor, instances: Sequence[Mapping[str, Any]], as_of: datetime
    ) -> tuple[list[Features], list[float | None], list[list[OnlineAnswer]]]:
        """Each instance's feature values, the age of the oldest one that was found, and what each view answered."""
        if not predictor.features:
            return [{} for _ in instances], [None] * len(instances), []
        lookups = plan(predictor.package.features, instances)
        answers = read_online(self._online, [entry for row in lookups for entry in row], as_of)
        values: list[Features] = []
        ages: list[float | None] = []
        looked: list[list[OnlineAnswer]] = []
        views = len(lookups[0])
        for first in range(0, len(answers), views):
            of_instance = answers[first : first + views]
            row: Features = dict.fromkeys(predictor.features)
            for answer in of_instance:
                row.update({f"{answer.lookup.view}.{name}": value for name, value in answer.values.items()})
            values.append(row)
            looked.append(of_instance)
            found = [
                answer.age_seconds
                for answer in of_instance
                if answer.age_seconds is not None and any(value is not None for value in answer.values.values())
            ]
            ages.append(max(found, default=None))
        return values, ages, looked


def _predictions(
    label: str, numbers: Sequence[float], features: Sequence[Features], ages: Sequence[float | None]
) -> list[Prediction]:
    """The answer for each instance, with the features that had no value."""
    made: list[Prediction] = []
    for row, age, number in zip(features, ages, numbers, strict=True):
        missing = [name for name, value in row.items() if value is None]
        made.append(cast(Prediction, {label: number, "missing_features": missing, "feature_age_seconds": age}))
    return made
