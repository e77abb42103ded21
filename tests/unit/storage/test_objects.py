"""A bucket's objects, many at once, and an item's value out of its table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.storage.environment import CLIENTS
from headwater.storage.objects import Bucket
from headwater.storage.table import ABSENT, Table
from headwater.values import Value
from tests.unit.registry.cases import TABLE, make_table, mocked_aws


class Note(Value):
    text: str


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with mocked_aws(monkeypatch):
        CLIENTS("s3").create_bucket(Bucket="things")
        CLIENTS("s3").put_bucket_versioning(Bucket="things", VersioningConfiguration={"Status": "Enabled"})
        yield Bucket("things", CLIENTS)


def test_many_objects_are_read_at_once_and_those_that_are_gone_left_out(bucket: Bucket) -> None:
    for number in range(70):
        bucket.put(f"a/{number:02}", str(number).encode())
    CLIENTS("s3").delete_object(Bucket="things", Key="a/65")
    found = [(number, answer.body) for number, answer in bucket.read_all(range(71), lambda one: f"a/{one:02}")]
    assert found == [(number, str(number).encode()) for number in range(70) if number != 65]


def test_an_object_is_fetched_to_a_file_unless_it_is_gone(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("a", b"content")
    assert bucket.fetch("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"content"
    assert not bucket.fetch("b", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_objects_and_folders_are_listed_below_a_prefix(bucket: Bucket) -> None:
    for key in ("x/1", "x/b/2", "x/c/3/4", "y/5"):
        bucket.put(key, b"")
    assert [entry["Key"] for entry in bucket.listed("x/", after="x/1")] == ["x/b/2", "x/c/3/4"]
    assert bucket.folders("x/") == ["b", "c"]


def test_every_version_of_an_object_is_forgotten_and_no_other_object(bucket: Bucket) -> None:
    for key in ("a", "a", "ab"):
        bucket.put(key, b"")
    CLIENTS("s3").delete_object(Bucket="things", Key="a")
    bucket.forget("a")
    left = CLIENTS("s3").list_object_versions(Bucket="things")
    assert [entry["Key"] for entry in left["Versions"]] == ["ab"]
    assert "DeleteMarkers" not in left


def test_values_are_read_out_of_their_items(monkeypatch: pytest.MonkeyPatch) -> None:
    with mocked_aws(monkeypatch):
        make_table()
        table = Table(TABLE, CLIENTS)
        for number in range(3):
            table.write(table.put({"pk": "P", "sk": f"N#{number}", "document": f'{{"text": "{number}"}}'}))
        assert table.document("P", "N#1", Note) == Note(text="1")
        assert table.document("P", "N#3", Note) is None
        assert [note.text for note in table.documents("P", "N#", Note, after="N#0")] == ["1", "2"]
        assert [note.text for note in table.last_documents("P", "N#", Note, 2)] == ["2", "1"]
        assert not table.applied([table.put({"pk": "P", "sk": "N#0"}, only_if=ABSENT)])
        assert table.applied([table.put({"pk": "P", "sk": "N#3"}, only_if=ABSENT)])
        held = {"pk": "P", "sk": "N#4", "version": 1}
        assert table.write(table.put_over(held, "version", None))
        assert not table.write(table.put_over(held, "version", None))
        assert table.write(table.put_over(held | {"version": 2}, "version", 1))
        assert not table.write(table.put_over(held | {"version": 2}, "version", 1))
