"""Events of other tools: taken once, told as nodes of their own, and joined with the files that they wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.graph import Node, Places
from headwater.lineage.contributions import contributions
from headwater.lineage.foreign import LOOK_BACK, Received, names_of
from headwater.lineage.index import Index
from headwater.lineage.indexer import Indexer
from headwater.lineage.openlineage.receiving import receive
from headwater.lineage.service import LineageService
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.test_ingestion import GOOD
from tests.unit.lake.world import ARTIFACTS, LAKE, REGISTRY, World

PLACES = Places(
    registry_table=REGISTRY, lake_bucket=LAKE, artifacts_bucket=ARTIFACTS, clients=CLIENTS, project="shop", stack="dev",
    account="123456789012", region="eu-central-1",
)  # fmt: skip
NAMES = names_of(PLACES)


def airflow(number: int = 1, *, at: datetime | None = None, **more: Any) -> dict[str, Any]:
    """A run of Airflow that writes a landing file."""
    return {
        "eventTime": (at or datetime.now(UTC)).isoformat(),
        "producer": "https://example.com/airflow",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "eventType": "COMPLETE",
        "run": {"runId": f"11111111-1111-4111-8111-{number:012}"},
        "job": {"namespace": "airflow", "name": "export"},
        "inputs": [{"namespace": "postgres://db:5432", "name": "ops.public.readings"}],
        "outputs": [{"namespace": f"s3://{LAKE}", "name": "landing/readings/one.csv"}],
        **more,
    }


def take(event: dict[str, Any], now: datetime | None = None) -> bool:
    received = Received(PLACES, now=lambda: now or datetime.now(UTC))
    return received.take(receive(json.dumps(event), NAMES))


def indexed() -> LineageService:
    service = LineageService(PLACES)
    service.catch_up()
    return service


def test_an_event_that_is_sent_twice_is_one(world: World) -> None:
    event = airflow()
    assert [take(event), take(event)] == [True, False]
    assert len(world.keys(ARTIFACTS, "lineage/in/")) == 1
    before = list(indexed().index.items())
    take(event)
    assert list(indexed().index.items()) == before


def test_a_lost_answer_makes_no_second_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from headwater.storage.table import WriteRefused

    real = Table.transact

    def lost(self: Table, writes: Any) -> None:
        real(self, writes)
        raise WriteRefused("the answer was lost")

    monkeypatch.setattr(Table, "transact", lost)
    assert take(airflow()) is True
    monkeypatch.setattr(Table, "transact", real)
    assert take(airflow(at=datetime(2026, 1, 1, tzinfo=UTC))) is True


def test_events_in_any_order_give_one_index(world: World) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    events = [airflow(number, at=now + timedelta(minutes=number)) for number in range(4)]
    received = [now + timedelta(hours=1, seconds=number) for number in range(4)]
    for event, moment in zip(events, received, strict=True):
        take(event, moment)
    whole = {(item["pk"], item["sk"]): item for item in indexed().index.items() if "log" not in item}
    # One whose receipt is a little earlier is written after the index was read that far.
    late = airflow(9, at=now)
    take(late, received[-1] - LOOK_BACK / 2)
    service = indexed()
    assert {(item["pk"], item["sk"]) for item in service.index.items()} > set(whole)
    assert service.verify().differing == 0


def test_an_uploaded_file_is_traced_to_the_run_that_wrote_it(world: World) -> None:
    lake = world.lake()
    upload = world.upload("landing/readings/one.csv", GOOD)
    lake.ingest(upload)
    take(airflow(at=datetime.now(UTC)))
    service = indexed()
    file = Node("file", f"s3://{LAKE}/{upload.key}", upload.version_id)
    found = service.walk(file, "UP", depth=None)
    assert [node.kind for node in found.nodes] == ["file", "foreign", "foreign"]
    assert found.nodes[1].name == "airflow:export"
    assert found.nodes[2].name == "postgres://db:5432:ops.public.readings"
    commit = service.resolve("sources/readings")
    assert found.nodes[2] in service.walk(commit, "UP", depth=None).nodes


def test_a_version_that_was_uploaded_later_is_not_what_an_earlier_run_wrote(world: World) -> None:
    upload = world.upload("landing/readings/one.csv", GOOD)
    take(airflow(at=datetime.now(UTC) - timedelta(hours=1)))
    found = indexed().walk(Node("file", f"s3://{LAKE}/{upload.key}", upload.version_id), "UP", depth=None)
    assert len(found.nodes) == 1


def test_circles_of_events_are_walked_once(world: World) -> None:
    dataset = {"namespace": "pg", "name": "t"}
    take(airflow(1, inputs=[dataset], outputs=[dataset]))
    service = indexed()
    thing = Node("foreign", "pg:t")
    assert service.walk(thing, "UP", depth=None).nodes
    assert service.walk(thing, "DOWN", depth=None).nodes
    CLIENTS("s3").delete_object(Bucket=ARTIFACTS, Key=world.keys(ARTIFACTS, "lineage/in/")[0])
    assert Indexer(Index(Table(REGISTRY, CLIENTS)), contributions(), PLACES).check().differing == 0
