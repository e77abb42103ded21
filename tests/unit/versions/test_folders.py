"""Checkout brings every byte back and never leaves its folder; upload sends what is new."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headwater.versions import checksums
from headwater.versions.errors import Conflicts, Corrupt, InvalidFolder, LocalChanges, NothingToCommit, UnsafePath
from headwater.versions.folders import STATE
from headwater.versions.types import Entry
from tests.unit.versions.cases import LAKE, World


def found(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != STATE
    }


def destroy(world: World) -> None:
    """Overwrite every object, and delete it."""
    for one in world.s3.list_objects_v2(Bucket=LAKE, Prefix="data/")["Contents"]:
        world.s3.put_object(Bucket=LAKE, Key=one["Key"], Body=b"overwritten")
        world.s3.delete_object(Bucket=LAKE, Key=one["Key"])


def test_whatever_happened_to_the_keys_a_checkout_restores_every_byte(world: World, tmp_path: Path) -> None:
    texts = {"a.csv": "1\n", "deep/er/b.csv": "2", "empty": "", "ünï code #1 %2e": "u"}
    first = world.commit(texts)
    world.commit({"a.csv": "corrected", "new": "n"})
    destroy(world)
    done = world.data.checkout(tmp_path / "then", first)
    assert (done.written, done.removed, done.kept) == (4, 0, 0)
    assert found(tmp_path / "then") == texts
    assert list(world.data.verify(first, read_bytes=True)) == []


def test_only_what_changed_is_fetched(world: World, tmp_path: Path) -> None:
    world.commit({"a": "1", "b/c": "2", "same": "s"})
    world.commit({"a": "one", "b/c": None, "b": "now a file"})
    folder = tmp_path / "f"
    world.data.checkout(folder, "main~1")
    world.wire.calls.clear()
    done = world.data.checkout(folder)
    assert (done.written, done.removed, done.kept) == (2, 1, 1)
    assert found(folder) == {"a": "one", "b": "now a file", "same": "s"}
    world.wire.calls.clear()
    assert world.data.checkout(folder).written == 0
    assert world.data.checkout(folder, "main~1").written == 2
    assert found(folder) == {"a": "1", "b/c": "2", "same": "s"}


def test_files_that_someone_changed_are_left_alone_unless_forced(world: World, tmp_path: Path) -> None:
    world.commit({"a": "1", "b": "2"})
    world.commit({"a": "one", "b": None, "mine": "theirs"})
    folder = tmp_path / "f"
    world.data.checkout(folder, "main~1")
    for name in ("a", "b", "mine"):
        (folder / name).write_text(f"edited {name}")
    with pytest.raises(LocalChanges, match=r"3 files .*: a, mine, b; nothing was written"):
        world.data.checkout(folder)
    assert found(folder)["a"] == "edited a"
    world.data.checkout(folder, force=True)
    assert found(folder) == {"a": "one", "mine": "theirs"}


def test_a_checkout_that_was_cut_off_is_finished_by_the_next(world: World, tmp_path: Path) -> None:
    world.commit({"a": "1", "b": "2"})
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a").write_text("1")  # written by one that died before it noted what it did
    assert world.data.checkout(folder).written == 1
    assert found(folder) == {"a": "1", "b": "2"}


UNSAFE = ["../out", "a/../../out", "/etc/passwd", "a//b", "./a", "a/.", "..", "nul\0", "x" * 300, STATE]


@pytest.mark.parametrize("path", UNSAFE, ids=[path[:9].replace("\0", "0") for path in UNSAFE])
def test_a_path_that_cannot_be_a_file_below_the_folder_stops_before_any_write(
    world: World, tmp_path: Path, path: str
) -> None:
    world.commit({"fine": "1"})
    fine = next(iter(world.data.files()))
    world.data.commit("unsafe", edits=[(path, world.data.pin(*pinned(world, path)))])
    with pytest.raises(UnsafePath, match="nothing was written"):
        world.data.checkout(tmp_path / "in" / "f")
    assert not found(tmp_path)
    assert world.data.read(path) == b"x"
    assert fine in world.data.files()


def pinned(world: World, path: str) -> tuple[str, str, str]:
    """An object whose key ends with whatever path."""
    answer = world.s3.put_object(Bucket=LAKE, Key=f"any/{path}", Body=b"x")
    return "s3://lake/any/", path, answer["VersionId"]


@pytest.mark.parametrize("path", ["%2e%2e/out", "a b", "#", "日本/語", "a\\b", "..x", "x" * 255, "CON:"])
def test_a_path_that_only_looks_dangerous_is_a_file_like_any_other(world: World, tmp_path: Path, path: str) -> None:
    world.commit({path: "1"})
    world.data.checkout(tmp_path / "f")
    assert found(tmp_path / "f") == {path: "1"}


def test_a_key_of_1024_bytes_is_committed_and_checked_out(world: World, tmp_path: Path) -> None:
    room = 1024 - len(world.data.staging_area().partition("/")[2])
    path = "/".join(["é" * 60] * 9)[: room // 2 - 8]
    path += "z" * (room - len(path.encode()))
    world.commit({path: "long"})
    assert len(f"{world.data.staging_area().partition('/')[2]}{path}".encode()) == 1024
    world.data.checkout(tmp_path / "f")
    assert found(tmp_path / "f") == {path: "long"}
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "file").write_text("1")
    with pytest.raises(InvalidFolder, match="1024 bytes"):
        world.data.stage(path + "z", tmp_path / "up" / "file")


def test_a_path_below_another_path_is_told_apart(world: World, tmp_path: Path) -> None:
    world.commit({"a": "file", "a/b": "below it"})
    with pytest.raises(UnsafePath, match="'a/b' lies below another path"):
        world.data.checkout(tmp_path / "f")


def test_a_link_out_of_the_folder_is_not_followed(world: World, tmp_path: Path) -> None:
    world.commit({"sub/file": "1", "link": "2"})
    folder, outside = tmp_path / "f", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "sub").symlink_to(outside)
    with pytest.raises(UnsafePath, match="is a link"):
        world.data.checkout(folder)
    assert list(outside.iterdir()) == []
    (folder / "sub").unlink()
    (outside / "victim").write_text("v")
    (folder / "link").symlink_to(outside / "victim")
    with pytest.raises(LocalChanges):
        world.data.checkout(folder)
    world.data.checkout(folder, force=True)
    assert (outside / "victim").read_text() == "v"
    assert found(folder) == {"sub/file": "1", "link": "2"}


def test_bytes_that_are_not_what_was_committed_are_not_kept(world: World, tmp_path: Path) -> None:
    world.commit({"a": "1"})
    entry = next(iter(world.data.files()))

    world.data.commit("lie", edits=[("a", entry._replace(checksum=checksums.of([b"2"])))])
    with pytest.raises(Corrupt, match="committed was"):
        world.data.checkout(tmp_path / "f")
    assert found(tmp_path / "f") == {}


def test_an_upload_sends_only_what_the_branch_lacks(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_text("1")
    (folder / "sub" / "b").write_text("2")
    first = world.data.upload(folder, "first", author="ann", meta={"month": "2013-01"})
    assert (first.commit.author, first.commit.meta) == ("ann", {"month": "2013-01"})
    with pytest.raises(NothingToCommit):
        world.data.upload(folder, "again")
    (folder / "a").write_text("one")
    (folder / "sub" / "b").unlink()
    world.wire.calls.clear()
    world.data.upload(folder, "second")
    assert world.wire.calls.count("PutObject") == 6  # one file; the tree and the place's, each a range and a root
    assert world.content() == {"a": "one", "sub/b": "2"}
    world.data.upload(folder, "third", delete=True)
    assert world.content() == {"a": "one"}
    # The place still holds b, and nothing happened to it there: it doesn't come back.
    with pytest.raises(NothingToCommit):
        world.data.commit("nothing")


def test_a_large_file_goes_up_in_parts_and_is_known_by_its_composite_checksum(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    with (folder / "large").open("wb") as file:
        file.truncate(checksums.PART_BYTES + 10)
    world.data.upload(folder, "large")
    entry = next(iter(world.data.files()))
    assert (entry.size, entry.checksum[-2:], entry.algorithm) == (checksums.PART_BYTES + 10, "-2", "SHA256")
    assert list(world.data.verify()) == []
    with pytest.raises(NothingToCommit):
        world.data.upload(folder, "again")
    assert world.data.checkout(folder).kept == 1


def test_two_concurrent_uploads_succeed_unless_they_change_the_same_path(world: World, tmp_path: Path) -> None:
    world.commit({"a": "0"})
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "mine").write_text("m")
    others = world.open().dataset("flights")
    pending = ["b", "mine"]

    def meanwhile(operation: str) -> None:
        if operation == "TransactWriteItems" and pending:
            path = pending.pop(0)
            world.s3.put_object(Bucket=LAKE, Key=f"any/{path}", Body=b"other")
            version = world.s3.head_object(Bucket=LAKE, Key=f"any/{path}")["VersionId"]
            others.commit("other", edits=[(path, others.pin("s3://lake/any", path, version))])

    remaining = pending
    world.wire.fault = lambda operation: meanwhile(operation) if len(remaining) == 2 else None
    world.data.upload(folder, "mine")
    assert world.content() == {"a": "0", "b": "other", "mine": "m"}
    (folder / "mine").write_text("changed")
    world.wire.fault = meanwhile
    with pytest.raises(Conflicts) as raised:
        world.data.upload(folder, "mine again")
    assert raised.value.paths == ("mine",)


def test_links_and_names_that_are_no_text_are_not_uploaded(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "link").symlink_to("/etc/hostname")
    with pytest.raises(InvalidFolder, match="is a link"):
        world.data.upload(folder, "x")
    (folder / "link").unlink()
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_bytes(b"1")
    with pytest.raises(InvalidFolder, match="isn't UTF-8"):
        world.data.upload(folder, "x")
    with pytest.raises(InvalidFolder, match="is no folder"):
        world.data.upload(tmp_path / "none", "x")


def test_a_folder_of_another_dataset_is_left_alone(world: World, tmp_path: Path) -> None:
    world.commit({"a": "1"})
    world.data.checkout(tmp_path / "f")
    other = world.versions.dataset("other")
    other.commit("x", allow_empty=True)
    with pytest.raises(InvalidFolder, match="holds dataset 'flights'"):
        other.checkout(tmp_path / "f")


def test_s3s_own_default_checksum_is_computed_as_the_specification_says() -> None:
    # The check value of CRC-64/NVME: https://reveng.sourceforge.io/crc-catalogue/17plus.htm
    state = checksums.Crc64Nvme()
    state.update(b"12345")
    state.update(b"6789")
    assert state.digest().hex() == "ae8b14860a799888"


def test_an_entry_knows_its_bucket_and_key() -> None:
    entry = Entry("b/c.csv", "lake/data/x@main/", "v", 1, "s", "SHA256")
    assert (entry.bucket, entry.key) == ("lake", "data/x@main/b/c.csv")
