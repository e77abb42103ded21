"""The rows of the state: a SQLite file, whose write-ahead log is the journal.

A commit is written to the log before the call that it belongs to is answered, so it survives the end of this process.
It is brought through to the disk (fsync) by `checkpoint`, which also bounds the log. A log that ends in the middle of a
commit is cut there when it is opened.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.persistence.blobs import Blobs
from localcloud.persistence.errors import StateNotKept, StateUnusable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
    part TEXT NOT NULL, key TEXT NOT NULL, sum INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (part, key)
);
CREATE TABLE IF NOT EXISTS refs (part TEXT NOT NULL, key TEXT NOT NULL, blob TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS refs_of ON refs (part, key);
"""
_LOG_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Entry:
    """One row: a piece of the state, with the blobs that it refers to; without a value it is taken away."""

    part: str
    key: str
    value: bytes | None
    blobs: frozenset[str] = field(default_factory=frozenset)


class Book:
    """The state of one local cloud under ``directory``; one process at a time has it open."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.blobs = Blobs(directory / "blobs")
        self._file = directory / "state.db"
        self._lock = threading.Lock()
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its log the same mode
        try:
            self._database = sqlite3.connect(self._file, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table is made
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute("PRAGMA wal_autocheckpoint = 0")  # it would hold up a call
            self._database.executescript(_SCHEMA)
            found = self._database.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise StateUnusable(f"the file {self._file} is damaged: {error}") from error
        if found != "ok":
            raise StateUnusable(f"the file {self._file} is damaged: {found}")

    # Reading, when the cloud starts

    def fact(self, name: str) -> str | None:
        """Something that is known of the whole state."""
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def entries(self, part: str) -> Iterator[tuple[str, bytes]]:
        """Keys and values of a part, in the order of its keys.

        Raises
        ------
        StateUnusable
            One of them isn't what was written.
        """
        try:
            rows = self._database.execute("SELECT key, sum, value FROM entries WHERE part = ? ORDER BY key", (part,))
            for key, sum_, value in rows:
                if zlib.crc32(value) != sum_:
                    raise StateUnusable(f"{self._file} is damaged: entry {key!r} of {part!r} has another checksum")
                yield key, value
        except sqlite3.DatabaseError as error:
            raise StateUnusable(f"{self._file} is damaged: part {part!r}: {error}") from error

    def parts(self) -> set[str]:
        """The names of all parts."""
        return {str(row[0]) for row in self._database.execute("SELECT DISTINCT part FROM entries")}

    def referred(self) -> set[str]:
        """The names of all blobs that an entry refers to."""
        with self._lock:
            return {str(row[0]) for row in self._database.execute("SELECT DISTINCT blob FROM refs")}

    # Writing

    def note(self, **facts: str) -> None:
        """Set facts."""
        with self._lock:
            self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def write(self, entries: Sequence[Entry]) -> None:
        """Keep all of ``entries`` or none.

        Raises
        ------
        StateNotKept
            None was kept: the disk is full, or can't be written.
        """
        if not entries:
            return
        keys = [(one.part, one.key) for one in entries]
        there = [(one.part, one.key, zlib.crc32(one.value), one.value) for one in entries if one.value is not None]
        gone = [(one.part, one.key) for one in entries if one.value is None]
        refs = [(one.part, one.key, blob) for one in entries for blob in one.blobs]
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany("DELETE FROM refs WHERE part = ? AND key = ?", keys)
                self._database.executemany("DELETE FROM entries WHERE part = ? AND key = ?", gone)
                self._database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", there)
                self._database.executemany("INSERT INTO refs VALUES (?, ?, ?)", refs)
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise StateNotKept(f"{self._file} can't be written: {error}") from error

    def forget(self, parts: Iterable[str]) -> None:
        """Take whole parts away."""
        named = [(part,) for part in parts]
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("DELETE FROM refs WHERE part = ?", named)
            self._database.executemany("DELETE FROM entries WHERE part = ?", named)
            self._database.execute("COMMIT")

    # Housekeeping

    def copy(self, to: Path) -> None:
        """Write the state, as it is now, to a folder that isn't there yet; nobody may delete blobs meanwhile.

        Raises
        ------
        OSError
            The folder is there, or can't be written.
        StateUnusable
            A blob is missing.
        """
        draft = to.with_name(f".{to.name}.{uuid.uuid4().hex}")
        draft.mkdir(parents=True, mode=0o700)
        try:
            file = draft / self._file.name
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            with contextlib.closing(sqlite3.connect(file)) as copied, self._lock:
                self._database.backup(copied)
                names = {str(row[0]) for row in copied.execute("SELECT DISTINCT blob FROM refs")}
            self.blobs.link(names, draft / self.blobs.directory.name)
            draft.rename(to)
        except sqlite3.Error as error:
            raise OSError(f"{self._file} can't be copied to {to}: {error}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def checkpoint(self) -> None:
        """Bring everything through to the disk, blobs first, and let the log begin anew."""
        self.blobs.sync()
        # A connection of its own: writers go on meanwhile. Past the bound they wait, so that the log is cut.
        log = self._file.with_name(self._file.name + "-wal")
        large = log.exists() and log.stat().st_size > _LOG_BYTES
        other = sqlite3.connect(self._file)
        try:
            other.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if large else 'PASSIVE'})")
            other.execute("PRAGMA incremental_vacuum(1000)")
        finally:
            other.close()

    def close(self) -> None:
        """Bring everything through to the disk."""
        self.checkpoint()
        with self._lock:
            self._database.close()
