"""Databases of bounded memory that are used again: to start one takes 15 ms of CPU, more than most questions to it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp
from weakref import finalize

import duckdb

from headwater.lake.database import connect

MEMORY = "1GB"
"""DuckDB's share; what is more goes to disk."""
_MOST_IDLE = 2


class _Database:
    """An empty database that spills to a folder of its own, which ends with the process."""

    def __init__(self) -> None:
        folder = mkdtemp(prefix="headwater-spill-")
        finalize(self, rmtree, folder, ignore_errors=True)
        self.root = connect(Path(folder, "spill"))
        self.root.execute(f"SET memory_limit = '{MEMORY}'")
        # Its files are read once, and names come again.
        self.root.execute("SET enable_external_file_cache = false")


# By process: a fork has its parent's databases, but not the threads that work for them.
_idle: dict[int, deque[_Database]] = {}


@contextmanager
def scratch() -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A connection to a database that nobody else uses meanwhile, and a folder for parts; both are gone afterwards.

    What is registered, and temporary tables, end with the connection. Whoever makes anything else takes a database of
    their own: `headwater.lake.database.connect`.
    """
    idle = _idle.setdefault(os.getpid(), deque())
    try:
        database = idle.pop()
    except IndexError:
        database = _Database()
    sound = False
    try:
        with TemporaryDirectory(prefix="headwater-predictions-") as folder, database.root.cursor() as connection:
            connection.execute("SET TimeZone = 'UTC'")  # a session's own
            try:
                yield connection, Path(folder)
            except GeneratorExit:  # its reader has had enough
                sound = True
                raise
        sound = True
    finally:
        if sound and len(idle) < _MOST_IDLE:
            idle.append(database)
        else:
            database.root.close()
