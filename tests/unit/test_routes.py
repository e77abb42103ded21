"""A route is written once: its key, its address and what matches it agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.routes import CARD, OPENAPI, PREDICT, STREAM_ROWS, Route


@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs", "Zl", "Zp", "Cc"]), min_size=1))
def test_the_address_of_a_model_is_matched_by_its_own_route_alone(name: str) -> None:
    path = PREDICT.url(model=name)
    assert PREDICT.match("POST", path) == {"model": path.split("/")[2]}
    assert CARD.match("POST", path) is STREAM_ROWS.match("POST", path) is None
    assert PREDICT.match("GET", path) is None


@pytest.mark.parametrize(
    ("route", "key", "any_path"),
    [
        (CARD, "GET /models/{model}", "/models/*"),
        (STREAM_ROWS, "POST /features/{view}/rows", "/features/*/rows"),
        (OPENAPI, "GET /openapi.json", "/openapi.json"),
    ],
)
def test_a_route_is_written_as_gateway_and_permissions_want_it(route: Route, key: str, any_path: str) -> None:
    assert (route.key, route.any_path) == (key, any_path)


def test_a_dot_in_a_path_is_a_dot() -> None:
    assert OPENAPI.match("GET", "/openapi.json") == {}
    assert OPENAPI.match("GET", "/openapiXjson") is None
