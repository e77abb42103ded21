"""Objects of another account's bucket."""

from __future__ import annotations

from functools import partial

import pytest

from headwater.collecting.buckets import store as buckets
from headwater.collecting.errors import CollectFailed
from headwater.collecting.types import Outcome
from headwater.declare import S3, Collector, Schedule
from headwater.storage.environment import CLIENTS
from tests.crashing import Killed
from tests.unit.collecting.world import landed, run, store, versions
from tests.unit.lake.world import World
from tests.unit.versions.cases import wired

ROLE = "arn:aws:iam::222222222222:role/export"


@pytest.fixture
def exports(world: World) -> None:
    where = {"LocationConstraint": "eu-central-1"}
    CLIENTS("s3").create_bucket(Bucket="exports", CreateBucketConfiguration=where)  # type: ignore[arg-type]


def put(**files: str) -> None:
    for name, text in files.items():
        CLIENTS("s3").put_object(Bucket="exports", Key=f"out/{name.replace('__', '/')}.csv", Body=text.encode())


def collect(name: str = "run", **more: object) -> Outcome:
    reads = S3(bucket="exports", **{"prefix": "out/", **more})  # type: ignore[arg-type]
    collector = Collector(name="book", source="readings", schedule=Schedule(every="1h"), reads=reads)
    return run(partial(buckets.read_bucket, reads, clients=CLIENTS), name, collector)


def test_each_object_lands_once_and_again_when_it_changes(exports: None) -> None:
    put(a="1", y2026__b="2")
    assert collect("first").batches == 3
    assert landed() == {"book/a.csv": b"1", "book/y2026/b.csv": b"2"}
    put(a="1", c="3")
    collect("second")
    assert versions() == 3
    put(a="4")
    collect("third")
    assert landed() == {"book/a.csv": b"4", "book/y2026/b.csv": b"2", "book/c.csv": b"3"}
    assert versions() == 4


def test_more_objects_than_a_page_lists_are_all_found(exports: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "KEPT_EACH", 3)
    put(**{f"f{number}": str(number) for number in range(8)})
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    collect()
    monkeypatch.delenv("MOTO_S3_DEFAULT_MAX_KEYS")
    assert len(landed()) == 8
    assert len([batch for batch in store().batches() if not batch.file]) == 3


def test_killed_at_any_call_every_object_lands_once(exports: None) -> None:
    put(a="1", b="2")
    wire = wired("s3", "dynamodb")
    collect("count")
    calls = len(wire.calls)
    for number in range(0, calls, 6):
        put(a=f"a{number}", b=f"b{number}")
        before, seen = versions(), iter(range(1_000_000))
        wire.fault = lambda _, number=number, seen=seen: "kill" if next(seen) == number else None  # type: ignore[misc]
        with pytest.raises(Killed):
            collect(f"killed-{number}")
        wire.revive()
        collect(f"next-{number}")
        assert landed() == {"book/a.csv": f"a{number}".encode(), "book/b.csv": f"b{number}".encode()}
        assert versions() == before + 2, f"killed at call {number}"
        wire.revive()


def test_a_pattern_chooses_and_folders_of_the_console_are_none(exports: None) -> None:
    put(a="1", b="2")
    CLIENTS("s3").put_object(Bucket="exports", Key="out/", Body=b"")
    CLIENTS("s3").put_object(Bucket="exports", Key="out/_SUCCESS", Body=b"x")
    collect("first", pattern="a*.csv")
    assert list(landed()) == ["book/a.csv"]
    with pytest.raises(CollectFailed, match=r"out/_SUCCESS: its name doesn't tell what it holds.*pattern such as"):
        collect("second")


def test_names_with_any_characters_land_under_their_names(exports: None) -> None:
    CLIENTS("s3").put_object(Bucket="exports", Key="out/d=2026-01-01/a b+c%20ü.CSV.gz", Body=b"x")
    collect()
    assert list(landed()) == ["book/d=2026-01-01/a b+c%20ü.CSV.gz"]


def test_a_role_of_the_other_account_is_assumed_with_its_external_id(exports: None) -> None:
    put(a="1")
    asked: list[dict[str, object]] = []
    CLIENTS("sts").meta.events.register(
        "provide-client-params.sts.AssumeRole", lambda params, **_: asked.append(params)
    )
    collect(role_arn=ROLE, external_id="shop-42")
    assert [(one["RoleArn"], one["ExternalId"]) for one in asked] == [(ROLE, "shop-42")]
    assert list(landed()) == ["book/a.csv"]


def test_what_cant_be_read_is_told(exports: None) -> None:
    reads = S3(bucket="absent-bucket", prefix="out/")
    with pytest.raises(CollectFailed, match="s3://absent-bucket/out/ can't be listed: NoSuchBucket"):
        run(partial(buckets.read_bucket, reads, clients=CLIENTS), "run")
    put(a="12345", b="")
    with pytest.raises(CollectFailed, match=r"out/a.csv has 5 bytes, more than max_object_bytes=4"):
        collect("large", max_object_bytes=4)
    with pytest.raises(CollectFailed, match=r"out/b.csv is empty"):
        collect("empty", pattern="b*")
