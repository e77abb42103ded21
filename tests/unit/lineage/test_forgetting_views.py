"""Composite join keys, streamed rows, what was deleted before, and the report as a command shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headwater import declare
from headwater.cli import main
from headwater.features.definitions import Definitions
from headwater.features.online.store import OnlineStore
from headwater.features.service import Features
from headwater.features.stream.commits import StreamCommitter
from headwater.features.stream.rows import Streaming
from headwater.graph import Places
from headwater.lake.errors import FileRefused
from headwater.lake.service import Lake
from headwater.lake.store import Arrivals
from headwater.lineage.forgetting import erasure
from headwater.lineage.forgetting.report import Forgetting, InvalidEntity, entity_of
from headwater.lineage.service import LineageService
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.lake.world import ARTIFACTS, FEATURES, LAKE, REGISTRY, World, new_world
from tests.unit.lineage.orders import ORDERS, ROWS

TILLS = declare.FeatureView(
    name="tills",
    entity=("customer", "day"),
    sources=("orders",),
    sql="""
        SELECT customer, CAST(day AS DATE) AS day, day AS event_time, day AS available_time, count(*) AS orders
        FROM orders GROUP BY ALL
    """,
    features=(declare.Feature(name="orders"),),
    ttl="3650d",
)
CATALOG = declare.catalog([declare.Product(sources=(ORDERS,), views=(TILLS,))])


@pytest.fixture
def world() -> Iterator[World]:
    """Orders, a view with a composite key that is online, rows that are streamed to it, and none that are committed."""
    with pytest.MonkeyPatch.context() as patches, new_world(patches) as made:
        lake = Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
        lake.ingest(made.upload("landing/orders/new.csv", ROWS))
        store = OnlineStore(FEATURES, CLIENTS, pause=lambda _: None)
        Features(CATALOG, lake, online=store).materialise("tills")
        Definitions(Table(REGISTRY, CLIENTS)).remember(TILLS, (ORDERS,))
        yield made


def stream(customer: str) -> None:
    now = datetime.now(UTC)
    row = {"customer": customer, "day": "2026-01-01", "event_time": now - timedelta(minutes=1), "orders": 1}
    Streaming(CATALOG, OnlineStore(FEATURES, CLIENTS), Arrivals(LAKE, CLIENTS)).ingest("tills", [row])


def forget(**keys: str) -> Forgetting:
    service = LineageService(
        Places(registry_table=REGISTRY, lake_bucket=LAKE, artifacts_bucket=ARTIFACTS, clients=CLIENTS)
    )
    service.catch_up()
    return service.forget(entity_of(keys, {}), features_table=FEATURES)


def kinds(found: Forgetting) -> list[str]:
    return sorted(held.kind for held in found.files)


def test_a_part_of_a_composite_key_finds_every_entity_online(world: World) -> None:
    found = forget(customer="4711")
    assert [item.key for item in found.online] == ["customer,day|4711|2024-01-01", "customer,day|4711|2024-01-02"]
    assert set(kinds(found)) == {"curated", "landed", "offline rows"}
    assert any("only entities that their rows name" in note for note in found.unsearched)


def test_a_whole_composite_key_is_looked_up_online_by_itself(world: World) -> None:
    # The source has times and the view has days: the value is a day, which no time is written as.
    found = forget(customer="4711", day="2024-01-02")
    assert [item.key for item in found.online] == ["customer,day|4711|2024-01-02"]
    assert [(held.kind, held.rows) for held in found.files] == [("offline rows", 1)]
    assert any(
        note.startswith("sources/orders: day is TIMESTAMP, which writes '2024-01-02 00:00:00', not '2024-01-02'")
        for note in found.unsearched
    )


def test_more_entities_than_are_looked_up_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "MOST_ENTITIES", 1)
    found = forget(customer="4711")
    assert len(found.online) == 1
    assert "online items of tills: more than 1 entities" in found.unsearched


def test_streamed_rows_are_found_before_and_after_their_commit(world: World) -> None:
    stream("9000")
    waiting = forget(customer="9000")
    assert kinds(waiting) == ["arrived"]
    assert [item.key for item in waiting.online] == ["customer,day|9000|2026-01-01"]
    StreamCommitter(
        Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)), Arrivals(LAKE, CLIENTS)
    ).commit("tills")
    committed = forget(customer="9000")
    assert kinds(committed) == ["streamed"]
    assert [commit.dataset for commit in committed.commits] == ["streamed/tills"]
    assert committed.files[0].refs == ("main",)
    assert committed.commands[0].startswith("headwater data checkout streamed/tills FOLDER")


def test_a_file_that_no_commit_holds_any_more_is_found(world: World) -> None:
    (curated,) = [held for held in forget(customer="4711").files if held.kind == "curated"]
    body = CLIENTS("s3").get_object(Bucket=LAKE, Key=curated.at.key, VersionId=curated.at.version_id)["Body"].read()
    lost = CLIENTS("s3").put_object(Bucket=LAKE, Key=f"{curated.at.key}.parquet", Body=body)["VersionId"]
    CLIENTS("s3").delete_object(Bucket=LAKE, Key=f"{curated.at.key}.parquet")
    found = {held.at.version_id: held.commits for held in forget(customer="4711").files if held.kind == "curated"}
    assert found == {curated.at.version_id: 1, lost: 0}


def test_after_the_commands_have_run_nothing_is_left_to_find(world: World) -> None:
    found = forget(customer="4711")
    for held in found.files:
        CLIENTS("s3").delete_object(Bucket=held.at.bucket, Key=held.at.key, VersionId=held.at.version_id)
    for item in found.online:
        CLIENTS("dynamodb").delete_item(TableName=item.table, Key={"pk": {"S": item.key}})
    again = forget(customer="4711")
    assert again.is_empty
    assert {each.kind: each.gone for each in again.searched}["curated"] == 1


def test_landed_files_whose_rows_count_nowhere_are_told(world: World) -> None:
    bad = world.upload("landing/orders/bad.csv", "nobody\n4711\n")
    with pytest.raises(FileRefused):
        Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)).ingest(bad)
    world.upload("landing/orders/waiting.csv", ROWS)
    (note,) = [note for note in forget(customer="4711").unsearched if "landed file versions" in note]
    assert note.startswith("2 landed file versions of orders that were refused or wait, such as landing/orders/bad.csv")


def test_a_value_that_only_a_rejected_row_could_have_is_found_in_quarantine(world: World) -> None:
    Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)).ingest(
        world.upload("landing/orders/odd.csv", ROWS + "A12,2024-01-01,,\n")
    )
    found = forget(customer="A12")
    assert kinds(found) == ["landed", "quarantined"]
    assert any("reasons in the registry" in note for note in found.unsearched)
    with pytest.raises(InvalidEntity, match="customer is BIGINT, which has no value 'A13'"):
        forget(customer="A13")


# -- as a command ------------------------------------------------------------------------------------------------


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path))
    monkeypatch.setenv("HEADWATER_STACK", "dev")
    describe("dev", {**OUTPUTS, "region": "eu-central-1"})
    CLIENTS("s3").create_bucket(
        Bucket="predictions", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )  # fmt: skip


def command(capsys: pytest.CaptureFixture[str], *words: str, verb: str = "forget") -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["lineage", verb, *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_report_fits_a_narrow_terminal(stack: None, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = command(capsys, "--key", "customer=4711")
    assert code == 0
    assert "customer=4711" in out
    assert "sources/orders  curated" in out
    assert "aws dynamodb delete-item --table-name features --key" in out
    code, out, err = command(capsys, "--key", "customer=12345")
    assert code == 0
    assert "nothing was found in" in out
    assert "nothing of customer=12345 was found" in err


def test_the_report_is_json_for_programs(stack: None, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = command(capsys, "--column", "orders.customer=4711", "--json")
    assert code == 0
    report = json.loads(out)
    assert report["entity"] == {"values": {"customer": "4711"}, "source": "orders"}
    assert [held["kind"] for held in report["files"]] == ["curated", "landed"]
    assert all(line.startswith(("headwater ", "aws ")) for line in report["commands"])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--key", "customer"), 2, "expected name=value"),
        (("--key", "customer=1", "--key", "customer=2"), 2, "given twice"),
        ((), 2, "not by both and not by none"),
        (("--column", "customer=1"), 2, "expected SOURCE.COLUMN"),
        (("--column", "nowhere.customer=1"), 3, "nothing was uploaded to a source 'nowhere'"),
        (("--key", "custmer=1"), 3, "nothing has the columns custmer"),
    ],
)
def test_what_names_nobody_is_refused_by_the_command(
    stack: None, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, message: str
) -> None:
    done, out, err = command(capsys, *words)
    assert (done, out) == (code, "")
    assert message in err


def test_a_note_is_written_and_shown_by_commands(stack: None, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = command(capsys, "sources/orders", "tills were [closed]", "--owner", "team-x", verb="annotate")
    assert (code, out) == (0, "")
    assert err.startswith("written down; next: headwater lineage show data:sources/orders@")
    code, out, _ = command(capsys, "sources/orders", verb="show")
    assert code == 0
    assert "tills were [closed]" in out
    assert "team-x" in out
    code, _, err = command(capsys, "sources/orders", verb="annotate")
    assert code == 2
    assert "nothing to write down" in err
    code, _, err = command(capsys, "set:0123", "a note", verb="annotate")
    assert code == 3
    assert "no fact tells of 'set:0123'" in err
