"""A source's definition changes: files of the older one are made again before anyone reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from headwater.lake.errors import FileRefused, NoData, OlderDefinition, ReingestBlocked, UnknownSource
from headwater.lake.service import Lake
from headwater.lake.types import ReingestOrder, ReingestStatus
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.definitions import DOUBLED, OLD, ORDER, STRICT, commits, held, levels, uploaded
from tests.unit.lake.world import HEADER, LAKE, REGISTRY, World


def test_files_of_an_older_definition_are_not_read_alone(world: World) -> None:
    uploaded(world, "a")
    with pytest.raises(OlderDefinition, match="1 of its files were made under an older one") as caught:
        world.lake(DOUBLED).pin(["readings"])
    assert caught.value.next_steps[0] == "headwater source reingest readings --wait"


def test_files_of_an_older_definition_are_not_read_beside_newer_ones(world: World) -> None:
    uploaded(world, "a", "b")
    uploaded(world, "c", source=DOUBLED)
    for reader in (world.lake(DOUBLED), world.lake(OLD)):
        with pytest.raises(OlderDefinition, match="beside"):
            reader.pin(["readings"])
    # Who doesn't know what is declared now sees that they differ.
    with pytest.raises(OlderDefinition):
        Lake(world.catalog(OLD), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS), deployed=False).pin(["readings"])
    with pytest.raises(OlderDefinition):
        world.lake(DOUBLED).at(["readings"], "main@{2999-01-01}")


def test_one_commit_makes_every_file_again(world: World) -> None:
    uploads = uploaded(world, "a", "b")
    before = world.lake().pin(["readings"])
    lake = world.lake(DOUBLED)
    known = len(commits(lake))
    done = lake.reingest(ORDER, "run-1")
    assert done is not None
    assert (done.status, done.files, done.rows_before, done.rows_after) == (ReingestStatus.SWITCHED, 2, 2, 2)
    assert len(commits(lake)) == known + 1
    assert commits(lake)[0] == done.commit
    assert levels(lake) == {"a": 2, "b": 2}
    assert lake.ingestion_log.reingestion("readings", "run-1") == done
    meta = lake.versions.dataset("sources/readings").commit_of().commit.meta
    assert (meta["definition"], meta["reingestion"]) == (done.definition, "run-1")
    # What was pinned before is what it was, by name and by id.
    with lake.tables(before) as tables:
        assert tables.execute("SELECT sensor, level, ok FROM readings ORDER BY 1").fetchall() == [
            ("a", 1, True), ("b", 1, True)
        ]  # fmt: skip
    assert lake.at(["readings"], before.ids["readings"]).ids == before.ids
    # A second time there is nothing to do, and the events of the uploads change nothing.
    again = lake.reingest(ORDER, "run-2")
    assert again is not None
    assert again.status is ReingestStatus.NOTHING
    for upload in uploads:
        lake.ingest(upload)
    assert commits(lake)[0] == done.commit


def test_a_description_changes_nothing_and_every_other_field_does(world: World) -> None:
    uploaded(world, "a")
    assert world.lake(OLD.model_copy(update={"description": "in words"})).pin(["readings"])
    changes: list[dict[str, Any]] = [
        {"keys": ()}, {"missing": ("", "NA")}, {"sql": "SELECT * FROM landed WHERE ok"}, {"event_time": "note"},
        {"available_time": "note"}, {"max_rejected": 0.5}, {"contract": "tests.unit.lake.test_definitions:OTHER"},
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(OlderDefinition):
            world.lake(OLD.model_copy(update=change)).pin(["readings"])


def test_an_upload_after_a_change_makes_few_small_files_again(world: World) -> None:
    uploaded(world, "a", "b")
    (upload,) = uploaded(world, "c", source=DOUBLED)
    lake = world.lake(DOUBLED)
    done = lake.catch_up("readings", upload.id)
    assert done is not None
    assert (done.files, levels(lake)) == (2, {"a": 2, "b": 2, "c": 2})
    assert lake.catch_up("readings", upload.id) is None


def test_what_is_too_much_for_a_function_is_left_to_the_container(world: World) -> None:
    uploads = uploaded(world, "a")
    # The registry's word for the size counts; the file needn't be that large.
    large = uploads[0].model_copy(update={"size": 10**9, "version_id": uploads[0].version_id})
    lake = world.lake(DOUBLED)
    known = lake.ingestion_log.ingestion(uploads[0])
    assert known is not None
    item = {
        "pk": {"S": "SOURCE#readings"},
        "sk": {"S": f"INGESTION#{large.version_id}#a.csv"},
        "document": {"S": known.model_copy(update={"upload": large}).model_dump_json()},
    }
    CLIENTS("dynamodb").put_item(TableName=REGISTRY, Item=item)
    assert lake.catch_up("readings", "run") is None
    assert lake.reingest(ORDER, "run", small=True) is None
    with pytest.raises(OlderDefinition):
        lake.pin(["readings"])
    assert lake.reingest(ORDER, "run") is not None
    assert levels(lake) == {"a": 2}


def test_a_dry_run_tells_and_changes_nothing(world: World) -> None:
    uploads = uploaded(world, "a", "b")
    CLIENTS("s3").delete_object(Bucket=LAKE, Key=uploads[0].key, VersionId=uploads[0].version_id)
    lake = world.lake(DOUBLED)
    before = (commits(lake), world.keys(prefix="curated/"))
    done = lake.reingest(ORDER.model_copy(update={"dry_run": True}), "run")
    assert done is not None
    assert (done.status, done.files, done.older, done.lost) == (ReingestStatus.PLANNED, 2, 2, 1)
    assert [(note.file, note.note) for note in done.gone] == [("a.csv", "what landed was deleted")]
    assert (commits(lake), world.keys(prefix="curated/")) == before


def test_a_file_that_the_new_definition_refuses_stops_the_switch_by_name(world: World) -> None:
    uploaded(world, "a")
    body = HEADER + "b,1,,true\nc,2,,true\nd,3,,true\ne,4,,true\nf,500,,true\n"
    world.lake().ingest(world.upload("landing/readings/odd.csv", body))
    lake = world.lake(STRICT)
    before = commits(lake)
    with pytest.raises(ReingestBlocked, match=r"1 of 2 files can't be made again: odd\.csv: .*1 of 5 rows") as caught:
        lake.reingest(ORDER, "run")
    assert "--drop" in caught.value.next_steps[-1]
    assert commits(lake) == before
    known = lake.ingestion_log.reingestion("readings", "run")
    assert known is not None
    assert (known.status, known.lost, known.refused[0].file) == (ReingestStatus.BLOCKED, 1, "odd.csv")
    done = lake.reingest(ORDER.model_copy(update={"drop": True, "by": "ann"}), "run-2")
    assert done is not None
    assert (done.status, done.rows_before, done.rows_after, done.lost) == (ReingestStatus.SWITCHED, 5, 1, 1)
    assert levels(lake) == {"a": 1}


def test_a_file_whose_landed_version_was_deleted_stops_the_switch_by_name(world: World) -> None:
    uploads = uploaded(world, "a", "b")
    CLIENTS("s3").delete_object(Bucket=LAKE, Key=uploads[1].key, VersionId=uploads[1].version_id)
    lake = world.lake(DOUBLED)
    with pytest.raises(ReingestBlocked, match=r"b\.csv: what landed was deleted: s3://lake/landing/readings/b\.csv"):
        lake.reingest(ORDER, "run")
    # A delete marker alone takes nothing away.
    CLIENTS("s3").delete_object(Bucket=LAKE, Key=uploads[0].key)
    assert lake.reingest(ORDER.model_copy(update={"drop": True}), "run") is not None
    assert levels(lake) == {"a": 2}


def test_a_refused_file_counts_once_a_new_definition_takes_it(world: World) -> None:
    uploaded(world, "a")
    lake = world.lake(STRICT)
    lake.reingest(ORDER, "run-1")
    with pytest.raises(FileRefused):
        lake.ingest(world.upload("landing/readings/a.csv", HEADER + "a,7,,true\nb,500,,true\n"))
    late = world.upload("landing/readings/new.csv", HEADER + "c,3,,true\nd,500,,true\n")
    with pytest.raises(FileRefused):
        lake.ingest(late)
    assert levels(lake) == {"a": 1}
    lenient = world.lake(OLD.model_copy(update={"max_rejected": 0.5}))
    done = lenient.reingest(ORDER, "run-2")
    assert done is not None
    assert done.files == 2
    assert levels(lenient) == {"a": 7, "c": 3}
    known = lenient.ingestion_log.ingestion(late)
    assert known is not None
    assert (known.status.value, known.commit) == ("INGESTED", done.commit)
    assert lenient.ingest(late) == known


def test_a_correction_still_wins_after_files_were_made_again(world: World) -> None:
    first = world.upload("landing/readings/a.csv", HEADER + "x,1,,true\n")
    second = world.upload("landing/readings/b.csv", HEADER + "x,2,,true\n")
    old = world.lake()
    # The later file is ingested first: what counts is when they landed.
    old.ingest(second)
    old.ingest(first)
    before = levels(old)
    keyed = OLD.model_copy(update={"missing": ("", "NA")})
    lake = world.lake(keyed)
    lake.reingest(ORDER, "run")
    assert levels(lake) == before


def test_files_of_before_definitions_were_recorded_are_read_after_an_upgrade(world: World) -> None:
    uploaded(world, "a")
    _forget_definition(world)
    # Nothing was recorded: nothing is known to differ.
    assert levels(world.lake(DOUBLED)) == {"a": 1}
    uploaded(world, "b")
    assert levels(world.lake()) == {"a": 1, "b": 1}
    # From the first one that was recorded on, a change is a change for them too.
    with pytest.raises(OlderDefinition, match="2 of its files"):
        world.lake(DOUBLED).pin(["readings"])
    uploaded(world, "b", source=DOUBLED)
    with pytest.raises(OlderDefinition, match="1 of its files"):
        world.lake(DOUBLED).pin(["readings"])
    lake = world.lake(DOUBLED)
    lake.reingest(ORDER, "run")
    assert levels(lake) == {"a": 2, "b": 2}


def _forget_definition(world: World) -> None:
    """Make the stack look as one of before definitions were recorded."""
    lake = world.lake()
    dataset = lake.versions.dataset("sources/readings")
    for entry in held(lake):
        body = CLIENTS("s3").get_object(Bucket=LAKE, Key=entry.key, VersionId=entry.version_id)
        key = f"curated/readings/{entry.path}"
        put = CLIENTS("s3").put_object(
            Bucket=LAKE, Key=key, Body=body["Body"].read(), Metadata=body["Metadata"], ChecksumAlgorithm="SHA256"
        )
        made = dataset.pin("s3://lake/curated/readings/", entry.path, put["VersionId"])
        dataset.commit("as it was", edits=[(entry.path, made)])
        for known in lake.ingestion_log.ingestions("readings"):
            assert known.curated is not None
            curated = known.curated.model_copy(update={"key": key, "version_id": put["VersionId"]})
            CLIENTS("dynamodb").put_item(
                TableName=REGISTRY,
                Item={
                    "pk": {"S": "SOURCE#readings"},
                    "sk": {"S": f"INGESTION#{known.upload.version_id}#{known.file}"},
                    "settled": {"N": "1"},
                    "document": {
                        "S": known.model_copy(update={"curated": curated, "definition": ""}).model_dump_json()
                    },
                },
            )
    for item in CLIENTS("dynamodb").scan(TableName=REGISTRY)["Items"]:
        if "DEFINITION" in item["sk"]["S"]:
            CLIENTS("dynamodb").delete_item(TableName=REGISTRY, Key={"pk": item["pk"], "sk": item["sk"]})


def test_what_a_person_committed_is_left_alone(world: World) -> None:
    uploaded(world, "a")
    lake = world.lake(DOUBLED)
    dataset = lake.versions.dataset("sources/readings")
    body = CLIENTS("s3").get_object(Bucket=LAKE, Key=held(lake)[0].key)["Body"].read()
    put = CLIENTS("s3").put_object(Bucket=LAKE, Key="elsewhere/mine.parquet", Body=body, ChecksumAlgorithm="SHA256")
    mine = dataset.pin("s3://lake/elsewhere/", "mine.parquet", put["VersionId"])
    dataset.commit("by hand", edits=[("mine.parquet", mine)])
    done = lake.reingest(ORDER, "run")
    assert done is not None
    assert done.files == 1
    assert mine in held(lake)
    assert lake.pin(["readings"])


def test_a_source_that_is_not_declared_is_told_with_those_that_are(world: World) -> None:
    with pytest.raises(UnknownSource, match=r"no source 'sales'\. Declared: readings"):
        world.lake().reingest(ReingestOrder(source="sales"), "run")
    done = world.lake().reingest(ORDER, "run")
    assert done is not None
    assert done.status is ReingestStatus.NOTHING
    with pytest.raises(NoData):
        world.lake().pin(["readings"])


def test_since_leaves_older_files_and_says_how_many(world: World) -> None:
    uploads = uploaded(world, "a", "b")
    lake = world.lake(DOUBLED)
    known = lake.ingestion_log.ingestion(uploads[1])
    assert known is not None
    done = lake.reingest(ORDER.model_copy(update={"since": known.at}), "run")
    assert done is not None
    assert (done.files, done.older) == (1, 1)
    done = lake.reingest(ORDER.model_copy(update={"since": datetime(2999, 1, 1, tzinfo=UTC)}), "run")
    assert done is not None
    assert (done.files, done.older) == (0, 1)


def test_back_to_the_older_definition_and_forth_again(world: World) -> None:
    uploaded(world, "a")
    for source, level in ((DOUBLED, 2), (OLD, 1), (DOUBLED, 2)):
        lake = world.lake(source)
        done = lake.reingest(ORDER, "run")
        assert done is not None
        assert done.status is ReingestStatus.SWITCHED
        assert levels(lake) == {"a": level}


def test_more_files_than_a_function_makes_again_are_one_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.lake.reingesting.SMALL_FILES", 6)
    uploaded(world, *[f"s{number}" for number in range(7)])
    new = world.lake(DOUBLED)
    assert new.catch_up("readings", "run") is None
    before = len(commits(new))
    done = new.reingest(ORDER, "run")
    assert done is not None
    assert (done.files, len(commits(new)) - before) == (7, 1)
    assert set(levels(new).values()) == {2}
