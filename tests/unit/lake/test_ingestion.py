"""From an upload to curated rows, quarantine, or a refusal."""

# ruff: noqa: S608 - the values are written in the tests
from __future__ import annotations

import gzip
from dataclasses import replace
from itertools import count, permutations
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.declare import Source
from headwater.lake.errors import FileRefused, NoData, SourceFailed
from headwater.lake.service import Lake
from headwater.lake.types import IngestionStatus, Upload
from headwater.registry.errors import RegistryBusy
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.errors import VersionGone
from headwater.versions.hooks import Proposal
from headwater.versions.refs import Ref, Refs
from headwater.versions.types import Entry, Kind
from tests.unit.lake.world import HEADER, LAKE, READINGS_SOURCE, REGISTRY, World

GOOD = HEADER + "a,1,,true\nb,2,x,false\nc,3,,1\nd,4,,no\n"


class Dead(BaseException):
    """The process is gone."""


def levels(lake: Lake) -> dict[str, int]:
    with lake.tables(lake.pin(["readings"])) as tables:
        return dict(tables.execute("SELECT sensor, level FROM readings ORDER BY ALL").fetchall())


def committed(lake: Lake) -> list[Entry]:
    return list(lake.versions.dataset("sources/readings").files())


def refusal(lake: Lake, upload: Upload) -> str:
    with pytest.raises(FileRefused) as caught:
        lake.ingest(upload)
    known = lake.ingestion_log.ingestion(upload)
    assert known is not None
    assert known.status is IngestionStatus.REFUSED
    assert known.reasons[0] == caught.value.message
    return caught.value.message


def test_good_rows_become_typed_parquet(world: World) -> None:
    done = world.lake().ingest(world.upload("landing/readings/one.csv", GOOD))
    assert (done.status, done.rows_in, done.rows_out, done.settled) == (IngestionStatus.INGESTED, 4, 4, True)
    assert done.curated is not None
    assert done.curated.key == f"curated/readings@{done.definition}/one.csv.parquet"
    assert world.rows(done.curated)[:2] == [
        {"sensor": "a", "level": 1, "note": None, "ok": True},
        {"sensor": "b", "level": 2, "note": "x", "ok": False},
    ]
    assert done.quarantine is None


def test_bad_rows_go_to_quarantine_with_numbers_and_reasons_and_the_rest_counts(world: World) -> None:
    body = (
        HEADER + "".join(f"s{n},{n},,true\n" for n in range(12)) + "x,101,,true\ny,many,,true\nz,3,,maybe\n,5,,true\n"
    )
    done = world.lake().ingest(world.upload("landing/readings/one.csv", body))
    assert (done.rows_in, done.rows_out, done.rows_rejected) == (16, 12, 4)
    assert done.quarantine is not None
    assert done.quarantine.key == f"quarantine/readings/one/{done.upload.version_id}.parquet"
    rejected = {row["row_number"]: (row["reasons"], row["level"]) for row in world.rows(done.quarantine)}
    assert rejected == {
        13: (["level: expected in_range(0, 100), not 101"], "101"),
        14: (["level: expected int64, not 'many'"], "many"),
        15: (["ok: expected true or false, not 'maybe'"], "3"),
        16: (["sensor is missing"], "5"),
    }


def test_a_line_that_is_no_row_is_quarantined_and_later_rows_keep_their_numbers(world: World) -> None:
    body = (
        HEADER
        + 'a,1,"two\nlines",true\nshort,1\nb,2,,true,too,long\nc,300,,true\n'
        + "".join(f"s{n},1,,true\n" for n in range(12))
    )
    done = world.lake().ingest(world.upload("landing/readings/one.csv", body))
    assert done.quarantine is not None
    rows = {row["row_number"]: row for row in world.rows(done.quarantine)}
    assert sorted(rows) == [2, 3, 4]
    assert (rows[2]["line"], rows[4]["level"], rows[4]["line"]) == ("short,1", "300", None)


def test_the_first_row_of_a_key_is_kept_and_repeats_are_no_rejections(world: World) -> None:
    done = world.lake().ingest(world.upload("landing/readings/one.csv", GOOD + "a,9,,true\na,8,,true\nb,7,,true\n"))
    assert (done.rows_out, done.rows_repeated, done.rows_rejected) == (4, 3, 0)
    assert levels(world.lake())["a"] == 1
    assert done.quarantine is not None
    assert [row["reasons"] for row in world.rows(done.quarantine)] == [
        ["same sensor as row 1"], ["same sensor as row 1"], ["same sensor as row 2"]
    ]  # fmt: skip


def test_more_bad_rows_than_the_limit_refuse_the_file_whole(world: World) -> None:
    body = HEADER + "a,1,,true\nb,102,,true\nc,103,,true\nd,104,,true\ne,105,,true\n"
    lake, upload = world.lake(), world.upload("landing/readings/one.csv", body)
    message = refusal(lake, upload)
    assert message == (
        "source 'readings': one.csv: 4 of 5 rows rejected (limit 25%): level: expected in_range(0, 100) in rows "
        f"2, 3, 4 … -> quarantine/readings/one/{upload.version_id}.parquet"
    )
    assert world.keys(prefix="curated/") == []
    with pytest.raises(NoData, match="no data for source 'readings'"):
        lake.pin(["readings"])


def test_a_refusal_counts_the_broken_rules_that_it_does_not_name(world: World) -> None:
    body = HEADER + "a,102,,true\nb,x,,true\nc,3,,perhaps\n,4,,true\ne,5\nf,6,,true,more\n"
    message = refusal(world.lake(), world.upload("landing/readings/one.csv", body))
    assert "; level: expected int64 in row 2; and 2 more rules -> quarantine/" in message


@pytest.mark.parametrize(
    ("key", "body", "words"),
    [
        ("landing/unheard/one.csv", GOOD, "unknown source. Declared: readings"),
        ("landing/one.csv", GOOD, "must be landing/<source>/<file>"),
        ("landing/readings/one.csv", "sensor,level\na,1\n", "missing columns: note, ok. The file has: sensor, level"),
        ("landing/readings/one.csv", b"", "the file is empty"),
        ("landing/readings/one.csv", HEADER, "the file has no rows"),
        ("landing/readings/one.csv", "\n\n", "names no columns"),
        ("landing/readings/one.csv", "a,a\n1,2\n", "columns named more than once: a"),
        ("landing/readings/one.csv", b"\xff\xfe\x00\x01", "its byte order mark says utf-16: declare encoding='utf-16'"),
        ("landing/readings/one.csv.gz", b"not gzip", "can't be read as csv"),
        ("landing/readings/one.parquet", b"PAR1 it says", "can't be read as parquet"),
        ("landing/readings/one.jsonl", "{broken\n", "can't be read as jsonl"),
        ("landing/readings/one.json", '[{"level": 1}, {"level": 2}]', "expected one object a line"),
        ("landing/readings/one.xlsx", b"PK", "can't tell from the name 'one.xlsx'"),
        ("landing/readings/" + "x" * 900 + ".csv", GOOD, "longer than 800 bytes"),
    ],
)
def test_what_cannot_be_ingested_is_refused_with_a_clear_error(
    world: World, key: str, body: bytes | str, words: str
) -> None:
    said = refusal(world.lake(), world.upload(key, body))
    assert words in said
    assert "SELECT" not in said, "a user's file is at fault, not our SQL"
    assert world.keys(prefix="curated/") == []


@pytest.mark.parametrize("name", ["a b+c%20d.csv", "Zürich 😀.csv", "..csv", "2013/01/part #1?.csv", 'it\'s "odd".csv'])
def test_odd_names_are_ingested_under_their_own_name(world: World, name: str) -> None:
    lake = world.lake()
    done = lake.ingest(world.upload(f"landing/readings/{name}", GOOD))
    assert done.rows_out == 4
    assert [entry.path for entry in committed(lake)] == [f"{name}.parquet"]
    assert levels(lake)["d"] == 4


def test_all_formats_give_the_same_rows(world: World, tmp_path: Path) -> None:
    parquet = tmp_path / "x.parquet"
    duckdb.sql(
        "FROM (VALUES ('a', 1, NULL, true), ('b', 2, 'x', false), ('c', 3, NULL, true), ('d', 4, NULL, false)) "
        "AS t(sensor, level, note, ok)"
    ).write_parquet(str(parquet))
    lines = '{"sensor":"a","level":1,"ok":true}\n{"sensor":"b","level":2,"note":"x","ok":false}\n' + (
        '{"sensor":"c","level":3,"ok":true}\n{"sensor":"d","level":4,"ok":false}\n'
    )
    files: dict[str, Any] = {
        "x.csv": GOOD,
        "x.tsv": GOOD.replace(",", "\t"),
        "x.csv.gz": gzip.compress(b"\xef\xbb\xbf" + GOOD.encode()),
        "crlf.csv": GOOD.replace("\n", "\r\n"),
        "x.parquet": parquet.read_bytes(),
        "x.jsonl": lines,
        "x.ndjson.gz": gzip.compress(lines.encode()),
    }
    found = {}
    for name, body in files.items():
        done = world.lake().ingest(world.upload(f"landing/readings/{name}", body))
        assert done.curated is not None
        found[name] = world.rows(done.curated)
    assert all(rows == found["x.csv"] for rows in found.values()), found


def test_a_float_that_is_no_whole_number_is_not_cut_off_silently(world: World, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    rows = ", ".join(f"('s{n}', {n}.0, 'n', true)" for n in range(7))
    duckdb.sql(f"SELECT * FROM (VALUES {rows}, ('bad', 2.5, 'n', true)) AS t(sensor, level, note, ok)").write_parquet(
        str(path)
    )
    done = world.lake().ingest(world.upload("landing/readings/x.parquet", path.read_bytes()))
    assert (done.rows_out, done.reasons) == (7, ("level: expected a whole number in row 8",))


def test_a_file_that_comes_twice_is_ingested_once(world: World) -> None:
    lake, upload = world.lake(), world.upload("landing/readings/one.csv", GOOD)
    first = lake.ingest(upload)
    assert lake.ingest(upload) == first
    versions = CLIENTS("s3").list_object_versions(Bucket=LAKE, Prefix="curated/")["Versions"]
    assert len(versions) == 1


def test_what_is_pinned_together_was_so_at_one_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = world.lake()
    lake.ingest(world.upload("landing/readings/one.csv", GOOD))
    before, plain, numbers = lake.pin(["readings"]), Refs.get, count()

    def get(refs: Refs, kind: Kind, name: str) -> Ref | None:
        found = plain(refs, kind, name)
        if next(numbers) == 0:
            # After the source's branch was read and before that of the streamed rows.
            lake.ingest(world.upload("landing/readings/one.csv", GOOD.replace("a,1", "a,50")))
        return found

    monkeypatch.setattr(Refs, "get", get)
    assert lake.pin(["readings"], ["any"]).revision > before.revision

    def moving(refs: Refs, kind: Kind, name: str) -> Ref | None:
        found = plain(refs, kind, name)
        return found and replace(found, sequence=next(numbers))

    monkeypatch.setattr(Refs, "get", moving)
    with pytest.raises(RegistryBusy, match="branches moved 20 times while they were read; run it again"):
        lake.pin(["readings"], ["any"])


def test_a_corrected_file_replaces_the_first_and_a_refused_correction_does_not(world: World) -> None:
    lake = world.lake()
    lake.ingest(world.upload("landing/readings/one.csv", GOOD))
    before = lake.pin(["readings"])
    lake.ingest(world.upload("landing/readings/one.csv", GOOD.replace("a,1", "a,50")))
    after = lake.pin(["readings"])
    assert levels(lake)["a"] == 50
    assert after.revision > before.revision
    assert after.id != before.id
    refusal(lake, world.upload("landing/readings/one.csv", "nonsense\n1\n"))
    assert lake.pin(["readings"]) == after
    with lake.tables(before) as tables:
        assert tables.execute("SELECT level FROM readings WHERE sensor = 'a'").fetchall() == [(1,)]


def test_events_in_any_order_and_twice_end_with_the_version_that_s3_made_last(world: World) -> None:
    uploads = [
        world.upload("landing/readings/one.csv", GOOD.replace("a,1", f"a,{level}"), sequencer=sequencer)
        for level, sequencer in ((10, "00A1"), (20, "00A1F"), (30, "00B"))
    ]
    for number, order in enumerate(permutations([*uploads, uploads[0]])):
        if number % 5:
            continue
        table = f"registry-{number}"
        CLIENTS("dynamodb").create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        lake = Lake(world.catalog(READINGS_SOURCE), CLIENTS, bucket=LAKE, table=Table(table, CLIENTS))
        for upload in order:
            lake.ingest(upload)
        assert levels(lake)["a"] == 30


@pytest.mark.parametrize(
    ("operation", "lost"), [("PutItem", 1), ("TransactWriteItems", 1), ("PutItem", 2), ("Query", 1), ("GetItem", 3)]
)
def test_whatever_dies_or_loses_its_answer_a_retry_commits_once_and_loses_nothing(
    world: World, operation: str, lost: int
) -> None:
    """Between the curated file, its record, its commit and the commit's record, there is a crash each."""
    lake, upload = world.lake(), world.upload("landing/readings/one.csv", GOOD)
    calls = iter(range(1, 100))

    def lose(**_: Any) -> None:
        if next(calls) == lost:
            raise Dead

    # The call took effect; nothing that would come after it happens. A query, which has no effect, isn't botocore's.
    when = "before-send" if operation == "Query" else "after-call"
    CLIENTS("dynamodb").meta.events.register_first(f"{when}.dynamodb.{operation}", lose)
    with pytest.raises(Dead):
        lake.ingest(upload)
    done = lake.ingest(upload)
    assert (done.status, done.rows_out) == (IngestionStatus.INGESTED, 4)
    assert lake.ingestion_log.ingestion(upload) == done
    (logged,) = lake.versions.dataset("sources/readings").log()
    assert logged.id == done.commit
    (entry,) = committed(lake)
    assert done.curated is not None
    assert (entry.key, entry.version_id) == (done.curated.key, done.curated.version_id)
    assert levels(lake)["d"] == 4


def test_a_commit_tells_where_its_rows_came_from(world: World) -> None:
    lake = Lake(
        world.catalog(READINGS_SOURCE), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS), code_version="abc"
    )
    upload = world.upload("landing/readings/one.csv", GOOD + "e,101,,true\na,7,,true\n")
    done = lake.ingest(upload)
    (logged,) = lake.versions.dataset("sources/readings").log()
    assert (logged.commit.message, logged.commit.author) == ("Ingest one.csv: 4 rows", "ingestion")
    meta = dict(logged.commit.meta)
    assert meta.pop("contract").startswith("tests.unit.lake.world:READINGS ")
    assert done.quarantine is not None
    assert meta == {
        "definition": done.definition,
        "upload": f"s3://lake/landing/readings/one.csv?versionId={upload.version_id}",
        "upload_id": upload.id,
        "rows_in": "6",
        "rows_out": "4",
        "rows_rejected": "1",
        "rows_repeated": "1",
        "quarantine": f"s3://lake/{done.quarantine.key}?versionId={done.quarantine.version_id}",
        "code_version": "abc",
    }


def test_an_earlier_upload_that_comes_late_is_superseded_and_makes_no_commit(world: World) -> None:
    lake = world.lake()
    early = world.upload("landing/readings/one.csv", GOOD)
    late = lake.ingest(world.upload("landing/readings/one.csv", GOOD.replace("a,1", "a,50")))
    before = lake.pin(["readings"])
    done = lake.ingest(early)
    assert (done.superseded, done.commit, late.superseded) == (True, None, False)
    assert lake.pin(["readings"]) == before
    assert lake.ingestion_log.ingestion(early) == lake.ingest(early) == done
    assert levels(lake)["a"] == 50


def test_two_files_that_differ_in_their_suffix_alone_both_count(world: World) -> None:
    lake = world.lake()
    lake.ingest(world.upload("landing/readings/one.csv", GOOD))
    lake.ingest(world.upload("landing/readings/one.tsv", "sensor\tlevel\tnote\tok\nz\t9\t\ttrue\n"))
    assert [entry.path for entry in committed(lake)] == ["one.csv.parquet", "one.tsv.parquet"]
    assert levels(lake) == {"a": 1, "b": 2, "c": 3, "d": 4, "z": 9}


def test_a_rule_of_the_dataset_refuses_the_file_and_the_registry_says_so(world: World) -> None:
    lake = world.lake()
    lake.versions.dataset("sources/readings").hooks.add("pre-commit", "few", f"{__name__}:no_more_than_three_rows")
    message = refusal(lake, world.upload("landing/readings/one.csv", GOOD))
    assert "pre-commit hook 'few' of dataset 'sources/readings' refused: ValueError: 4 rows" in message
    with pytest.raises(NoData):
        lake.pin(["readings"])


def no_more_than_three_rows(proposal: Proposal) -> None:
    if int(proposal.commit.meta["rows_out"]) > 3:
        raise ValueError(f"{proposal.commit.meta['rows_out']} rows")


def test_a_source_whose_branch_was_reset_or_reverted_is_pinned_as_it_is_now(world: World) -> None:
    lake = world.lake()
    for level in (1, 2):
        lake.ingest(world.upload("landing/readings/one.csv", GOOD.replace("a,1", f"a,{level}")))
    dataset, newest = lake.versions.dataset("sources/readings"), lake.pin(["readings"])
    dataset.reset("main~1")
    older = lake.pin(["readings"])
    assert levels(lake)["a"] == 1
    # What is online must give way to what was brought back.
    assert older.revision > newest.revision
    dataset.reset(newest.ids["readings"])
    assert lake.pin(["readings"]).id == newest.id
    dataset.revert(newest.ids["readings"])
    assert levels(lake)["a"] == 1


def test_of_two_files_rows_the_last_landed_counts_not_the_last_ingested(world: World) -> None:
    lake = world.lake()
    first = world.upload("landing/readings/b.csv", GOOD)
    lake.ingest(world.upload("landing/readings/a.csv", HEADER + "a,77,,true\nz,5,,true\n"))
    lake.ingest(first)
    assert levels(lake) == {"a": 77, "b": 2, "c": 3, "d": 4, "z": 5}


def test_sql_that_fails_is_the_products_fault_and_says_so(world: World) -> None:
    broken = Source(name="readings", contract=READINGS_SOURCE.contract, sql="SELECT nosuch FROM landed")
    with pytest.raises(SourceFailed, match=r"source 'readings': its SQL fails: .*nosuch"):
        world.lake(broken).ingest(world.upload("landing/readings/one.csv", GOOD))
    timeless = Source(name="readings", contract=READINGS_SOURCE.contract, event_time="level")
    with pytest.raises(SourceFailed, match="must yield level as a timestamp"):
        world.lake(timeless).ingest(world.upload("landing/readings/two.csv", GOOD))


def test_a_landed_version_that_is_gone_is_named(world: World) -> None:
    upload = world.upload("landing/readings/one.csv", GOOD)
    CLIENTS("s3").delete_object(Bucket=LAKE, Key=upload.key, VersionId=upload.version_id)
    with pytest.raises(VersionGone, match=r"one\.csv has no version"):
        world.lake().ingest(upload)


def test_a_large_file_is_validated_in_parts_with_the_same_outcome(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headwater.lake.ingestion.CHUNK", 3)
    body = HEADER + "".join(f"s{n},{n if n != 7 else 999},,true\n" for n in range(11))
    done = world.lake().ingest(world.upload("landing/readings/one.csv", body))
    assert (done.rows_in, done.rows_out, done.reasons) == (11, 10, ("level: expected in_range(0, 100) in row 8",))
