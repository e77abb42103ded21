"""A watched model whose outcomes come: written, or from sales that land in the lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import pandera.pandas as pa

from headwater import declare
from headwater.lake.service import Lake
from headwater.monitoring.labels.definitions import Definitions
from headwater.monitoring.labels.service import Labels
from headwater.monitoring.labels.store import LabelStore
from headwater.monitoring.labels.writing import LabelWriter
from headwater.monitoring.performance import estimated, realised
from headwater.monitoring.performance.calibration import calibration
from headwater.monitoring.performance.estimator import Estimator
from headwater.monitoring.status import Status
from headwater.monitoring.watch.performance import PerformanceLook
from headwater.monitoring.watch.signs import LabelSigns
from headwater.registry.store import ArtifactStore
from headwater.registry.types import DEFINITION_FILE, ESTIMATE_FILE
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.estimating import baselines
from tests.unit.lake.world import ARTIFACTS, LAKE, REGISTRY
from tests.unit.monitoring.logs import BUCKET
from tests.unit.monitoring.watched import MODEL, Rows, Watched, bank_with, morning, rows_of

HERE = "tests.unit.monitoring.performing"
SALES = pa.DataFrameSchema(
    {
        "shop": pa.Column(str),
        "amount": pa.Column(float),
        "asked_at": pa.Column("datetime64[us]"),
        "known_at": pa.Column("datetime64[us]"),
        "bought": pa.Column(float),
    },
    coerce=True,
)
SOURCE = declare.Source(name="sales", contract=f"{HERE}:SALES", available_time="known_at")
DECLARED = declare.Model(
    name=MODEL,
    task="classification",
    inputs=(declare.category("shop", required=False), declare.number("amount", required=False)),
    examples=declare.Examples(
        sources=("sales",), sql="SELECT shop, amount, asked_at, bought FROM sales", label="bought"
    ),
    train=f"{HERE}:nothing",
    holdout=declare.Holdout(last="12h"),
    gates=(declare.Gate(metric="roc_auc", at_least=0.6),),
)
HELD_DAYS, HELD_ROWS = 14, 200


def outcomes(rows: Rows, *, seed: int = 0, wrong: float = 0.0) -> list[float]:
    """What became of predictions: as scores promise, but for a share that has nothing to do with them."""
    draw = Random(seed)
    return [float(draw.random() < (0.5 if draw.random() < wrong else row["score"])) for row in rows]


def estimator() -> Estimator:
    """As training leaves it."""
    draw = np.random.default_rng(11)
    scores = [draw.random(HELD_ROWS) for _ in range(HELD_DAYS)]
    labels = [(draw.random(HELD_ROWS) < score) * 1.0 for score in scores]
    output, label = np.concatenate(scores), np.concatenate(labels)
    curve = calibration(output, label)
    figures = [realised.of_rows("classification", *day) for day in zip(scores, labels, strict=True)]
    guesses = [estimated.of_outputs(curve, day) for day in scores]
    return Estimator(
        model=MODEL,
        run_id="run-1",
        task="classification",
        baselines=baselines(realised.of_rows("classification", output, label), figures),
        estimated=baselines(estimated.of_outputs(curve, output), guesses),
        calibration=curve,
    )


@dataclass
class Performing:
    """The model, what it predicted, and what was told of it."""

    watched: Watched
    declared: declare.Model = DECLARED
    files: int = 0
    ids: dict[date, list[str]] = field(default_factory=dict)
    rows: dict[date, Rows] = field(default_factory=dict)

    def version(self, run_id: str = "run-1", *, estimates: bool = True, **more: Any) -> int:
        """Register a version that serves from now on."""
        product = declare.Product(sources=(SOURCE,), models=(DECLARED,))
        files = {DEFINITION_FILE: product.model_dump_json().encode()}
        if estimates:
            files[ESTIMATE_FILE] = estimator().model_dump_json().encode()
        number = self.watched.version(more.pop("bank", None) or bank_with(), run_id, files, **more)
        self.watched.serve(number)
        return number

    def day(self, day: date, *, version: int = 1, rows: Rows | None = None, **faults: Any) -> None:
        """Log a day's predictions, in one request."""
        made = rows if rows is not None else rows_of(day.toordinal(), **faults)
        self.watched.request(day, 8, made, version=version, name="all")
        self.ids[day] = [f"{day}T08-v{version}-all.{number}" for number in range(len(made))]
        self.rows[day] = made

    def tell(self, day: date, at: datetime, *, wrong: float = 0.0, share: float = 1.0, **more: Any) -> None:
        """Write labels of a day's predictions; the first ``share`` of them."""
        told = outcomes(self.rows[day], seed=day.toordinal(), wrong=wrong)
        count = round(share * len(told))
        items = [
            {"prediction_id": name, "value": value, **more}
            for name, value in zip(self.ids[day][:count], told[:count], strict=True)
        ]
        self.write(items, at)

    def write(self, items: Sequence[dict[str, Any]], at: datetime) -> None:
        """Write labels."""
        definitions = Definitions(self.watched.registry, ArtifactStore(ARTIFACTS, CLIENTS))
        writer = LabelWriter(LabelStore(BUCKET, Table(REGISTRY, CLIENTS), CLIENTS), definitions, now=lambda: at)
        for first in range(0, len(items), 500):
            writer.add(MODEL, list(items[first : first + 500]))

    def land(self, day: date, at: datetime, *, known: datetime | None = None, wrong: float = 0.0) -> None:
        """Have a file with a day's sales committed at a moment."""
        self.files += 1
        lake = Lake(
            declare.catalog([declare.Product(sources=(SOURCE,))]),
            CLIENTS,
            bucket=LAKE,
            table=Table(REGISTRY, CLIENTS),
            now=lambda: at,
        )
        told = outcomes(self.rows[day], seed=day.toordinal(), wrong=wrong)
        lines = ["shop,amount,asked_at,known_at,bought"]
        lines += [
            f"{row['shop']},{row['amount']!r},{day}T12:00:00,{(known or at):%Y-%m-%dT%H:%M:%S},{value:g}"
            for row, value in zip(self.rows[day], told, strict=True)
        ]
        lake.ingest(self.watched.log.world.upload(f"landing/sales/{self.files}.csv", "\n".join(lines) + "\n"))

    def look(self, **more: Any) -> PerformanceLook:
        """The part of the look that judges performance."""
        table = Table(REGISTRY, CLIENTS)

        def labels(model: str, now: datetime) -> Labels:
            return Labels(
                model, CLIENTS, registry=table, artifacts=ArtifactStore(ARTIFACTS, CLIENTS), predictions_bucket=BUCKET,
                lake_bucket=LAKE, now=lambda: now,
            )  # fmt: skip

        given: dict[str, Any] = {"labels": labels, "declared": lambda _: self.declared} | more
        return PerformanceLook(
            self.watched.registry,
            ArtifactStore(ARTIFACTS, CLIENTS),
            self.watched.store,
            self.watched.read,
            given["labels"],
            LabelSigns(LabelStore(BUCKET, table, CLIENTS), table),
            given["declared"],
        )

    def hour(self, now: datetime, **more: Any) -> Status:
        """What runs in an hour."""
        status = self.watched.hour(now, performance=self.look(**more))
        assert status is not None
        return status

    def days(self, first: date, count: int, *, wrong: float = 0.0, labelled: bool = True, **more: Any) -> Status:
        """Let days pass whose labels are written at once; the status on the morning after the last one."""
        last = first
        for place in range(count):
            last = first + timedelta(days=place)
            self.day(last, **more)
            if labelled:
                self.tell(last, morning(last), wrong=wrong)
        return self.hour(morning(last))


def nothing(*_: Any) -> None:
    """No test here trains."""
