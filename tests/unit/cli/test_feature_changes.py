"""`headwater features` on stacks that change: new data, lost files, tampered items."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from headwater.features.offline.statistics import statistics_key
from headwater.storage.environment import CLIENTS
from tests.unit.cli.conftest import Run
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.features.shop import FIRST, SECOND, features, fill, land
from tests.unit.lake.world import ARTIFACTS, World, new_world
from tests.unit.monitoring.test_skew import log


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[World]:
    with new_world(monkeypatch) as made:
        fill(made)
        monkeypatch.setenv("HEADWATER_STACK", "dev")
        yield made


def test_files_that_are_gone_hide_nothing_else(world: World, run: Run) -> None:
    data = run("features", "stats", "last_sale", "--json").json["materialisation"]["data_version"]
    CLIENTS("s3").delete_object(Bucket="lake", Key=statistics_key("last_sale", SECOND.version, data))
    assert "no statistics were kept" in run("features", "stats", "last_sale").err
    key = "runs/habit/run-1/package.json"
    for entry in CLIENTS("s3").list_object_versions(Bucket=ARTIFACTS, Prefix=key)["Versions"]:
        CLIENTS("s3").delete_object(Bucket=ARTIFACTS, Key=key, VersionId=entry["VersionId"])
    assert run("features", "lineage", "last_sale", "--json").json["uses"] == []


def test_two_data_versions_of_one_definition_are_compared_too(world: World, run: Run) -> None:
    land(world, "1.csv")
    assert run("features", "list", "--json").json[0]["state"] == "BEHIND"
    features(now=datetime(2013, 1, 2, tzinfo=UTC)).materialise("last_sale")
    found = run("features", "diff", "last_sale", "--json").json
    assert (found["definition"], found["sql"]) == ([], [])
    assert found["before"]["version"] == found["after"]["version"] == SECOND.version
    assert found["before"]["materialisation"]["data_version"] != found["after"]["materialisation"]["data_version"]


def test_one_materialisation_has_nothing_to_be_compared_with(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_world(monkeypatch) as empty:
        describe("dev", OUTPUTS)
        monkeypatch.setenv("HEADWATER_STACK", "dev")
        nothing = run("features", "list")
        assert (nothing.code, nothing.out) == (0, "")
        assert "no product declares a feature view" in nothing.err
        land(empty, "1.csv")
        features(FIRST).materialise("last_sale")
        assert run("features", "list", "--json").json[0]["state"] == "LATE"
        alone = run("features", "diff", "last_sale")
        assert alone.code == 3
        assert "has one materialisation, and two are compared" in alone.err
        describe("dev", {**OUTPUTS, "views": "another"})
        assert [view["state"] for view in run("features", "list", "--json").json] == ["NEVER", "RETIRED"]
        assert run("features", "parity", "--json").json == []


def test_parity_is_told_and_a_difference_fails_with_both_values(world: World, run: Run) -> None:
    # The model that serves was trained on the first definition, of which two shops were materialised.
    checked = {view["version"]: (view["sampled"], view["equal"]) for view in run("features", "parity", "--json").json}
    assert checked == {FIRST.version: (2, 2), SECOND.version: (3, 3)}
    assert SECOND.version in run("features", "parity", "last_sale").out
    items = world.online()
    at = {shop: next(key for key in items if key.endswith(shop)) for shop in "ac"}
    CLIENTS("dynamodb").put_item(TableName="features", Item={**items[at["a"]], "pk": {"S": at["c"]}})
    done = run("features", "parity")
    assert (done.code, done.out) == (1, "")
    assert "last_sale.thrice of c: online 90.0 (FOUND, event 2013-01-01 03:00:00+00:00), offline 180.0" in done.err
    assert run("features", "parity", "unseen").code == 3


def test_skew_needs_a_day_that_is_one(world: World, run: Run) -> None:
    assert run("features", "skew", "habit", "--day", "yesterday").code == 2
    CLIENTS("s3").create_bucket(Bucket="predictions", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert run("features", "skew", "habit").code == 3
    log("r-1", {"c": 60.0, "a": 1.0})
    shown = run("features", "skew", "habit")
    assert shown.out.count("last_sale.amount") == 1
    assert "headwater monitor drift habit" in shown.err
    assert run("features", "skew", "habit", "--json").json["features"][0]["share"] == 0.5
