"""Lineage's functions: what the API answers is what is documented, and bad input is answered with its reason."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from headwater.lineage.asking import DEEPEST
from tests.contract import held
from tests.unit.lake.invocation import Context
from tests.unit.lake.test_ingestion import GOOD
from tests.unit.lake.world import World
from tests.unit.lineage.test_foreign import airflow

NAMES = {"PROJECT": "shop", "STACK": "dev", "ACCOUNT": "123456789012", "REGION": "eu-central-1",
         "PREDICTIONS_BUCKET": "predictions"}  # fmt: skip


@pytest.fixture
def functions(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    for name, value in NAMES.items():
        monkeypatch.setenv(f"HEADWATER_{name}", value)
    made = {name: importlib.import_module(f"headwater.handlers.lineage.{name}") for name in ("index", "ask", "take")}
    yield made
    for module, cached in (("index", "services"), ("ask", "service"), ("take", "received")):
        getattr(made[module], cached).cache_clear()


def asked(functions: dict[str, ModuleType], **query: str) -> tuple[int, dict[str, Any]]:
    event = {"requestContext": {"http": {"method": "GET"}}, "rawPath": "/lineage", "queryStringParameters": query}
    answer = held(event, functions["ask"].handler(event, Context()))
    return answer["statusCode"], json.loads(answer["body"])


def taken(functions: dict[str, ModuleType], body: str) -> tuple[int, dict[str, Any]]:
    event = {"requestContext": {"http": {"method": "POST"}}, "rawPath": "/lineage", "body": body}
    answer = held(event, functions["take"].handler(event, Context()))
    return answer["statusCode"], json.loads(answer["body"])


def test_an_event_and_an_upload_are_one_graph(functions: dict[str, ModuleType], world: World) -> None:
    world.lake().ingest(world.upload("landing/readings/one.csv", GOOD))
    assert taken(functions, json.dumps(airflow()))[0] == 201
    done = functions["index"].handler({}, Context())
    assert (done["complete"], done["emitted"]["undelivered"]) == (True, "")
    status, answer = asked(functions, nodeId="sources/readings", direction="UP", depth="9")
    assert status == 200
    assert {node["type"] for node in answer["graph"]} == {"DATA", "FILE", "DEFINITION", "FOREIGN"}
    first, edges = answer["graph"][0], [edge for node in answer["graph"] for edge in node["inEdges"]]
    assert first["id"].startswith("data:sources/readings@")
    assert {edge["destination"] for edge in first["inEdges"]} == {first["id"]}
    assert sorted(map(str, edges)) == sorted(str(edge) for node in answer["graph"] for edge in node["outEdges"])
    assert answer["cut"] is False


def test_the_same_event_is_known_the_second_time(functions: dict[str, ModuleType]) -> None:
    body = json.dumps(airflow())
    (status, first), (again, second) = taken(functions, body), taken(functions, body)
    assert (status, again) == (201, 201)
    assert first["id"] == second["id"]
    assert (first["new"], second["new"]) == (True, False)


@pytest.mark.parametrize(
    ("query", "reason", "words"),
    [
        ({}, "InvalidRequest", "nodeId is missing"),
        ({"nodeId": "model:"}, "InvalidNode", "expected KIND:NAME@VERSION"),
        ({"nodeId": "readings", "depth": "0"}, "InvalidRequest", f"from 1 to {DEEPEST}"),
        ({"nodeId": "readings", "depth": "9" * 400}, "InvalidRequest", "expected a whole number"),
        ({"nodeId": "readings", "direction": "SIDEWAYS"}, "InvalidRequest", "expected UP, DOWN, BOTH"),
        ({"nodeId": "readings", "at": "yesterday"}, "InvalidRequest", "at 'yesterday' is no time"),
        ({"nodeId": "readings", "known": "2026-01-01T00:00:00"}, "InvalidRequest", "has no time zone"),
        ({"nodeId": "readings", "limit": "1"}, "InvalidRequest", "no parameter limit"),
    ],
)
def test_a_bad_question_is_answered_with_400_and_what_was_expected(
    functions: dict[str, ModuleType], query: dict[str, str], reason: str, words: str
) -> None:
    status, answer = asked(functions, **query)
    assert (status, answer["reason"]) == (400, reason)
    assert words in answer["message"]


def test_an_unknown_node_is_answered_with_404(functions: dict[str, ModuleType]) -> None:
    status, answer = asked(functions, nodeId="nope")
    assert (status, answer["reason"]) == (404, "UnknownNode")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("", 400, "InvalidEvent"),
        ("{", 400, "InvalidEvent"),
        ("[]", 400, "InvalidEvent"),
        ('{"eventTime": NaN}', 400, "InvalidEvent"),
        ("[" * 100_000, 400, "InvalidEvent"),
        (json.dumps(airflow(outputs=[{"namespace": "headwater://123456789012/eu-central-1/shop-dev",
                                      "name": "model:buys"}])), 400, "InvalidEvent"),
        (json.dumps(airflow(producer=f"https://example.com/{'x' * 300_000}")), 413, "EventTooLarge"),
    ],
    ids=["empty", "cut short", "a list", "NaN", "deep", "about our own model", "large"],
)  # fmt: skip
def test_a_malformed_large_or_hostile_event_is_refused_with_its_reason(
    functions: dict[str, ModuleType], world: World, body: str, status: int, reason: str
) -> None:
    got, answer = taken(functions, body)
    assert (got, answer["reason"]) == (status, reason)
    assert world.keys("artifacts", "lineage/") == []


def test_an_unexpected_failure_tells_nothing_of_the_inside(
    functions: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("arn:aws:secret")

    monkeypatch.setattr("headwater.lineage.asking.ask", fail)
    status, answer = asked(functions, nodeId="readings")
    assert (status, answer["reason"]) == (500, "InternalError")
    assert "secret" not in json.dumps(answer)
