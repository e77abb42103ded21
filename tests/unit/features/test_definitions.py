"""Definitions of feature views: kept as they were declared, by a name that is their content's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from botocore.exceptions import HTTPClientError

from headwater.features.definitions import Definitions
from headwater.features.errors import DefinitionChanged, UnknownView, UnknownViewVersion
from headwater.registry.errors import RegistryBusy
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.features.test_materialise import LAST, OTHER, SALES
from tests.unit.lake.world import REGISTRY, World

START = datetime(2013, 1, 1, tzinfo=UTC)
CHANGED = LAST.model_copy(update={"ttl": timedelta(hours=7)})
SAID = LAST.model_copy(update={"owner": "shops", "description": "The last sale."})


@pytest.fixture
def definitions(world: World) -> Definitions:
    ticks = count()
    return Definitions(
        Table(REGISTRY, CLIENTS), now=lambda: START + timedelta(hours=next(ticks)), pause=lambda _: None
    )  # fmt: skip


def test_each_definition_stays_beside_the_next_and_the_last_one_declared_is_current(definitions: Definitions) -> None:
    for view in (LAST, CHANGED, LAST):
        definitions.remember(view, [SALES])
    assert [entry.version for entry in definitions.versions("last_sale")] == [LAST.version, CHANGED.version]
    assert definitions.get("last_sale", CHANGED.version) == CHANGED
    assert definitions.current("last_sale").view == LAST
    assert [entry.view.name for entry in definitions.all()] == ["last_sale"]
    kept = definitions.definition("last_sale", CHANGED.version)
    assert (kept.sources, kept.view) == ((SALES,), CHANGED)


def test_words_and_sources_follow_the_last_declaration_without_a_new_version(definitions: Definitions) -> None:
    definitions.remember(LAST, [SALES])
    first = definitions.current("last_sale")
    assert definitions.remember(LAST, [SALES]) == first
    definitions.remember(SAID, [SALES, OTHER])
    assert definitions.current("last_sale").view.owner == "shops"
    assert definitions.current("last_sale").sources == (SALES, OTHER)
    (only,) = definitions.versions("last_sale")
    assert (only.at, only.view) == (START, LAST)


def test_a_definition_that_is_kept_already_costs_one_read(definitions: Definitions) -> None:
    definitions.remember(LAST)
    calls: list[str] = []
    CLIENTS("dynamodb").meta.events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name))
    definitions.remember(LAST)
    assert calls == ["GetItem"]


def test_a_write_whose_answer_was_lost_is_recognised(definitions: Definitions) -> None:
    lost = iter([True])

    def lose(**_: object) -> None:
        if next(lost, False):
            raise HTTPClientError(error="the connection was closed")

    CLIENTS("dynamodb").meta.events.register("after-call.dynamodb.TransactWriteItems", lose)
    assert definitions.remember(LAST).at == START
    assert len(definitions.versions("last_sale")) == 1


def test_a_registry_that_never_answers_is_reported(definitions: Definitions) -> None:
    def refuse(**_: object) -> None:
        raise HTTPClientError(error="the connection was closed")

    CLIENTS("dynamodb").meta.events.register("before-call.dynamodb.TransactWriteItems", refuse)
    with pytest.raises(RegistryBusy, match="'last_sale': its definition couldn't be kept"):
        definitions.remember(LAST)


def test_what_was_never_declared_is_not_found_and_near_names_are_told(definitions: Definitions) -> None:
    with pytest.raises(UnknownView, match="known are: none yet"):
        definitions.versions("last_sale")
    definitions.remember(LAST)
    with pytest.raises(UnknownView, match="did you mean 'last_sale'"):
        definitions.current("lastsale")
    with pytest.raises(UnknownViewVersion, match=f"no version 'abc'. Versions, oldest first: {LAST.version}"):
        definitions.get("last_sale", "abc")


def test_a_definition_that_would_be_called_otherwise_by_now_is_refused(definitions: Definitions) -> None:
    definitions.remember(LAST)
    item = CLIENTS("dynamodb").get_item(
        TableName=REGISTRY, Key={"pk": {"S": "VIEW#last_sale"}, "sk": {"S": f"DEFINITION#{LAST.version}"}}
    )["Item"]
    item["document"]["S"] = item["document"]["S"].replace("twice", "thrice")
    CLIENTS("dynamodb").put_item(TableName=REGISTRY, Item=item)
    with pytest.raises(DefinitionChanged, match=f"kept as {LAST.version} would be called"):
        definitions.get("last_sale", LAST.version)
