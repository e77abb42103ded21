"""`headwater features`: what there is, where it comes from, who uses it and what changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from headwater.aws import client
from headwater.features.statistics import statistics_key
from tests.unit.cli.conftest import Run
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.features.shop import FIRST, SECOND, features, fill, land
from tests.unit.lake.world import ARTIFACTS, World, new_world
from tests.unit.serving.test_skew import log


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[World]:
    with new_world(monkeypatch) as made:
        fill(made)
        monkeypatch.setenv("HEADWATER_STACK", "dev")
        yield made


def test_a_list_tells_each_view_s_entity_owner_definition_and_whether_it_is_fresh(world: World, run: Run) -> None:
    last_sale, unseen = run("features", "list", "--json").json
    assert (last_sale["view"], last_sale["entity"], last_sale["owner"]) == ("last_sale", ["shop"], "shops")
    assert (last_sale["features"], last_sale["version"]) == (["amount", "thrice"], SECOND.version)
    assert (last_sale["materialised_at"], last_sale["newest_event"]) == ("2013-01-01T09:30:00Z", "2013-01-01T05:00:00Z")
    # More than a decade has passed since, and the view declares half a day.
    assert (last_sale["state"], last_sale["ttl"]) == ("LATE", "PT8H")
    assert (unseen["view"], unseen["version"], unseen["state"]) == ("unseen", None, "NEVER")
    shown = run("features", "list").out
    assert "8 h" in shown
    assert "LATE" in shown
    land(world, "1.csv")
    assert run("features", "list", "--json").json[0]["state"] == "BEHIND"


def test_a_view_is_shown_with_its_sql_its_definitions_and_who_uses_which(world: World, run: Run) -> None:
    details = run("features", "show", "last_sale", "--json").json
    assert details["definition"]["view"]["sql"] == SECOND.sql
    assert [entry["version"] for entry in details["versions"]] == [FIRST.version, SECOND.version]
    assert [entry["materialisations"] for entry in details["versions"]] == [1, 1]
    (use,) = details["uses"]
    assert (use["model"], use["version"], use["aliases"]) == ("habit", 1, ["production"])
    assert (use["view_version"], use["features"]) == (FIRST.version, ["amount"])
    shown = run("features", "show", "last_sale")
    assert shown.err == ""
    for words in ("amount * 3 AS thrice", "Money taken, in euros", f"{SECOND.version} (now)", "habit version 1"):
        assert words in shown.out


def test_lineage_goes_up_to_contracts_and_down_to_model_versions(world: World, run: Run) -> None:
    found = run("features", "lineage", "last_sale", "--json").json
    (source,) = found["sources"]
    assert (source["source"], source["contract"]) == ("sales", "tests.unit.features.test_materialise:ROWS")
    assert source["commit"] == source["materialised"]
    assert source["behind"] is False
    assert [use["model"] for use in found["uses"]] == ["habit"]
    assert run("features", "lineage", "last_sale.thrice", "--json").json["uses"] == []
    assert "is used by no model version" in run("features", "lineage", "last_sale.thrice").out
    tree = run("features", "lineage", "last_sale.amount").out
    assert f"version 1 (production) READY, definition {FIRST.version} (an older definition)" in tree
    assert "contract tests.unit.features.test_materialise:ROWS" in tree


def test_a_model_version_whose_files_are_gone_hides_no_other(world: World, run: Run) -> None:
    key = "runs/habit/run-1/package.json"
    for entry in client("s3").list_object_versions(Bucket=ARTIFACTS, Prefix=key)["Versions"]:
        client("s3").delete_object(Bucket=ARTIFACTS, Key=key, VersionId=entry["VersionId"])
    assert run("features", "lineage", "last_sale", "--json").json["uses"] == []


def test_statistics_are_those_of_the_last_materialisation_or_of_the_one_that_is_named(world: World, run: Run) -> None:
    now = run("features", "stats", "last_sale", "--json").json
    assert now["statistics"]["rows"] == 5
    amount = now["statistics"]["features"]["amount"]
    assert (amount["missing"], amount["quantiles"][0], amount["quantiles"][-1]) == (pytest.approx(0.2), 1, 60)
    assert sum(amount["histogram"]) == 4
    before = run("features", "stats", "last_sale", FIRST.version[:6], "--json").json
    assert (before["statistics"]["rows"], before["materialisation"]["version"]) == (2, FIRST.version)
    named = run("features", "stats", "last_sale", before["materialisation"]["data_version"][:8], "--json").json
    assert named == before
    shown = run("features", "stats", "last_sale").out
    assert "20.0%" in shown
    assert "█" in shown
    data = now["materialisation"]["data_version"]
    client("s3").delete_object(Bucket="lake", Key=statistics_key("last_sale", SECOND.version, data))
    assert "no statistics were kept" in run("features", "stats", "last_sale").err


def test_a_diff_tells_what_changed_in_the_definition_and_in_the_values(world: World, run: Run) -> None:
    found = run("features", "diff", "last_sale", "--json").json
    changes = {change["field"]: (change["before"], change["after"]) for change in found["definition"]}
    assert changes["ttl"] == ("PT6H", "PT8H")
    assert changes["features.amount.minimum"] == (None, 0)
    assert changes["features.twice"][1] is None
    assert any(line.startswith("+") and "amount * 3 AS thrice" in line for line in found["sql"])
    amount = next(change for change in found["features"] if change["feature"] == "amount")
    assert amount["before"]["mean"] == 1.5
    assert amount["after"]["mean"] == pytest.approx(23.25)
    assert amount["shift"] == pytest.approx((23.25 - 1.5) / 0.5**0.5)
    shown = run("features", "diff", "last_sale", FIRST.version).out
    assert "ttl: PT6H -> PT8H" in shown
    assert "+30.76" in shown
    same = run("features", "diff", "last_sale", SECOND.version, SECOND.version)
    assert "the definition is the same" in same.err


def test_two_data_versions_of_one_definition_are_compared_too(world: World, run: Run) -> None:
    land(world, "1.csv")
    world_now = datetime(2013, 1, 2, tzinfo=UTC)
    features(now=world_now).materialise("last_sale")
    found = run("features", "diff", "last_sale", "--json").json
    assert (found["definition"], found["sql"]) == ([], [])
    assert found["before"]["version"] == found["after"]["version"] == SECOND.version
    assert found["before"]["materialisation"]["data_version"] != found["after"]["materialisation"]["data_version"]


def test_a_search_ranks_names_before_words_and_suggests_what_is_near(world: World, run: Run) -> None:
    def names(*words: str) -> list[str]:
        return [hit["name"] for hit in run("features", "search", *words, "--json").json["hits"]]

    assert names("amount") == ["last_sale.amount"]
    assert names("SHOPS") == ["last_sale"]
    assert names("shop", "money") == ["last_sale.amount", "last_sale"]
    assert names("last_sale", "thrice")[0] == "last_sale.thrice"
    missed = run("features", "search", "amuont")
    assert (missed.code, missed.out) == (0, "")
    assert "did you mean amount?" in missed.err
    assert "Money taken" in run("features", "search", "euro").out


def test_what_does_not_exist_is_not_found_and_near_names_are_told(world: World, run: Run) -> None:
    for arguments, words in (
        (("show", "last_sales"), "no feature view 'last_sales' was materialised here; did you mean 'last_sale'?"),
        (("show", "unseen"), "declared, but was never materialised"),
        (("lineage", "last_sale.amont"), "no feature 'amont'; did you mean amount?"),
        (("stats", "last_sale", "beef"), "no version begins with 'beef'"),
        (("stats", "last_sale", "b"), "at least 4 digits"),
        (("diff", "last_sale", "beef"), "no version begins with 'beef'"),
    ):
        done = run("features", *arguments)
        assert (done.code, done.out) == (3, "")
        assert words in done.err
        assert run("features", *arguments, "--json").json["status"] == "failed"


def test_one_materialisation_has_nothing_to_be_compared_with(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_world(monkeypatch) as empty:
        describe("dev", OUTPUTS)
        monkeypatch.setenv("HEADWATER_STACK", "dev")
        nothing = run("features", "list")
        assert (nothing.code, nothing.out) == (0, "")
        assert "no product declares a feature view" in nothing.err
        land(empty, "1.csv")
        features(FIRST).materialise("last_sale")
        alone = run("features", "diff", "last_sale")
        assert alone.code == 3
        assert "has one materialisation, and two are compared" in alone.err


def test_parity_is_told_and_a_difference_fails_with_both_values(world: World, run: Run) -> None:
    (view,) = run("features", "parity", "--json").json
    assert (view["view"], view["sampled"], view["equal"], view["different"]) == ("last_sale", 3, 3, 0)
    assert SECOND.version in run("features", "parity", "last_sale").out
    key = next(key for key in world.online() if key.endswith("c"))
    client("dynamodb").delete_item(TableName="features", Key={"pk": {"S": key}})
    done = run("features", "parity")
    assert (done.code, done.out) == (1, "")
    assert "last_sale.thrice of c: online missing (MISSING, event None), offline 180.0" in done.err
    assert run("features", "parity", "unseen").code == 3


def test_skew_needs_a_day_that_is_one(world: World, run: Run) -> None:
    assert run("features", "skew", "habit", "--day", "yesterday").code == 2
    client("s3").create_bucket(Bucket="predictions", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert run("features", "skew", "habit").code == 3
    log("r-1", {"c": 60.0, "a": 1.0})
    assert "last_sale.amount" in run("features", "skew", "habit").out
    assert run("features", "skew", "habit", "--json").json["features"][0]["share"] == 0.5
