"""What of an entity lies where: in old commits too, compared by type, and nothing that was left out is hidden."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from headwater.features.online.reading import online_key
from headwater.graph import Places
from headwater.lake.service import Lake
from headwater.lineage.forgetting.erasure import UnknownSource
from headwater.lineage.forgetting.matching import Matcher
from headwater.lineage.forgetting.report import Forgetting, InvalidEntity, UnknownColumn, entity_of
from headwater.lineage.service import LineageService
from headwater.registry.service import PRODUCTION
from headwater.serving.store import PredictionStore
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.service import Versions
from tests.unit.lake.world import ARTIFACTS, FEATURES, LAKE, REGISTRY, World, new_world
from tests.unit.lineage.conftest import PREDICTIONS, materialise, record
from tests.unit.lineage.orders import INJECTION, ORDERS, ORDERS_BEFORE, ROWS
from tests.unit.training.products import BUYS, products, visits
from tests.unit.training.runs import land, registered, registry, run

GONE = "erased shop"
"""A shop that the first upload has, and the corrected one doesn't."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A shop that was learnt from and then taken out of the data, and orders under two contracts."""
    with pytest.MonkeyPatch.context() as patches, new_world(patches) as made:
        CLIENTS("s3").create_bucket(
            Bucket=PREDICTIONS, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        CLIENTS("s3").put_bucket_versioning(Bucket=PREDICTIONS, VersioningConfiguration={"Status": "Enabled"})
        theirs = "".join(f"{GONE},2024-01-03T{hour:02d}:30:00,5,1\n" for hour in range(10, 13))
        for number, more in ((1, theirs), (2, "")):
            land(made, products(BUYS), visits(seed=number) + more)
            materialise()
            run(BUYS, f"run-{number}")
            registered(f"run-{number}")
            serving = number - 1 or None
            registry().promote("buys", alias=PRODUCTION, to=number, expected=serving, by="ann")
        store, now = PredictionStore(PREDICTIONS, CLIENTS), datetime.now(UTC)
        for number, (shop, days) in enumerate([(GONE, 0), ("n", 0), (GONE, 30)]):
            request = f"{number}1111111-1111-4111-8111-111111111111"
            kept = record(request, 1, received_at=now - timedelta(days=days))
            kept.predictions[0]["inputs"]["shop"] = shop
            store.write(kept)
        old = Lake(made.catalog(ORDERS_BEFORE), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
        old.ingest(made.upload("landing/orders/old.csv", "name,day\n4711,x\n"))
        new = Lake(made.catalog(ORDERS), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
        new.ingest(made.upload("landing/orders/new.csv", ROWS))
        yield made


def service() -> LineageService:
    places = Places(
        registry_table=REGISTRY,
        lake_bucket=LAKE,
        artifacts_bucket=ARTIFACTS,
        clients=CLIENTS,
        predictions_bucket=PREDICTIONS,
    )
    made = LineageService(places)
    made.catch_up()
    return made


def forget(days: int = 14, **keys: str) -> Forgetting:
    return service().forget(entity_of(keys, {}), features_table=FEATURES, days=days)


def forget_columns(**columns: str) -> Forgetting:
    return service().forget(entity_of({}, {f"orders.{name}": value for name, value in columns.items()}))


def counted(found: Forgetting) -> dict[str, int]:
    kinds = [held.kind for held in found.files]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def rows(found: Forgetting, kind: str) -> list[int | None]:
    return [held.rows for held in found.files if held.kind == kind]


# -- where it lies -----------------------------------------------------------------------------------------------


def test_a_value_is_found_in_old_commits_that_a_correction_replaced(world: World) -> None:
    found = forget(shop=GONE)
    assert counted(found) == {"curated": 1, "landed": 1, "offline rows": 1, "prediction": 1, "training set": 1}
    assert rows(found, "curated") == [3]
    (curated,) = [held for held in found.files if held.kind == "curated"]
    first, second = [
        entry.id for entry in Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("sources/visits").log()
    ][::-1]
    assert (curated.commits, [commit.commit for commit in found.commits]) == (1, [first])
    # Training tagged the commit; main holds the corrected one.
    assert curated.refs == ("tag models/buys/v1",)
    assert second not in [commit.commit for commit in found.commits]
    (landed,) = [held for held in found.files if held.kind == "landed"]
    body = CLIENTS("s3").get_object(Bucket=LAKE, Key=landed.at.key, VersionId=landed.at.version_id)["Body"].read()
    assert GONE in body.decode()


def test_what_was_learnt_from_it_is_named_and_what_serves_is_not_blamed(world: World) -> None:
    found = forget(shop=GONE)
    assert [(each.model, each.version) for each in found.versions] == [("buys", 1)]
    assert len(found.sets) == len(found.views) == 1
    assert found.serving == ()
    both = forget(shop="n")
    assert [each.version for each in both.versions] == [1, 2]
    assert [each.version for each in both.serving] == [2]
    assert "headwater train buys --watch" in both.commands


def test_items_online_are_found_by_the_key_that_the_store_uses(world: World) -> None:
    (item,) = forget(shop=GONE).online
    assert item.key == online_key(("shop",), (GONE,)) == "shop|erased%20shop"
    assert item.views == ("habits",)
    assert item.key in world.online()


def test_days_of_predictions_that_were_not_searched_are_told(world: World) -> None:
    found = forget(shop=GONE)
    assert any("predictions of buys of 1 earlier days" in note for note in found.unsearched)
    assert counted(forget(days=60, shop=GONE))["prediction"] == 2
    assert "prediction" not in counted(forget(days=0, shop=GONE))


def test_the_commands_remove_all_that_was_found(world: World) -> None:
    found = forget(shop=GONE)
    deleting = [shlex.split(command) for command in found.commands if command.startswith("aws s3api delete-object ")]
    named = [dict(pairwise(line)) for line in deleting]
    assert {(each["--bucket"], each["--key"], each["--version-id"]) for each in named} == {
        (held.at.bucket, held.at.key, held.at.version_id) for held in found.files
    }
    (item,) = [shlex.split(command) for command in found.commands if "delete-item" in command]
    assert json.loads(item[item.index("--key") + 1]) == {"pk": {"S": "shop|erased%20shop"}}
    # Nothing was removed: the report is the same again.
    assert forget(shop=GONE).files == found.files


def test_rows_that_main_holds_are_put_right_before_they_are_deleted(world: World) -> None:
    assert forget(shop="n").commands[0] == "headwater upload visits one.csv --wait  # the file without these rows"
    assert not any(command.startswith("headwater upload") for command in forget(shop=GONE).commands)


def test_a_search_that_finds_nothing_says_where_it_looked(world: World) -> None:
    found = forget(shop="never seen")
    assert found.is_empty
    assert (found.files, found.commits, found.versions, found.commands) == ((), (), (), ())
    assert {each.kind: each.objects for each in found.searched}["curated"] == 4


# -- values and types --------------------------------------------------------------------------------------------


def test_rows_are_compared_as_the_columns_type_and_missing_ones_are_nobody(world: World) -> None:
    found = forget_columns(customer="4711")
    assert rows(found, "curated") == [2]
    assert counted(found) == {"curated": 1, "landed": 1}
    # A rejected row lies in quarantine as it landed.
    assert counted(forget_columns(customer="-4711")) == {"landed": 1, "quarantined": 1}


def test_several_columns_name_one_row(world: World) -> None:
    assert rows(forget_columns(customer="4711", day="2024-01-02 00:00:00"), "curated") == [1]
    assert forget_columns(customer="4711", day="2024-01-03 00:00:00").is_empty


def test_text_that_looks_like_sql_is_text(world: World) -> None:
    assert rows(forget_columns(note=INJECTION), "curated") == [1]
    assert forget_columns(note="' OR ''='").is_empty
    assert rows(forget_columns(**{"Odd \"name'; --": "b"}), "curated") == [1]


def test_a_file_of_an_older_definition_without_the_column_is_told(world: World) -> None:
    (note,) = [note for note in forget_columns(customer="4711").unsearched if "without customer" in note]
    assert note == ("sources/orders: 1 file (curated) without customer; their rows can't be told apart by customer")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("A12", "customer is BIGINT, which has no value 'A12'"),
        ("4711.4", "customer is BIGINT, which has no value '4711.4'"),
        ("04711", "customer is BIGINT, which writes '4711', not '04711'"),
        ("99999999999999999999", "which has no value"),
    ],
)
def test_a_value_that_the_type_cannot_be_is_refused_with_a_reason(world: World, value: str, reason: str) -> None:
    with pytest.raises(InvalidEntity) as refused:
        service().forget(entity_of({"customer": value, "day": "2024-01-01 00:00:00"}, {}), features_table=FEATURES)
    assert reason in refused.value.message


def test_a_column_that_nothing_has_is_refused_with_those_there_are(world: World) -> None:
    with pytest.raises(UnknownColumn, match=r"nothing has the columns shops\. There are .*sources/visits: .*shop"):
        forget(shops="n")
    with pytest.raises(UnknownColumn, match=r"nothing has the columns custmer"):
        forget_columns(custmer="4711")
    with pytest.raises(UnknownSource, match=r"'nowhere'; there are orders, visits"):
        service().forget(entity_of({}, {"nowhere.a": "1"}))


@pytest.mark.parametrize(
    ("keys", "columns", "reason"),
    [
        ({}, {}, "not by both and not by none"),
        ({"a": "1"}, {"b.c": "1"}, "not by both"),
        ({"a": ""}, {}, "a missing value is nobody's"),
        ({}, {"c": "1"}, r"expected SOURCE\.COLUMN"),
        ({}, {"a.c": "1", "b.c": "1"}, r"several sources \(a, b\)"),
        ({"a": "\ud800"}, {}, "no text in UTF-8"),
    ],
)
def test_an_entity_that_nobody_could_compare_is_refused(
    keys: dict[str, str], columns: dict[str, str], reason: str
) -> None:
    with pytest.raises(InvalidEntity, match=reason):
        entity_of(keys, columns)


@pytest.mark.parametrize(
    ("kind", "stored", "given", "fits"),
    [
        ("BIGINT", "4711", "4711", True),
        ("BIGINT", "4712", "4711.6", False),
        ("BIGINT", "16", "0x10", False),
        ("BIGINT", "1000", "1e3", False),
        ("DOUBLE", "4711", "4711", True),
        ("DOUBLE", "0.1", "0.1", True),
        ("DOUBLE", "9007199254740992", "9007199254740993", False),
        ("DOUBLE", "'nan'", "nan", False),
        ("DECIMAL(10,2)", "4.5", "4.5", True),
        ("DECIMAL(10,2)", "4.56", "4.555", False),
        ("DATE", "'2024-01-02'", "2024-01-02", True),
        ("DATE", "'2024-01-02'", "2024-1-2", False),
        ("TIMESTAMP", "'2024-01-02 03:04:05'", "2024-01-02 03:04:05", True),
        ("TIMESTAMPTZ", "'2024-01-02 03:04:05+00'", "2024-01-02 03:04:05+00", True),
        ("TIMESTAMP_NS", "'2024-01-02 03:04:05'", "2024-01-02 03:04:05", True),
        ("BOOLEAN", "true", "true", True),
        ("BOOLEAN", "true", "t", False),
        ("UUID", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", True),
        ("VARCHAR", "'04711'", "04711", True),
        ("VARCHAR", "'é'", "é", True),
        ("BLOB", "'abc'", "abc", False),
        ("BIGINT[]", "[4711]", "4711", False),
        ("STRUCT(a BIGINT)", "{'a': 4711}", "4711", False),
    ],
)
def test_a_value_fits_a_type_that_writes_it_just_so(
    tmp_path: Path, kind: str, stored: str, given: str, fits: bool
) -> None:
    path = tmp_path / "rows.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT CAST({stored} AS {kind}) AS v UNION ALL SELECT NULL"
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    matcher = Matcher(tmp_path / "spill", {"v": given})
    found = matcher.match(path)
    matcher.close()
    assert (found.rows, bool(found.unfit)) == ((1, False) if fits else (0, True))


@pytest.mark.parametrize(("given", "rounded"), [("16777216", False), ("16777217", True), ("0.5", False), ("0.1", True)])
def test_a_number_that_training_sets_round_is_told_from_others(tmp_path: Path, given: str, rounded: bool) -> None:
    path = tmp_path / "rows.parquet"
    with duckdb.connect() as connection:
        # As training sets are kept: in float32's precision.
        connection.execute(f"COPY (SELECT CAST(CAST({given} AS FLOAT) AS DOUBLE) AS v) TO '{path}' (FORMAT parquet)")
    matcher = Matcher(tmp_path / "spill", {"v": given})
    found = matcher.match(path)
    matcher.close()
    assert (found.rows, bool(found.single)) == ((0, True) if rounded else (1, False))


def test_a_file_that_is_no_parquet_is_told_and_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 no")
    matcher = Matcher(tmp_path / "spill", {"v": "1"})
    assert matcher.match(path).unreadable
    matcher.close()
