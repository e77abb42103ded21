"""The rows on disk: all of a commit or nothing, whenever the process ends; damage is named."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections import defaultdict
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from localcloud.persistence import versions
from localcloud.persistence.blobs import LARGE, Blobs, Body
from localcloud.persistence.book import Book, Entry
from localcloud.persistence.errors import StateNotKept, StateUnusable
from localcloud.persistence.pickling import Codec, Names
from moto.ssm.models import ParameterDict

COMMITS = 12


def commit(book: Book, number: int) -> None:
    """Two rows that belong together, one of a growing part and one that is replaced."""
    book.write([Entry("log", f"{number:03d}", b"x" * 3000), Entry("last", "number", str(number).encode())])


def read(directory: Path) -> int:
    """The number of commits that are there; each is whole."""
    book = Book(directory)
    rows, last = [key for key, _ in book.entries("log")], dict(book.entries("last"))
    book.close()
    assert rows == [f"{number:03d}" for number in range(len(rows))]
    assert last == ({"number": str(len(rows) - 1).encode()} if rows else {})
    return len(rows)


def test_an_end_after_any_commit_leaves_all_that_were_acknowledged(tmp_path: Path) -> None:
    book = Book(tmp_path / "state")
    for number in range(COMMITS):
        commit(book, number)
        if number == COMMITS // 2:
            book.checkpoint()
        shutil.copytree(tmp_path / "state", tmp_path / f"copy-{number}")  # as SIGKILL would leave it
        assert read(tmp_path / f"copy-{number}") == number + 1
    book.close()


def test_a_torn_end_of_the_journal_is_cut(tmp_path: Path) -> None:
    book = Book(tmp_path / "state")
    for number in range(COMMITS):
        commit(book, number)
    journal = tmp_path / "state" / "state.db-wal"
    whole, seen = journal.stat().st_size, []
    for size in range(0, whole + 1, whole // 25):
        copy = tmp_path / f"torn-{size}"
        shutil.copytree(tmp_path / "state", copy)
        with (copy / "state.db-wal").open("r+b") as file:
            file.truncate(size)
        (copy / "state.db-shm").unlink()
        seen.append(read(copy))
    book.close()
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert len(set(seen)) > 5


def test_what_cannot_be_written_is_refused_as_a_whole(tmp_path: Path) -> None:
    book = Book(tmp_path)
    commit(book, 0)
    book._database.execute("PRAGMA query_only = ON")
    with pytest.raises(StateNotKept, match="can't be written"):
        commit(book, 1)
    book._database.execute("PRAGMA query_only = OFF")
    book.close()
    assert read(tmp_path) == 1


def test_a_row_that_has_changed_is_named(tmp_path: Path) -> None:
    book = Book(tmp_path)
    commit(book, 0)
    book.close()
    with sqlite3.connect(tmp_path / "state.db") as database:
        database.execute("UPDATE entries SET value = x'79' WHERE part = 'last'")
    database.close()
    book = Book(tmp_path)
    with pytest.raises(StateUnusable, match=r"entry 'number' of 'last' has another checksum"):
        list(book.entries("last"))
    book.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StateUnusable, match=r"state\.db is damaged"):
        Book(tmp_path)


def test_another_moto_is_told_with_both_versions(tmp_path: Path) -> None:
    book = Book(tmp_path)
    versions.check(book)
    versions.check(book)
    book.note(moto="1.2.3")
    with pytest.raises(StateUnusable, match=r"moto 1\.2\.3 \(here it is \d+\.\d+") as refused:
        versions.check(book)
    assert "forget it and deploy anew" in str(refused.value)
    book.close()


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    book = Book(tmp_path / "state")
    commit(book, 0)
    name = book.blobs.put(b"secret" * LARGE)
    files = [tmp_path / "state" / file for file in ("state.db", "state.db-wal", f"blobs/{name[:2]}/{name}")]
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
    assert oct((tmp_path / "state").stat().st_mode & 0o777) == "0o700"
    book.close()


def test_a_large_body_is_on_disk_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    body = Body(blobs)
    body.write(b"x" * LARGE)
    assert (body.inline, body.read_all()) == (b"", b"x" * LARGE)
    body.seek(LARGE - 2)
    assert (body.read(1), body.read(), body.read()) == (b"x", b"x", b"")
    body.seek(0)
    assert [len(body.read(10_000)) for _ in range(3)] == [10_000, LARGE - 10_000, 0]
    name = body.name
    body.seek(0)
    body.truncate()
    body.write(b"small")
    assert (body.name, body.inline) == ("", b"small")
    path = tmp_path / name[:2] / name
    path.write_bytes(b"y" * LARGE)
    with pytest.raises(StateUnusable, match="damaged"):
        blobs.get(name)
    path.unlink()
    with pytest.raises(StateUnusable, match="1 of 1 files are missing"):
        blobs.check({name})


def test_blobs_that_nobody_refers_to_go(tmp_path: Path) -> None:
    book = Book(tmp_path)
    old, new = book.blobs.put(b"a" * LARGE), book.blobs.put(b"b" * LARGE)
    book.write([Entry("p", "k", b"1", frozenset({old}))])
    book.write([Entry("p", "k", b"2", frozenset({new}))])
    assert book.blobs.forget(book.referred()) == 0  # young: its call may not be answered yet
    assert book.blobs.forget(book.referred(), also_young=True) == LARGE
    assert book.blobs.names() == {new}
    book.forget(["p"])
    assert book.referred() == set()
    book.close()


def test_keys_and_dicts_with_a_constructor_of_their_own_come_back(tmp_path: Path) -> None:
    codec = Codec(Blobs(tmp_path), Names(), dict)
    key = ec.generate_private_key(ec.SECP256R1())
    parameters = ParameterDict("123456789012", "us-east-1")
    parameters["/made"] = []
    factory = {"lock": threading.Lock(), "made": defaultdict(lambda: [tmp_path])}
    again = codec.load(codec.dump({"key": key, "parameters": parameters, "factory": factory}).data)
    assert again["key"].private_numbers() == key.private_numbers()
    assert (type(again["parameters"]), dict(again["parameters"])) == (ParameterDict, {"/made": []})
    assert again["parameters"].region_name == "us-east-1"
    assert again["factory"]["made"]["new"] == [tmp_path]
