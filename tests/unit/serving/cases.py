"""A small real model, trained once, and the tables and buckets that serve it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np

from headwater.declare import category, number
from headwater.features.online.encoding import Row, pack
from headwater.features.online.reading import microseconds
from headwater.registry.types import GoldenRequest, GoldenSet, Output, Package, PackageFeature
from headwater.storage.environment import CLIENTS
from headwater.values import Pointer, Value
from tests.unit.registry.cases import candidate, make_table

NOW = datetime(2013, 5, 1, 12, tzinfo=UTC)
INPUTS = (
    category("carrier"),
    number("distance", required=False, minimum=0, maximum=10_000),
)
VIEW_VERSION = "0123456789ab"
FEATURES = tuple(
    PackageFeature(
        name=f"delays.{name}",
        column=f"delays__{name}",
        view="delays",
        entity=("carrier",),
        ttl_seconds=86_400,
        version=VIEW_VERSION,
        position=position,
    )
    for position, name in enumerate(("rate_6h", "rate_24h"))
)
COLUMNS = ("carrier", "distance", "delays__rate_6h", "delays__rate_24h")


@dataclass(frozen=True)
class Trained:
    """A scikit-learn pipeline and the ONNX graph made from it."""

    pipeline: Any
    graph: bytes

    def probability(self, instance: Mapping[str, Any], features: Mapping[str, float | None] | None = None) -> float:
        """What scikit-learn says of one instance."""
        import pandas as pd

        row = dict.fromkeys(COLUMNS, np.nan) | {"carrier": ""}
        row |= {name: value for name, value in instance.items() if value is not None}
        row |= {name.replace(".", "__"): value for name, value in (features or {}).items() if value is not None}
        frame = pd.DataFrame([row]).astype(dict.fromkeys(COLUMNS[1:], "float64"))
        return float(self.pipeline.predict_proba(frame)[0, 1])


@cache
def trained(seed: int = 0) -> Trained:
    """Two models that differ by ``seed``; NaN is imputed, unknown categories are ignored."""
    import pandas as pd
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    random = np.random.default_rng(seed)
    frame = pd.DataFrame({name: random.normal(1, 1, 200) for name in COLUMNS[1:]})
    frame.insert(0, "carrier", random.choice(["AA", "B6", "UA"], 200))
    frame.loc[::7, "distance"] = np.nan
    label = (frame["delays__rate_6h"] + (frame["carrier"] == "B6") + random.normal(0, 1, 200) > 1.5).astype(int)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    pipeline = make_pipeline(
        ColumnTransformer(
            [
                ("text", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["carrier"]),
                ("numbers", numbers, list(COLUMNS[1:])),
            ]
        ),
        LogisticRegression(),
    ).fit(frame, label)
    kinds = [(name, (StringTensorType if name == "carrier" else FloatTensorType)([None, 1])) for name in COLUMNS]
    graph = to_onnx(pipeline, initial_types=kinds, options={"zipmap": False}, target_opset=17)
    return Trained(pipeline, graph.SerializeToString())


def package(onnx: Pointer, graph: bytes, run_id: str = "run-1") -> Package:
    """What describes `trained`."""
    return Package(
        model="delays",
        run_id=run_id,
        description="Will it be late?",
        task="classification",
        positive="more than 15 minutes late",
        inputs=INPUTS,
        columns=COLUMNS,
        categories=("carrier",),
        features=FEATURES,
        onnx=onnx,
        sha256=hashlib.sha256(graph).hexdigest(),
        output=Output(name="probabilities", column=1),
        data_version="d" * 64,
        metrics={"roc_auc": 0.72},
        code_version="c0ffee",
        created_at=NOW,
    )


def golden(run_id: str, model: Trained, *, off_by: float = 0.0) -> GoldenSet:
    """Requests with what scikit-learn answers to them."""
    cases: Sequence[tuple[dict[str, Any], dict[str, float | None]]] = [
        ({"carrier": "B6", "distance": 1.0}, {"delays.rate_6h": 1.5, "delays.rate_24h": 0.5}),
        ({"carrier": "??", "distance": None}, {"delays.rate_6h": None, "delays.rate_24h": 0.5}),
    ]
    return GoldenSet(
        model="delays",
        run_id=run_id,
        requests=tuple(
            GoldenRequest(
                instances=(instance,), features=(features,), expected=(model.probability(instance, features) + off_by,)
            )
            for instance, features in cases
        ),
    )


def make_cloud(*more: str) -> None:
    """Tables and versioned buckets as the infrastructure makes them; ``more`` buckets than serving knows."""
    make_table()
    CLIENTS("dynamodb").create_table(
        TableName="features",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for bucket in ("artifacts", "predictions", *more):
        CLIENTS("s3").create_bucket(Bucket=bucket)
        CLIENTS("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def put(key: str, body: bytes | Value) -> Pointer:
    """Write an artifact and point at that very version."""
    content = body if isinstance(body, bytes) else body.model_dump_json().encode()
    answer = CLIENTS("s3").put_object(Bucket="artifacts", Key=key, Body=content)
    return Pointer(bucket="artifacts", key=key, version_id=answer["VersionId"])


def leave_run(run_id: str = "run-1", *, seed: int = 0, off_by: float = 0.0, graph: bytes | None = None) -> Any:
    """Leave behind what a training run does; the candidate is in ``candidate.json`` and returned."""
    model = trained(seed)
    prefix = f"runs/delays/{run_id}"
    onnx = put(f"{prefix}/model.onnx", graph or model.graph)
    described = put(f"{prefix}/package.json", package(onnx, model.graph, run_id))
    requests = put(f"{prefix}/golden.json", golden(run_id, model, off_by=off_by))
    made = candidate(run_id, package=described, golden=requests)
    put(f"{prefix}/candidate.json", made)
    return made


def online(carrier: str, event_time: datetime, **values: float | None) -> tuple[str, dict[str, bytes]]:
    """The online item of the view ``delays`` as a store would read it."""
    moment = microseconds(event_time)
    row = Row(moment, moment, 1, (values.get("rate_6h"), values.get("rate_24h")))
    return f"carrier|{carrier}", {f"v{VIEW_VERSION}": pack(row)}


class Online(dict[str, dict[str, bytes]]):
    """An online store in memory that counts its reads."""

    reads = 0

    def read(self, keys: Sequence[str], attributes: Sequence[str]) -> Mapping[str, Mapping[str, bytes]]:
        """Of the items that exist among ``keys``, those of the ``attributes`` that they have."""
        self.reads += 1
        return {
            key: {name: value for name, value in self[key].items() if name in attributes}
            for key in keys if key in self
        }  # fmt: skip


def body(*instances: Mapping[str, Any], **fields: Any) -> bytes:
    """A request's body."""
    return json.dumps({"instances": instances, **fields}).encode()
