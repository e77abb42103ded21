"""Headwater's facts as OpenLineage events, of a stack that has lived."""

from __future__ import annotations

import json
from typing import Any

from headwater.lineage.emitting import Emitter, ToS3
from headwater.lineage.index import Index
from headwater.lineage.openlineage.validation import problems
from headwater.lineage.projecting import Projection
from headwater.lineage.store import Events
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.world import ARTIFACTS, REGISTRY, World
from tests.unit.lineage.conftest import Lived


def kept(world: World) -> list[dict[str, Any]]:
    keys = world.keys(ARTIFACTS, "lineage/events/")
    return [json.loads(CLIENTS("s3").get_object(Bucket=ARTIFACTS, Key=key)["Body"].read()) for key in keys]


def test_each_kind_of_fact_becomes_valid_events_once(lived: Lived) -> None:
    sending = Emitter(
        Index(Table(REGISTRY, CLIENTS)), Projection(lived.places).logs, [ToS3(Events(ARTIFACTS, CLIENTS))]
    )
    first = sending.emit()
    assert first.undelivered == ""
    events = kept(lived.world)
    assert first.events == len(events)
    assert {event["job"]["name"] for event in events} == {
        "ingestion.visits", "materialisation.habits", "training.buys", "promotion.buys",
    }  # fmt: skip
    assert [problem for event in events for problem in problems(event)] == []
    assert sending.emit().events == 0
    assert len(kept(lived.world)) == len(events)


def test_columns_of_a_view_are_traced_to_those_of_its_sources(lived: Lived) -> None:
    Emitter(Index(Table(REGISTRY, CLIENTS)), Projection(lived.places).logs, [ToS3(Events(ARTIFACTS, CLIENTS))]).emit()
    (made, *_) = [
        event for event in kept(lived.world)
        if event["job"]["name"] == "materialisation.habits" and event["eventType"] == "COMPLETE"
    ]  # fmt: skip
    fields = made["outputs"][0]["facets"]["columnLineage"]["fields"]
    assert {entry["field"] for entry in fields["last_bought"]["inputFields"]} >= {"bought"}
