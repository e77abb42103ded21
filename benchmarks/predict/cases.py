"""Two models, each saved both ways: pickled for scikit-learn, compiled to ONNX for Headwater."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from headwater.model import RequestInput
from headwater.registry.types import Output, Package, PackageFeature
from headwater.values import Pointer

SEED = 7
CATEGORIES = ("carrier", "origin", "dest")
NUMBERS = ("distance", "hour", "month", "weekday")
FEATURES = ("rate_6h", "rate_24h", "wind", "visibility")
COLUMNS = (*CATEGORIES, *NUMBERS, *(f"delays__{name}" for name in FEATURES))


@dataclass(frozen=True)
class Case:
    """One model to compare on."""

    name: str
    pipeline: Pipeline


def frame(rows: int, seed: int) -> pd.DataFrame:
    """Rows like flights: text, numbers, and every tenth number missing."""
    random = np.random.default_rng(seed)
    made: dict[str, Any] = {
        "carrier": random.choice([f"C{number}" for number in range(16)], rows),
        "origin": random.choice(["EWR", "JFK", "LGA"], rows),
        "dest": random.choice([f"D{number}" for number in range(100)], rows),
    }
    for column in COLUMNS[len(CATEGORIES) :]:
        # What float32 holds exactly, so that both sides see the same number.
        values = random.normal(1, 1, rows).astype("float32").astype("float64")
        values[random.random(rows) < 0.1] = np.nan
        made[column] = values
    return pd.DataFrame(made)


def cases() -> list[Case]:
    """Both models, fitted on the same 20,000 rows."""
    rows = frame(20_000, SEED)
    score = rows["delays__rate_6h"].fillna(1) + rows["carrier"].isin(["C1", "C2", "C3"]) + rows["hour"].fillna(1)
    label = (score + np.random.default_rng(SEED).normal(0, 1, len(rows)) > 2.5).astype(int)
    names = list(COLUMNS[len(CATEGORIES) :])
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    linear = make_pipeline(
        ColumnTransformer([("text", one_hot, list(CATEGORIES)), ("numbers", numbers, names)]),
        LogisticRegression(max_iter=1000),
    )
    boosted = make_pipeline(
        ColumnTransformer([("text", ordinal, list(CATEGORIES)), ("numbers", "passthrough", names)]),
        HistGradientBoostingClassifier(max_iter=200, random_state=SEED),
    )
    return [Case("logistic regression", linear.fit(rows, label)), Case("gradient boosting", boosted.fit(rows, label))]


def save(case: Case, directory: Path) -> None:
    """Write what both sides load, and the request that both answer."""
    directory.mkdir(parents=True)
    joblib.dump(case.pipeline, directory / "model.joblib")
    kinds = [(name, (StringTensorType if name in CATEGORIES else FloatTensorType)([None, 1])) for name in COLUMNS]
    graph = to_onnx(
        case.pipeline, initial_types=kinds, options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3}
    ).SerializeToString()
    (directory / "model.onnx").write_bytes(graph)
    pointer = Pointer(bucket="artifacts", key="model.onnx", version_id="1")
    package = Package(
        model="delays",
        run_id="benchmark",
        task="classification",
        inputs=tuple(RequestInput(name=name, kind="category") for name in CATEGORIES)
        + tuple(RequestInput(name=name, kind="number", required=False) for name in NUMBERS),
        columns=COLUMNS,
        categories=CATEGORIES,
        features=tuple(
            PackageFeature(
                name=f"delays.{name}",
                column=f"delays__{name}",
                view="delays",
                entity=("carrier",),
                ttl_seconds=86_400,
                version="0123456789ab",
                position=position,
            )
            for position, name in enumerate(FEATURES)
        ),
        onnx=pointer,
        sha256=hashlib.sha256(graph).hexdigest(),
        output=Output(name="probabilities", column=1),
        data_version="benchmark",
        metrics={},
        code_version="benchmark",
        created_at=datetime(2013, 5, 1, tzinfo=UTC),
    )
    (directory / "package.json").write_text(package.model_dump_json())
    (directory / "request.json").write_text(json.dumps(request(frame(1, SEED + 1))))


def request(rows: pd.DataFrame) -> dict[str, Any]:
    """Rows as the API takes them, features included so that neither side looks anything up."""
    documents = [
        {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}
        for row in rows.to_dict("records")
    ]
    return {
        "instances": [{name: row[name] for name in (*CATEGORIES, *NUMBERS)} for row in documents],
        "features": [{f"delays.{name}": row[f"delays__{name}"] for name in FEATURES} for row in documents],
    }
