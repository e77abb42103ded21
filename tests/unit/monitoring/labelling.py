"""A shop whose visits come into the lake, a model that answered, and labels that somebody writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas
import pandera.pandas as pa

from headwater import declare
from headwater.lake.service import Lake
from headwater.monitoring.labels.definitions import Definitions
from headwater.monitoring.labels.service import Labels
from headwater.monitoring.labels.store import LabelStore
from headwater.monitoring.labels.writing import LabelWriter
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import DEFINITION_FILE
from headwater.serving.types import PredictionRecord
from headwater.storage.environment import CLIENTS
from headwater.storage.objects import Bucket
from headwater.storage.table import Table
from tests.unit.lake.world import ARTIFACTS, LAKE, REGISTRY
from tests.unit.monitoring.logs import AT, BUCKET, Log, instance, new_log, record
from tests.unit.registry.cases import candidate

HERE = "tests.unit.monitoring.labelling"
DAY = timedelta(days=1)
NOW = AT + 10 * DAY
BASKETS = pa.DataFrameSchema(
    {
        "shop": pa.Column(str, nullable=True),
        "amount": pa.Column(float, nullable=True),
        "seen_at": pa.Column("datetime64[us]"),
        "paid_at": pa.Column("datetime64[us]", nullable=True),
        "bought": pa.Column(float, nullable=True),
    },
    coerce=True,
)
BASKET_SOURCE = declare.Source(name="baskets", contract=f"{HERE}:BASKETS", available_time="paid_at")
MODEL = declare.Model(
    name="buys",
    task="classification",
    inputs=(
        declare.category("shop", required=False),
        declare.number("amount", required=False),
        declare.timestamp("seen_at", timezone="Europe/Berlin"),
    ),
    examples=declare.Examples(
        sources=("baskets",),
        sql="SELECT shop, amount, seen_at, seen_at - INTERVAL 1 HOUR AS asked_at, bought FROM baskets",
        label="bought",
    ),
    train=f"{HERE}:nothing",
    holdout=declare.Holdout(last="12h"),
    gates=(declare.Gate(metric="roc_auc", at_least=0.6),),
)
HEADER = "shop,amount,seen_at,paid_at,bought"


def changed(model: declare.Model = MODEL, **update: Any) -> declare.Model:
    """A model declared otherwise."""
    return declare.Model.model_validate({**dict(model), **update})


@dataclass
class Shop:
    """The stack: its lake, its registry, its log, and a clock that tests move."""

    log: Log
    now: datetime = NOW
    source: declare.Source = BASKET_SOURCE
    files: int = 0
    opened: list[Labels] = field(default_factory=list)

    def register(self, model: declare.Model = MODEL, *, definition: bool = True) -> int:
        """Register a version that is declared so; its number."""
        product = declare.Product(sources=(self.source,), models=(model,))
        files = {}
        number = len(self._versions(model.name)) + 1
        if definition:
            body = product.model_dump_json().encode()
            files[DEFINITION_FILE] = Bucket(ARTIFACTS, CLIENTS).put(
                f"runs/{model.name}/run-{number}/definition.json", body
            )
        made = candidate(f"run-{number}", model=model.name, files=files)
        version = self.registry.register(made)
        self.registry.promote(model.name, alias=PRODUCTION, to=version.version, expected=number - 1 or None)
        return version.version

    def _versions(self, model: str) -> Sequence[Any]:
        return self.registry.versions(model) if model in self.registry.models() else ()

    @property
    def registry(self) -> Registry:
        return Registry(Table(REGISTRY, CLIENTS))

    @property
    def store(self) -> LabelStore:
        return LabelStore(BUCKET, Table(REGISTRY, CLIENTS), CLIENTS)

    def land(self, *rows: str, at: datetime | None = None) -> None:
        """Have a file of baskets committed at a moment."""
        self.files += 1
        lake = Lake(
            declare.catalog([declare.Product(sources=(self.source,))]), CLIENTS,
            bucket=LAKE, table=Table(REGISTRY, CLIENTS), now=lambda: at or self.now,
        )  # fmt: skip
        body = "\n".join([HEADER, *rows]) + "\n"
        lake.ingest(self.log.world.upload(f"landing/baskets/{self.files}.csv", body))

    def write(self, *items: Any, model: str = "buys", at: datetime | None = None) -> list[dict[str, Any]]:
        """Write labels; the verdicts."""
        definitions = Definitions(self.registry, ArtifactStore(ARTIFACTS, CLIENTS))
        writer = LabelWriter(self.store, definitions, now=lambda: at or self.now)
        return writer.add(model, list(items)).verdicts

    def labels(self, model: str = "buys") -> Labels:
        """The labels as they are now."""
        made = Labels(
            model, CLIENTS, registry=Table(REGISTRY, CLIENTS), artifacts=ArtifactStore(ARTIFACTS, CLIENTS),
            predictions_bucket=BUCKET, lake_bucket=LAKE, now=lambda: self.now,
        )  # fmt: skip
        self.opened.append(made)
        return made

    def of(self, *asked: Mapping[str, Any], known: datetime | None = None, **more: Any) -> list[dict[str, Any]]:
        """The labels of predictions, a row each."""
        return self.labels().of(predictions(*asked, **more), known).to_dict("records")


def asked(prediction_id: str = "r-1.0", at: datetime = AT, version: int = 1, **inputs: Any) -> dict[str, Any]:
    """A prediction as a frame of the log holds it."""
    return {
        "prediction_id": prediction_id, "version": version, "as_of": pandas.Timestamp(at),
        "received_at": pandas.Timestamp(at), "inputs": json.dumps(inputs), "output": 0.5,
    }  # fmt: skip


def predictions(*rows: Mapping[str, Any]) -> pandas.DataFrame:
    """Predictions as the log's reader gives them."""
    frame = pandas.DataFrame(list(rows))
    for name in ("as_of", "received_at"):
        frame[name] = pandas.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame.astype({"prediction_id": "str", "inputs": "str"})


def logged(request_id: str, at: datetime = AT, **inputs: Any) -> PredictionRecord:
    """A request as it is logged."""
    return record(request_id, at, predictions=[instance(inputs=inputs)])


@contextmanager
def new_shop() -> Iterator[Shop]:
    """An empty stack on mocked AWS."""
    with new_log() as log:
        shop = Shop(log)
        yield shop
        for labels in shop.opened:
            labels.close()


def keys_of(prefix: str = "labels/") -> list[str]:
    """Keys of the predictions bucket."""
    answer = CLIENTS("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [entry["Key"] for entry in answer.get("Contents", ())]


def utc(*parts: int) -> datetime:
    """A moment, UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]
