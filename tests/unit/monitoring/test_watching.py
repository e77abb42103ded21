"""Logged predictions are judged day by day beside the bank of the version that answered."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.features.inputs import encode
from headwater.monitoring.drift.bank import Bank, BankWindow
from headwater.monitoring.drift.judging import Outcome
from headwater.monitoring.drift.standing import State
from headwater.monitoring.errors import NoBank
from headwater.monitoring.log.reading import Reader
from headwater.monitoring.log.store import CompactionStore
from headwater.monitoring.profiles.counting import profile_of
from headwater.monitoring.profiles.types import Scheme
from headwater.monitoring.watching import Watched, Watching
from headwater.registry.errors import VersionNotFound
from headwater.registry.store import ArtifactStore
from headwater.registry.types import BANK_FILE, PROFILE_FILE, Package, Profile
from headwater.serving.store import PredictionStore
from headwater.storage.objects import Bucket
from headwater.storage.table import Table
from tests.unit.lake.world import ARTIFACTS, REGISTRY
from tests.unit.lineage.conftest import PREDICTIONS, Lived, lived, record
from tests.unit.training.runs import registry

__all__ = ["lived"]
TODAY = datetime.now(UTC).date()


def row(chosen: random.Random, **more: Any) -> dict[str, Any]:
    """A request of a shop, and what the model saw and said."""
    values = {"shop": chosen.choice("ns"), "amount": round(chosen.uniform(1, 9), 2)}
    seen = {"habits.last_bought": float(chosen.random() < 0.5), "habits.visits": float(chosen.randrange(1, 40))}
    answer = {"inputs": {**values, "seen_at": "2024-01-02T10:00:00+00:00"}, "features": seen, "missing_features": []}
    return {**answer, "probability": chosen.random(), "feature_age_seconds": 60.0, **more}


def watching() -> Watching:
    reader = Reader(CompactionStore(PREDICTIONS, Table(REGISTRY)))
    return Watching(registry(), ArtifactStore(ARTIFACTS), reader)


@pytest.fixture(scope="module")
def version(lived: Lived) -> int:
    """A version whose bank has forty days of such requests."""
    candidate = registry().version("buys", 1).candidate
    artifacts = ArtifactStore(ARTIFACTS)
    scheme = Scheme.of(artifacts.load(candidate.files[PROFILE_FILE], Profile))
    package = artifacts.load(candidate.package, Package)
    chosen, windows = random.Random(1), []
    for day in range(40):
        rows = [row(chosen) for _ in range(200)]
        columns: dict[str, list[Any]] = {name: [] for name in package.columns}
        for one in rows:
            seen = {entry.column: one["features"][entry.name] for entry in package.features}
            for name, value in {**encode(package.inputs, one["inputs"]), **seen}.items():
                columns[name].append(value)
        start = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)
        profile = profile_of(scheme, columns, part=str(day), scores=[one["probability"] for one in rows])
        windows.append(BankWindow(start=start, profile=profile))
    at = Bucket(ARTIFACTS).put("runs/buys/banked/bank.json.gz", Bank(scheme=scheme, windows=tuple(windows)).packed())
    banked = candidate.model_copy(update={"run_id": "banked", "files": {**candidate.files, BANK_FILE: at}})
    return registry().register(banked).version


def log(version: int, rows: list[dict[str, Any]], number: int) -> None:
    made = record(f"{number:08}-0000-4000-8000-000000000000", version)
    object.__setattr__(made, "predictions", rows)
    PredictionStore(PREDICTIONS).write(made)


def judged(version: int) -> Watched:
    return watching().drift("buys", version, TODAY, TODAY)


def test_a_usual_day_is_clean_and_a_broken_one_names_its_feature(version: int) -> None:
    assert judged(version).days == ()
    assert judged(version).state is State.COLLECTING
    chosen = random.Random(2)
    for number in range(2):
        log(version, [row(chosen) for _ in range(100)], number)
    (day,) = judged(version).days
    assert day.verdict.rows == 200
    # Thirty of the forty days are weekdays, which are compared with each other.
    assert day.verdict.windows in (30, 40)
    assert day.verdict.outcome is Outcome.CLEAN
    for number in range(2, 12):
        frozen = {"habits.last_bought": 1.0, "habits.visits": 7.0}
        log(version, [row(chosen, features=frozen) for _ in range(100)], number)
    (day,) = judged(version).days
    assert day.verdict.rows == 1200
    assert day.state is State.ALARM
    assert "habits__visits" in {finding.feature for finding in day.verdict.findings}


def test_another_version_s_predictions_are_not_this_one_s(version: int) -> None:
    before = [day.verdict.rows for day in judged(version).days]
    log(version + 100, [row(random.Random(3)) for _ in range(60)], 99)
    assert [day.verdict.rows for day in judged(version).days] == before


def test_a_version_without_a_bank_says_what_to_do(lived: Lived) -> None:
    candidate = registry().version("buys", 1).candidate
    files = {name: at for name, at in candidate.files.items() if name != BANK_FILE}
    bare = registry().register(candidate.model_copy(update={"run_id": "bare", "files": files}))
    with pytest.raises(NoBank, match="has no profiles of its training days"):
        judged(bare.version)
    with pytest.raises(VersionNotFound):
        judged(99)
