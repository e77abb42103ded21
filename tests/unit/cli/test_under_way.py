"""`headwater features show` while a view is being materialised."""

from __future__ import annotations

import pytest

from headwater.cli.render.features import in_progress
from headwater.features.definitions import Definitions
from headwater.features.online.handoff import execution_name
from headwater.features.online.in_progress import UnderWay
from headwater.features.online.progress import ProgressOf
from headwater.features.online.progress import Run as Materialising
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.cli.conftest import Run
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.features.shop import SECOND
from tests.unit.lake.world import REGISTRY, new_world


def test_what_is_under_way_is_shown_with_the_execution_that_does_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_world(monkeypatch) as world:
        monkeypatch.setenv("HEADWATER_STACK", "dev")
        machine = world.materialisation()
        describe("dev", {**OUTPUTS, "region": "eu-central-1", "views": "last_sale", "materialisation_arn": machine})
        store = Table(REGISTRY, CLIENTS)
        Definitions(store).remember(SECOND)
        known = ProgressOf(store, "last_sale", SECOND.version)
        begun = Materialising(
            data_version="d" * 64, revision=3, commits={"sales": "c" * 64}, moment=1_357_000_000_000_000
        )
        known.begin(begun)
        (told,) = run("features", "show", "last_sale", "--json").json["in_progress"]
        assert (told["data_version"], told["since"], told["execution"]) == ("d" * 64, "2013-01-01T00:26:40Z", "")
        known.hand_over(begun, 1)
        name = execution_name("last_sale", SECOND.version, begun, 1)
        (told,) = run("features", "show", "last_sale", "--json").json["in_progress"]
        assert (told["execution"], told["status"], told["shards"]) == (name, "GONE", None)
        assert f"under way     definition {SECOND.version}, data version dddddddddddd, since 2013-01-01 00:26" in (
            run("features", "show", "last_sale").out
        )
    assert in_progress(UnderWay(**{**told, "status": "RUNNING", "shards": 80, "shards_done": 12})).endswith(
        f": execution {name} RUNNING, 12 of 80 shards done"
    )
