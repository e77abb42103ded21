"""Runs of the products of `tests.unit.training.products`, from landed files to a registered version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from headwater.declare import Catalog, Model
from headwater.features.online.store import OnlineStore
from headwater.features.stream.commits import StreamCommitter
from headwater.features.stream.rows import Streaming
from headwater.lake.service import Lake
from headwater.lake.store import Arrivals
from headwater.locks import FOLDER
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.starting import StartedBy
from headwater.registry.store import ArtifactStore
from headwater.registry.types import Candidate, ModelVersion, Package
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.compiling import Graph
from headwater.training.dataset import load
from headwater.training.prepare import Preparation
from headwater.training.registration import Registration
from headwater.training.service import Training
from headwater.training.store import RunFiles
from headwater.training.types import TRAINING_SET_FILE
from headwater.versions.service import Versions
from tests.unit.lake.world import ARTIFACTS, FEATURES, LAKE, REGISTRY, World
from tests.unit.training.products import houses, products, visits

NOW = datetime(2024, 2, 1, tzinfo=UTC)


def land(world: World, catalog: Catalog, body: str = "", source: str = "visits") -> None:
    lake = Lake(catalog, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    lake.ingest(world.upload(f"landing/{source}/one.csv", body or (visits() if source == "visits" else houses())))


def preparation(catalog: Catalog) -> Preparation:
    return Preparation.over(catalog, CLIENTS, lake_bucket=LAKE, registry_table=REGISTRY, artifacts_bucket=ARTIFACTS)


def registry() -> Registry:
    return Registry(Table(REGISTRY, CLIENTS))


def run(model: Model, run_id: str = "run-1", started_by: StartedBy | None = None) -> Candidate:
    catalog = products(model)
    preparation(catalog).prepare(model.name, run_id, started_by=started_by)
    return Training(
        catalog, registry(), ARTIFACTS, CLIENTS, code_version="abc", lock=FOLDER / "training.txt", now=lambda: NOW
    ).train(model.name, run_id)


def promote(candidate: Candidate) -> ModelVersion:
    version = registry().register(candidate)
    registry().promote(candidate.model, alias=PRODUCTION, to=version.version, expected=None)
    return version


def package(candidate: Candidate) -> tuple[Package, Graph]:
    artifacts = ArtifactStore(ARTIFACTS, CLIENTS)
    made = artifacts.load(candidate.package, Package)
    return made, Graph.of(made, artifacts.read(made.onnx))


def training_set(model: Model, run_id: str, tmp_path: Any) -> Any:
    path = tmp_path / "set.parquet"
    path.write_bytes(RunFiles(ARTIFACTS, model.name, run_id, CLIENTS).get(TRAINING_SET_FILE) or b"")
    return load(model, path)


def changed(model: Model, **update: Any) -> Model:
    return Model.model_validate({**dict(model), **update})


def stream(minute: int) -> None:
    """Have rows of a view streamed, and committed."""
    arrivals = Arrivals(LAKE, CLIENTS)
    rows = [
        {"shop": "n", "event_time": datetime(2024, 1, 1, hour, minute, tzinfo=UTC), "last_bought": 1, "visits": minute}
        for hour in range(24)
    ]
    Streaming(products(), OnlineStore(FEATURES, CLIENTS), arrivals).ingest("habits", rows)
    StreamCommitter(Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)), arrivals).commit("habits")


def registered(run_id: str, model: str = "buys") -> ModelVersion:
    return Registration(
        registry(), ArtifactStore(ARTIFACTS, CLIENTS), Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS)
    ).register(model, run_id)
