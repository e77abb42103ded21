"""A small stack that has lived: two uploads, two versions, a prediction by each, two updates of the infrastructure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.features.online.store import OnlineStore
from headwater.features.service import Features
from headwater.graph import Places
from headwater.history.recorder import HAPPENED, READABLE
from headwater.history.store import HistoryTable
from headwater.history.types import StackName, UpdateRecord
from headwater.lake.service import Lake
from headwater.lineage.service import LineageService
from headwater.registry.service import PRODUCTION
from headwater.serving.store import PredictionStore
from headwater.serving.types import PredictionRecord
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.world import ARTIFACTS, FEATURES, LAKE, REGISTRY, World, new_world
from tests.unit.training.products import BUYS, products, visits
from tests.unit.training.runs import land, registered, registry, run

PREDICTIONS = "predictions"
FIRST, SECOND = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
OF = StackName(project="shop", stack="dev")


@dataclass
class Lived:
    """The stack, and moments of its life."""

    world: World
    places: Places
    before: datetime
    """When version 1 served."""
    after: datetime
    """When version 2 served."""

    @property
    def service(self) -> LineageService:
        """Lineage over the stack, up to date."""
        made = LineageService(self.places)
        made.catch_up()
        return made


def materialise() -> None:
    """Bring the features of what was uploaded online."""
    catalog = products(BUYS)
    lake = Lake(catalog, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    Features(catalog, lake, online=OnlineStore(FEATURES, CLIENTS, pause=lambda _: None)).materialise("habits")


def record(request_id: str, version: int, **more: Any) -> PredictionRecord:
    """A prediction as the predict function writes it down."""
    now = datetime.now(UTC)
    given: dict[str, Any] = {
        "request_id": request_id, "model": "buys", "version": version, "alias": PRODUCTION, "run_id": f"run-{version}",
        "data_version": "d", "received_at": now, "answered_at": now, "as_of": now, "looked_up": True,
    }  # fmt: skip
    given |= more
    answer = {
        "inputs": {"shop": "n", "amount": 3}, "features": {"habits.last_bought": 1.0, "habits.visits": 7.0},
        "probability": 0.25, "missing_features": [], "feature_age_seconds": 60.0,
    }  # fmt: skip
    return PredictionRecord(predictions=[answer], **given)


def update(moment: datetime, commit: str, *, dirty: bool = False, kind: str = "update") -> None:
    """Put an update of the infrastructure into the history."""
    happened = UpdateRecord(
        kind=kind, result="succeeded", started_at=moment - timedelta(seconds=30), ended_at=moment,
        environment={"git.head": commit, "git.dirty": str(dirty).lower(), "git.author": "Ann"},
    )  # fmt: skip
    HistoryTable(Table(REGISTRY, CLIENTS)).put(
        OF, int(moment.timestamp() * 1e9), HAPPENED, happened.model_dump_json(), READABLE
    )


@contextmanager
def new_stack() -> Iterator[Lived]:
    """The stack, on mocked AWS."""
    with pytest.MonkeyPatch.context() as patches, new_world(patches) as world:
        CLIENTS("s3").create_bucket(
            Bucket=PREDICTIONS, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        store, moments = PredictionStore(PREDICTIONS, CLIENTS), []
        for number, request in ((1, FIRST), (2, SECOND)):
            update(datetime.now(UTC), str(number) * 40, dirty=number == 2)
            land(world, products(BUYS), visits(seed=number))
            materialise()
            run(BUYS, f"run-{number}")
            registered(f"run-{number}")
            serving = number - 1 or None
            registry().promote("buys", alias=PRODUCTION, to=number, expected=serving, by="ann", why="better")
            store.write(record(request, number))
            moments.append(datetime.now(UTC))
        yield Lived(
            world,
            Places(
                registry_table=REGISTRY,
                lake_bucket=LAKE,
                artifacts_bucket=ARTIFACTS,
                clients=CLIENTS,
                predictions_bucket=PREDICTIONS,
                project=OF.project,
                stack=OF.stack,
            ),
            *moments,
        )


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    with new_stack() as made:
        yield made
