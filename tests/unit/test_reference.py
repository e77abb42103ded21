"""The generated pages of docs/reference say what the code says, and the code says something of everything."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import pytest
import typer
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from pydantic import Field

from headwater.client.predictions import MAX_INSTANCES
from headwater.declare import MOST_INSTANCES, Declaration
from headwater.features.errors import Problem
from headwater.serving import requests
from headwater.serving.messages import PredictionBody
from tests.contract import DOCUMENT, body_problems
from tools.reference import client, commands, declarations, openapi, settings
from tools.reference.pages import ALL, Page
from tools.reference.source import fields, wrapped


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_a_generated_page_says_what_the_code_says(page: Page) -> None:
    assert page.stale() == [], "make reference"


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_nothing_of_a_page_is_undocumented(page: Page) -> None:
    assert page.undocumented() == []


class Silent(Declaration):
    told: int
    """A number."""
    untold: Annotated[Literal["a"], Field(min_length=1)] = "a"


def test_a_class_and_a_field_without_words_would_be_found() -> None:
    assert list(declarations.silent(Silent)) == ["Silent", "Silent.untold"]
    assert [(entry.annotation, entry.default) for entry in fields(Silent)] == [("int", None), ("Literal['a']", "'a'")]


def test_a_method_without_words_would_be_found() -> None:
    class Verbs:
        """Of a client."""

        def told(self) -> None:
            """Do it."""

        def untold(self) -> None: ...

    assert list(client.silent(Verbs)) == ["Verbs.untold"]


def test_a_command_and_an_option_without_words_would_be_found() -> None:
    app = typer.Typer(add_completion=False)

    @app.callback(help="All.")
    def _root() -> None: ...

    @app.command()
    def silent(argument: str, *, option: Annotated[int, typer.Option(help="Told.")] = 1) -> None: ...

    assert list(commands._silent(typer.main.get_command(app))) == [
        "headwater silent", "headwater silent ARGUMENT"]  # fmt: skip


def test_exit_codes_are_told_once_each() -> None:
    assert [code for code, _ in commands.exit_codes()] == [0, 1, 2, 3, 4, 5, 130]


def test_a_setting_is_shown_with_its_bounds() -> None:
    told = settings.render()
    assert "* `shardEntities` (integer, at least 1, at most 5,000,000; default `1000000`): Entities in a shard." in told


def test_prose_is_wrapped_and_short_code_stays_in_one_piece() -> None:
    text = wrapped(" ".join(["word"] * 22) + " say `headwater local up` now", "  ", "* ")
    assert max(map(len, text.splitlines())) <= 120
    assert "`headwater local up`" in text


def test_the_description_of_the_api_is_valid_openapi_3_1() -> None:
    validate(DOCUMENT, cls=OpenAPIV31SpecValidator)
    broken = json.loads(json.dumps(DOCUMENT))
    del broken["info"]["title"]
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


def test_the_request_schema_and_the_parser_know_the_same_fields() -> None:
    assert list(PredictionBody.__annotations__) == list(requests._FIELDS)
    assert MAX_INSTANCES == MOST_INSTANCES
    assert list(openapi.RowProblem.model_fields) == list(Problem.__dataclass_fields__)


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        ({"instances": [{"distance": 1}]}, True),
        ({"instances": [{}], "as_of": "2013-05-01T10:00:00Z", "features": [{"a.b": None}], "explain": True}, True),
        ({"instances": []}, False),
        ({"instances": [{}] * 101}, False),
        ({"instances": [{}], "explain": "yes"}, False),
        ({"instances": [{}], "features": [{"a.b": [1]}]}, False),
        ({"instances": [{}], "alias": "staging"}, False),
        ([], False),
    ],
)
def test_the_request_schema_accepts_what_the_parser_accepts(body: object, accepted: bool) -> None:
    assert (body_problems("/models/{model}/predictions", body) == []) is accepted
    try:
        requests.parse(json.dumps(body).encode(), {"a.b": "number"})
    except requests.InvalidBody:
        assert not accepted
    else:
        assert accepted
