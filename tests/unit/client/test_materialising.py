"""The deployed function is called until all is online; what it does is tested beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headwater.client import Stack, connect
from headwater.client.errors import BadTarget, MaterialisationFailed, NotDeclared
from headwater.features.online.records import Materialised
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.client.fake_api import Answer, Fake, answering


@pytest.fixture
def fake(account: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """Where Lambda answers."""
    with answering() as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", made.url)
        yield made


@pytest.fixture
def stack(fake: Fake) -> Stack:
    describe("dev", {**OUTPUTS, "views": "weather,sales"})
    return connect("dev")


def result(view: str, written: int, *, complete: bool = True) -> dict[str, Any]:
    return {"view": view, "version": "v1", "entities": 9, "written": written, "complete": complete, "skipped": ""}


def test_a_run_that_is_not_complete_goes_on_and_its_items_are_added_up(stack: Stack, fake: Fake) -> None:
    parts = [
        {"views": [result("weather", 5, complete=False)], "complete": False},
        {"views": [result("weather", 4)], "complete": True},
    ]

    def answer(path: str, asked: Any) -> Answer:
        assert path == "/2015-03-31/functions/headwater-dev-features-materialise/invocations"
        return 200, parts.pop(0)

    fake.answer = answer
    told: list[int] = []
    done = stack.features.materialise("weather", full=True, progress=lambda views: told.append(views[0].written))
    assert done == (Materialised(**result("weather", 9)),)
    assert told == [5, 9]
    assert [asked for *_, asked in fake.asked] == [{"view": "weather", "full": True}] * 2


def test_all_views_are_materialised_unless_one_is_named_and_a_full_run_is_of_one(stack: Stack, fake: Fake) -> None:
    fake.answer = (200, {"views": [result("sales", 1), result("weather", 2)], "complete": True})
    assert [entry.view for entry in stack.features.materialise()] == ["sales", "weather"]
    assert fake.asked[0][3] == {}
    with pytest.raises(BadTarget, match="a full run is of one view"):
        stack.features.materialise(full=True)
    with pytest.raises(NotDeclared, match="its feature views are weather, sales"):
        stack.features.materialise("nosuch")
    assert len(fake.asked) == 1


def test_a_function_that_fails_is_told_in_its_own_words_and_asked_once(stack: Stack, fake: Fake) -> None:
    said = {"errorType": "InvalidView", "errorMessage": "feature view 'weather': no column temp"}
    fake.answer = (200, said, {"X-Amz-Function-Error": "Unhandled"})
    with pytest.raises(MaterialisationFailed, match="InvalidView: feature view 'weather': no column temp"):
        stack.features.materialise("weather")
    fake.answer = (500, {"message": "internal"})
    with pytest.raises(Exception, match="internal"):
        stack.features.materialise("weather")
    assert len(fake.asked) == 2
