"""A model that serves and is watched: its versions with their banks, days of requests, and the hourly look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from headwater.declare import category, number
from headwater.monitoring.days.service import Days
from headwater.monitoring.days.store import DayStore
from headwater.monitoring.days.versions import Versions
from headwater.monitoring.drift.bank import Bank, BankWindow
from headwater.monitoring.profiles.counting import profile_of
from headwater.monitoring.profiles.types import Scheme
from headwater.monitoring.status import Status
from headwater.monitoring.watch.service import Watch
from headwater.monitoring.watch.store import WatchStore
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import BANK_FILE, Output, Package
from headwater.storage.environment import CLIENTS
from headwater.storage.objects import Bucket
from headwater.storage.table import Table
from headwater.values import Pointer
from tests.unit.lake.world import ARTIFACTS, REGISTRY
from tests.unit.monitoring.data import scheme_of
from tests.unit.monitoring.logs import BUCKET, HOUR, Log, new_log, record
from tests.unit.registry.cases import candidate

MODEL = "buys"
SHOPS = ("n", "s", "w")
FIRST = date(2026, 1, 1)
"""The first day of the bank."""
BANKED = 60
TODAY = FIRST + timedelta(days=BANKED)
"""The first day after the bank: 2 March 2026."""
ROWS = 80
TIMES = (2, 8, 14, 20)
"""Hours in which a day's requests come."""

Rows = list[dict[str, Any]]


def rows_of(seed: int, count: int = ROWS, **faults: Any) -> Rows:
    """Inputs and outputs of usual predictions; ``faults`` replace a column's values."""
    draw = np.random.default_rng(seed)
    shift = draw.normal() / 10
    found = []
    for _ in range(count):
        row = {
            "shop": str(draw.choice(SHOPS)),
            "amount": float(draw.normal() + shift),
            "score": float(draw.random()),
        }
        found.append({**row, **faults})
    return found


def package(run_id: str) -> Package:
    """The package of a model of two inputs."""
    inputs = (category("shop", required=False), number("amount", required=False))
    return Package(
        model=MODEL,
        run_id=run_id,
        task="classification",
        inputs=inputs,
        columns=("shop", "amount"),
        categories=("shop",),
        onnx=Pointer(bucket=ARTIFACTS, key="model.onnx", version_id="1"),
        sha256="0" * 64,
        output=Output(name="probabilities", column=1),
        data_version="d",
        metrics={},
        code_version="c",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def bank_with(
    days: int = BANKED,
    *,
    seed: int = 0,
    segments: Mapping[str, tuple[str, ...]] | None = None,
    importance: Mapping[str, float] | None = None,
    moved: float = 0.0,
) -> Bank:
    """A bank of usual days; amounts are ``moved``."""
    whole = [rows_of(1_000 * seed + place) for place in range(max(days, 1))]
    for row in (row for rows in whole for row in rows):
        row["amount"] += moved
    together = [row for rows in whole for row in rows]
    scheme = scheme_of(
        {"amount": [row["amount"] for row in together]}, {"shop": SHOPS}, scores=[row["score"] for row in together]
    )
    windows = tuple(
        BankWindow(
            start=datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=place),
            profile=counted(scheme, rows, f"day {place}"),
        )
        for place, rows in enumerate(whole[:days])
    )
    return Bank(
        scheme=scheme,
        windows=windows,
        segments={"shop": SHOPS[:2]} if segments is None else segments,
        importance=importance or {},
    )


def counted(scheme: Scheme, rows: Rows, part: str = "x") -> Any:
    """The profile of rows."""
    columns = {name: [row[name] for row in rows] for name in ("shop", "amount")}
    return profile_of(scheme, columns, part=part, scores=[row["score"] for row in rows])


@dataclass
class Watched:
    """The model, its log, and the clock that the test moves."""

    log: Log
    registry: Registry

    def version(
        self, bank: Bank | None, run_id: str = "run-1", more: Mapping[str, bytes] | None = None, **changes: Any
    ) -> int:
        """Register a version with such a bank (None: with none) and ``more`` files; ``changes`` are its package's."""
        bucket = Bucket(ARTIFACTS, CLIENTS)
        described = Package.model_validate({**dict(package(run_id)), **changes})
        at = bucket.put(f"runs/{MODEL}/{run_id}/package.json", described.model_dump_json().encode())
        files = {} if bank is None else {BANK_FILE: bucket.put(f"runs/{MODEL}/{run_id}/bank.json.gz", bank.packed())}
        files |= {name: bucket.put(f"runs/{MODEL}/{run_id}/{name}", body) for name, body in (more or {}).items()}
        made = candidate(run_id, model=MODEL).model_copy(update={"package": at, "files": files})
        return self.registry.register(made).version

    def serve(self, version: int) -> None:
        """Point production at a version."""
        now = self.registry.aliases(MODEL).get("production") if self.registry.models() else None
        self.registry.promote(MODEL, alias="production", to=version, expected=now)

    def day(self, day: date, rows: Rows, *, version: int = 1, received: datetime | None = None, name: str = "") -> None:
        """Log a day's predictions, spread over its hours; all ``received`` at one moment if that is given."""
        for place, hour in enumerate(TIMES):
            some = rows[place :: len(TIMES)]
            for start in range(0, len(some), 100):
                if batch := some[start : start + 100]:
                    self.request(day, hour, batch, version=version, received=received, name=f"{name}{place}-{start}")

    def request(
        self,
        day: date,
        hour: int,
        rows: Rows,
        *,
        version: int = 1,
        received: datetime | None = None,
        name: str = "",
    ) -> None:
        """Log one request."""
        as_of = datetime(day.year, day.month, day.day, hour, 30, tzinfo=UTC)
        predictions = [
            {"inputs": {name: row[name] for name in ("shop", "amount") if name in row}, "features": {},
             "missing_features": [], "probability": row["score"], "feature_age_seconds": None}
            for row in rows
        ]  # fmt: skip
        self.log.write(
            record(f"{day}T{hour:02}-v{version}-{name}", received or as_of, version=version, as_of=as_of,
                   predictions=predictions)
        )  # fmt: skip

    @property
    def days(self) -> DayStore:
        return DayStore(BUCKET, Table(REGISTRY, CLIENTS), CLIENTS)

    @property
    def store(self) -> WatchStore:
        return WatchStore(BUCKET, Table(REGISTRY, CLIENTS), CLIENTS)

    @property
    def versions(self) -> Versions:
        return Versions(self.registry, ArtifactStore(ARTIFACTS, CLIENTS))

    def read(self, **more: Any) -> Days:
        """Days as they are stored; with ``now`` also what isn't yet."""
        return Days(self.log.store, self.days, self.versions, **more)

    def watch(self, **more: Any) -> Watch:
        """The look at models."""
        return Watch(self.registry, self.log.store, self.days, self.store, self.versions, **more)

    def hour(self, now: datetime, **more: Any) -> Status | None:
        """What runs in an hour: compaction, then the look; raises what went wrong."""
        self.log.compact(now)
        looked = self.watch(**more).run(now + timedelta(minutes=13))
        for error in looked.failed.values():
            raise error
        return next((one for one in looked.statuses if one.model == MODEL), None)


def morning(day: date) -> datetime:
    """Some minutes after the day is over."""
    return datetime(day.year, day.month, day.day, 0, 7, tzinfo=UTC) + timedelta(days=1)


@contextmanager
def new_watched() -> Iterator[Watched]:
    """No version and no predictions on mocked AWS."""
    with new_log() as log:
        yield Watched(log, Registry(Table(REGISTRY, CLIENTS)))


__all__ = ["HOUR", "MODEL", "ROWS", "TODAY", "Watched", "bank_with", "morning", "new_watched", "rows_of"]
