"""Lineage of the loops: what a collector fetched, and the decision by which a model was trained."""

from __future__ import annotations

import csv
from datetime import UTC, datetime

from headwater.collecting.types import Batch
from headwater.declare import Code, Collector, Schedule
from headwater.graph import Node, Places
from headwater.lake.service import Lake
from headwater.lake.types import Upload
from headwater.lineage.service import LineageService
from headwater.retraining.store import RetrainStore
from headwater.retraining.types import Decision, RetrainState, Verdict
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.collecting.world import run as collect
from tests.unit.collecting.world import store as collected
from tests.unit.lake.world import ARTIFACTS, LAKE, REGISTRY, World
from tests.unit.training.products import BUYS, products, visits
from tests.unit.training.runs import registered, run

COLLECTOR = Collector(
    name="counter", source="visits", schedule=Schedule(every="1h"), reads=Code(function="counter:read")
)
BATCH, DECISION = Node("batch", "counter", "1"), Node("decision", "buys", "1")


def fetch() -> Upload:
    """A file that the collector landed."""
    rows = [{name: text or None for name, text in row.items()} for row in csv.DictReader(visits().splitlines())]
    collect(lambda _: [Batch(rows=rows)], collector=COLLECTOR)
    batch = collected("counter").batch(1)
    assert batch is not None
    assert batch.landed is not None
    landed = batch.landed
    return Upload(bucket=LAKE, key=landed.key, version_id=landed.version_id, size=batch.size, sequencer="1")


def decide(verdict: Verdict, revision: int, run_id: str = "") -> None:
    """An entry in the log of the model's policy."""
    now, store = datetime.now(UTC), RetrainStore(Table(REGISTRY, CLIENTS))
    decision = Decision(
        model="buys", at=now, revision=revision, verdict=verdict, kind="drift", words="requests drift", run_id=run_id
    )
    state = RetrainState(model="buys", revision=revision)
    assert store.write(state, RetrainState(model="buys", revision=revision - 1), decision)


def lineage() -> LineageService:
    made = LineageService(
        Places(registry_table=REGISTRY, lake_bucket=LAKE, artifacts_bucket=ARTIFACTS, clients=CLIENTS)
    )
    made.catch_up()
    return made


def test_a_model_leads_to_the_batch_it_learnt_from_and_the_decision_to_train_it(world: World) -> None:
    upload = fetch()
    made = Lake(products(BUYS), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)).ingest(upload)
    assert made.collected == "counter#1"
    decide(Verdict.REQUESTED, 1, "run-1")
    decide(Verdict.COOLED, 2)
    run(BUYS, "run-1")
    registered("run-1")

    service = lineage()
    model = service.resolve("buys@1")
    assert {BATCH, DECISION} <= set(service.walk(model, "UP", depth=None).nodes)
    assert model in service.walk(BATCH, "DOWN", depth=None).nodes
    (about,) = service.facts(DECISION)
    assert about.notes == {"reason": "drift", "said": "requests drift"}
    (about,) = service.facts(BATCH)
    assert about.notes == {"source": "visits", "file": made.file}
    # A decision not to train is no node.
    assert not [
        node for node in service.walk(model, "UP", depth=None).nodes if node.kind == "decision" and node != DECISION
    ]
    assert not service.verify().differing


def test_a_file_that_a_person_uploads_is_of_no_batch(world: World) -> None:
    made = Lake(products(BUYS), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)).ingest(
        world.upload("landing/visits/one.csv", visits())
    )
    assert made.collected == ""
    found = lineage()
    (file,) = (node for node in found.files("sources/visits", "one.csv")[:1])
    assert not [node for node in found.walk(file, "UP", depth=None).nodes if node.kind == "batch"]
