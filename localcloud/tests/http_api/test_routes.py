"""Route selection, held against the examples of AWS's developer guide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from localcloud.http_api.routes import Match, select

ORACLE = Path(__file__).parents[4] / "shared" / "oracles" / "http-api" / "doc_routes.jsonl"
CASES = [json.loads(line) for line in ORACLE.read_text().splitlines()] if ORACLE.exists() else []


@pytest.mark.skipif(not CASES, reason="the oracle isn't on this machine")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["path"])
def test_the_examples_of_the_developer_guide_are_routed_as_documented(case: dict[str, Any]) -> None:
    found = select(case["routes"], case["method"], case["path"])
    assert (found.route_key if found else None) == case.get("expect_route_key")


def test_variables_are_decoded_and_greedy_ones_keep_their_slashes() -> None:
    assert select(["GET /a/{id}/{rest+}"], "GET", "/a/x%20y/b/c%2Fd") == Match(
        "GET /a/{id}/{rest+}", {"id": "x y", "rest": "b/c/d"}
    )


def test_a_method_goes_before_any_and_a_literal_before_a_variable() -> None:
    routes = ["ANY /a", "GET /a", "GET /{x}", "$default"]
    assert select(routes, "GET", "/a") == Match("GET /a")
    assert select(routes, "POST", "/a") == Match("ANY /a")
    assert select(routes, "GET", "/b") == Match("GET /{x}", {"x": "b"})
    assert select(routes, "DELETE", "/b") == Match("$default")


def test_a_trailing_slash_is_another_path_and_a_greedy_variable_needs_something() -> None:
    assert select(["GET /a"], "GET", "/a/") is None
    assert select(["GET /a/{proxy+}"], "GET", "/a/") is None
    assert select(["GET /a/{id}"], "GET", "/a/") is None


def test_no_route_is_no_match() -> None:
    assert select([], "GET", "/") is None
    assert select(["POST /a"], "GET", "/a") is None


def test_the_root_can_be_a_route() -> None:
    assert select(["GET /"], "GET", "/") == Match("GET /")
