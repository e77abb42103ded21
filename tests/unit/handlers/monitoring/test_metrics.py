"""The function behind ``GET /metrics`` and ``GET /metrics/scrape``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from headwater.handlers.monitoring import metrics
from headwater.monitoring.dashboards.openmetrics import OPENMETRICS, TEXT, exposition
from headwater.monitoring.dashboards.tokens import ScrapeTokens
from headwater.routes import METRICS, SCRAPE, Route
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.contract import held
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import REGISTRY, new_world
from tests.unit.monitoring.statuses import keep, status, unknown


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    with new_world(monkeypatch):
        metrics.services.cache_clear()  # type: ignore[attr-defined]
        made = Table(REGISTRY, CLIENTS)
        keep(made, [status(), unknown()])
        yield made
    metrics.services.cache_clear()  # type: ignore[attr-defined]


def get(route: Route, **headers: str) -> dict[str, Any]:
    event = {
        "routeKey": route.key,
        "rawPath": route.path,
        "headers": headers,
        "requestContext": {"http": {"method": route.method}},
    }
    return held(event, metrics.handler(event, Context()))


def test_whoever_iam_lets_through_reads_the_statuses_of_all_models(table: Table) -> None:
    answer = get(METRICS)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, OPENMETRICS)
    assert answer["body"] == exposition([status(), unknown()])
    assert answer["headers"]["Cache-Control"] == "no-store"


def test_the_older_format_is_there_for_who_asks_for_it(table: Table) -> None:
    answer = get(METRICS, accept="text/plain")
    assert (answer["headers"]["Content-Type"], answer["body"]) == (TEXT, exposition([status(), unknown()], TEXT))


def test_a_model_that_is_registered_and_was_never_looked_at_holds_nothing_back(table: Table) -> None:
    table.write(table.put({"pk": "MODEL#", "sk": "NAME#a_new_one"}))
    assert get(METRICS)["body"] == exposition([status(), unknown()])


def test_prometheus_reads_the_same_with_its_token(table: Table) -> None:
    token, _ = ScrapeTokens(table).create("prometheus")
    answer = get(SCRAPE, authorization=f"Bearer {token}")
    assert (answer["statusCode"], answer["body"]) == (200, get(METRICS)["body"])


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        ({}, 'Bearer realm="headwater"'),
        ({"authorization": "Basic YTpi"}, 'Bearer realm="headwater"'),
        ({"authorization": "Bearer guessed"}, 'Bearer realm="headwater", error="invalid_token"'),
    ],
)
def test_without_a_good_token_nothing_is_told(
    table: Table, header: dict[str, str], challenge: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = get(SCRAPE, **header)
    assert (answer["statusCode"], answer["headers"]["WWW-Authenticate"]) == (401, challenge)
    assert json.loads(answer["body"])["reason"] == "TokenRefused"
    assert "flights" not in answer["body"]


def test_a_revoked_token_is_refused_at_the_next_request(table: Table) -> None:
    tokens = ScrapeTokens(table)
    token, _ = tokens.create("prometheus")
    assert get(SCRAPE, authorization=f"Bearer {token}")["statusCode"] == 200
    tokens.revoke("prometheus")
    assert get(SCRAPE, authorization=f"Bearer {token}")["statusCode"] == 401


@pytest.mark.parametrize("key", [None, "$default", "GET /metrics/scrape", "GET /{proxy+}", "get /metrics"])
def test_what_the_api_did_not_match_as_the_signed_route_needs_a_token(table: Table, key: str | None) -> None:
    event = {"routeKey": key, "rawPath": "/metrics", "headers": None, "requestContext": {"http": {"method": "GET"}}}
    assert metrics.handler(event, Context())["statusCode"] == 401


def test_no_token_is_ever_logged(
    table: Table, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    # agigante80/actual-mcp-server#157: the token stood in the log, in plain text and in hexadecimal digits.
    token, _ = ScrapeTokens(table).create("prometheus")
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    for given in (token, wrong):
        get(SCRAPE, authorization=f"Bearer {given}")
    told = capsys.readouterr()
    logged = caplog.text + told.out + told.err
    for secret in (given.rpartition(".")[2] for given in (token, wrong)):
        assert secret not in logged
        assert secret.encode().hex() not in logged


def test_an_unexpected_error_is_told_in_the_log_alone(
    table: Table, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "exposition", lambda *_: 1 / 0)
    answer = get(METRICS)
    assert (answer["statusCode"], json.loads(answer["body"])["reason"]) == (500, "InternalError")
    assert "unexpected error" in caplog.text
