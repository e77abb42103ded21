"""The usual way: a pickled scikit-learn pipeline behind Powertools, a pandas frame for each request.

It validates nothing, looks nothing up, counts and logs nothing; it answers, no more.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

app = APIGatewayHttpResolver()
pipeline: Any = None


def load(directory: Path) -> None:
    """What a handler's module does at init."""
    global pipeline
    pipeline = joblib.load(directory / "model.joblib")


def probabilities(document: dict[str, Any]) -> list[float]:
    """Answer a request's document."""
    rows = [
        instance | {name.replace(".", "__"): value for name, value in features.items()}
        for instance, features in zip(document["instances"], document["features"], strict=True)
    ]
    frame = pd.DataFrame(rows, columns=list(pipeline.feature_names_in_))
    numbers = {name: "float64" for name in frame.columns if name not in {"carrier", "origin", "dest"}}
    result: list[float] = pipeline.predict_proba(frame.astype(numbers))[:, 1].tolist()
    return result


@app.post("/models/<model>/predictions")
def predict(model: str) -> dict[str, Any]:
    """Answer a prediction request."""
    answers = probabilities(json.loads(app.current_event.body or "{}"))
    return {"model": model, "predictions": [{"probability": answer} for answer in answers]}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One HTTP request."""
    return app.resolve(event, context)
