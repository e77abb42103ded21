"""A model that serves, whose predictions are counted by day and whose outcomes somebody writes down two days later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from headwater import declare
from headwater.monitoring.labels.definitions import Definitions
from headwater.monitoring.labels.store import LabelStore
from headwater.monitoring.labels.writing import LabelWriter
from headwater.monitoring.performance import estimated, realised
from headwater.monitoring.performance.calibration import calibration
from headwater.monitoring.performance.estimator import Estimator
from headwater.monitoring.performance.types import Baseline, Figures
from headwater.registry.store import ArtifactStore
from headwater.registry.types import BANK_FILE, DEFINITION_FILE, ESTIMATE_FILE
from headwater.storage.environment import CLIENTS
from headwater.storage.objects import Bucket
from headwater.storage.table import Table
from tests.unit.lake.world import ARTIFACTS, REGISTRY
from tests.unit.monitoring.labelling import BASKET_SOURCE, HERE, changed
from tests.unit.monitoring.labelling import MODEL as LABELLED
from tests.unit.monitoring.logs import BUCKET
from tests.unit.monitoring.watched import MODEL, TIMES, TODAY, Watched, bank_with, morning, new_watched, package
from tests.unit.registry.cases import candidate

DECLARED = changed(
    LABELLED,
    inputs=(declare.category("shop", required=False), declare.number("amount", required=False)),
    examples=declare.Examples(
        sources=("baskets",),
        sql="SELECT shop, amount, seen_at AS asked_at, bought FROM baskets",
        label="bought",
    ),
    monitoring=declare.Monitoring(segments=("shop",), tolerance=0.02),
)
PRODUCT = declare.Product(sources=(BASKET_SOURCE,), models=(DECLARED,))
LABELS_COME = timedelta(days=2)
"""After the day's end."""


def asked(seed: int, count: int = 400) -> list[dict[str, Any]]:
    """Requests with the scores that they get."""
    draw = np.random.default_rng(seed)
    return [
        {"shop": "nsw"[int(draw.integers(3))], "amount": float(draw.normal()), "score": float(draw.beta(0.6, 0.6))}
        for _ in range(count)
    ]


def happened(rows: list[dict[str, Any]], seed: int, wrong: Mapping[str, float] | None = None) -> list[float]:
    """Labels by chance of the scores; in the shops of ``wrong`` such a share is turned around."""
    draw = np.random.default_rng(seed)
    found = []
    for row in rows:
        label = draw.random() < row["score"]
        turned = draw.random() < (wrong or {}).get(row["shop"], 0.0)
        found.append(float(label != turned))
    return found


def _baselines(figures: Figures) -> dict[str, Baseline]:
    return {
        metric: Baseline(value=one.value, low=one.low, high=one.high, rows=one.rows)
        for metric, one in figures.items()
        if one.value is not None
    }


def estimator() -> Estimator:
    """Baselines of 3,000 held-out rows."""
    rows = asked(77, 3_000)
    outputs, labels = np.asarray([row["score"] for row in rows]), np.asarray(happened(rows, 78))
    curve = calibration(outputs, labels)
    shops = np.asarray([row["shop"] for row in rows])
    return Estimator.model_validate(
        {
            "model": MODEL, "run_id": "run-1", "task": "classification", "calibration": curve,
            "baselines": _baselines(realised.of_rows("classification", outputs, labels)),
            "estimated": _baselines(estimated.of_outputs(curve, outputs)),
            "segments": {
                f"shop={shop}": _baselines(realised.of_rows("classification", outputs[shops == shop],
                                                            labels[shops == shop]))
                for shop in "ns"
            },
            "estimated_segments": {
                f"shop={shop}": _baselines(estimated.of_outputs(curve, outputs[shops == shop])) for shop in "ns"
            },
        }
    )  # fmt: skip


@dataclass
class Outcomes:
    """The model with its log and labels."""

    watched: Watched
    days: list[date] = field(default_factory=list)

    def version(self, run_id: str = "run-1", *, estimates: bool = True, definition: bool = True) -> int:
        """Register a version."""
        bucket, folder = Bucket(ARTIFACTS, CLIENTS), f"runs/{MODEL}/{run_id}"
        bodies = {BANK_FILE: ("bank.json.gz", bank_with().packed())}
        if definition:
            bodies[DEFINITION_FILE] = ("definition.json", PRODUCT.model_dump_json().encode())
        if estimates:
            bodies[ESTIMATE_FILE] = ("estimate.json", estimator().model_dump_json().encode())
        files = {name: bucket.put(f"{folder}/{file}", body) for name, (file, body) in bodies.items()}
        at = bucket.put(f"{folder}/package.json", package(run_id).model_dump_json().encode())
        made = candidate(run_id, model=MODEL).model_copy(update={"package": at, "files": files})
        return self.watched.registry.register(made).version

    def day(
        self,
        day: date,
        seed: int,
        *,
        version: int = 1,
        labelled: float = 1.0,
        wrong: Mapping[str, float] | None = None,
        one_class: bool = False,
    ) -> None:
        """Log a day's predictions, have them counted, and write labels of a share of them down two days later."""
        rows = asked(seed)
        self.watched.day(day, rows, version=version)
        self.watched.log.compact(morning(day))
        self.watched.watch().run(morning(day) + timedelta(minutes=13))
        self.days.append(day)
        labels = happened(rows, seed + 1, wrong)
        items = []
        for place, hour in enumerate(TIMES):
            mine = list(zip(rows, labels, strict=True))[place :: len(TIMES)]
            for number, (_, label) in enumerate(mine[: round(len(mine) * labelled)]):
                request = f"{day}T{hour:02}-v{version}-{place}-0"
                items.append({"prediction_id": f"{request}.{number}", "value": 0.0 if one_class else label})
        self.write(items, morning(day) + LABELS_COME)

    def write(self, items: list[dict[str, Any]], at: datetime) -> None:
        """Write labels down at a moment."""
        table = Table(REGISTRY, CLIENTS)
        definitions = Definitions(self.watched.registry, ArtifactStore(ARTIFACTS, CLIENTS))
        writer = LabelWriter(LabelStore(BUCKET, table, CLIENTS), definitions, now=lambda: at)
        for first in range(0, len(items), 500):
            verdicts = writer.add(MODEL, items[first : first + 500]).verdicts
            assert {one["verdict"] for one in verdicts} == {"TAKEN"}, verdicts[:3]


@contextmanager
def new_outcomes() -> Iterator[Outcomes]:
    """A version that serves, and nothing asked yet."""
    with new_watched() as watched:
        made = Outcomes(watched)
        made.version()
        watched.serve(1)
        yield made


__all__ = ["BASKET_SOURCE", "HERE", "MODEL", "TODAY", "Outcomes", "new_outcomes"]
