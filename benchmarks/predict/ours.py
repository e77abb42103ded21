"""The deployed handler, `headwater.handlers.serving.predict`, with its model on disk instead of in S3.

All of it runs: Powertools, validation, encoding, metrics, the record for the prediction log. Only the write of that
record is left out, because Lambda does it after the response.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headwater.features.online.store import OnlineStore
from headwater.handlers.serving import predict
from headwater.registry.types import Package
from headwater.serving.log import WriteAtOnce
from headwater.serving.predictor import Predictor
from headwater.serving.requests import columns
from headwater.serving.service import Serving
from headwater.serving.store import PredictionStore
from headwater.storage.environment import CLIENTS


class Loaded:
    """Always the model on disk."""

    def __init__(self, directory: Path) -> None:
        package = Package.model_validate_json((directory / "package.json").read_bytes())
        self.predictor = Predictor(package, (directory / "model.onnx").read_bytes(), 1)

    def get(self, _model: str, _alias: str) -> Predictor:
        """The predictor, whatever is asked for."""
        return self.predictor


loaded: Loaded


def load(directory: Path) -> None:
    """What the handler's module does at init: clients for DynamoDB and S3, and the model."""
    global loaded
    loaded = Loaded(directory)
    log = WriteAtOnce(lambda _: None, on_failure=predict.report_unlogged)
    PredictionStore("predictions", CLIENTS)
    services = predict.Services(Serving(loaded, OnlineStore("features", CLIENTS)), log)  # type: ignore[arg-type]
    predict.services = lambda: services


def probabilities(document: dict[str, Any]) -> list[float]:
    """Answer a request's document, without all that stands around the model."""
    rows = columns(loaded.predictor.package.inputs, document["instances"])
    return loaded.predictor.predict(rows, document["features"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One HTTP request."""
    return predict.handler(event, context)
