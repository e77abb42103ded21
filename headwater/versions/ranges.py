"""Rows of a tree as ranges: a range's end, its id and its Parquet file. Knows no S3."""

# ruff: noqa: S608 - paths in SQL are temporary files of our own
from __future__ import annotations

import hashlib
import sys
import threading
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from headwater.errors import HeadwaterError
from headwater.versions.types import Entry, RangeRef

if TYPE_CHECKING:
    import duckdb

_GROUP = 16_384
"""Rows that DuckDB holds before it writes them."""
_COLUMNS = ", ".join(Entry._fields)


class NoParquet(HeadwaterError):
    """The packages that read and write Parquet aren't installed."""


@dataclass(frozen=True)
class Cut:
    """The rule for a range's end. It depends on the path alone, so that trees with common paths share most ranges."""

    one_in: int = 16_384
    """Paths, on average, to one that a range ends after; a power of two up to 65,536."""
    largest: int = 65_536
    """Rows of a range, at most."""

    def ends(self, path: str) -> bool:
        """Whether a range ends after ``path``: if the last digits of its BLAKE2b hash of 8 bytes are zero."""
        found = hashlib.blake2b(path.encode(), digest_size=8).digest()
        return int.from_bytes(found[-2:], "big") % self.one_in == 0

    def is_closed(self, part: RangeRef) -> bool:
        """Whether a range ends where it does whatever comes after it."""
        return part.rows >= self.largest or self.ends(part.last)


def describe(rows: Sequence[Entry]) -> RangeRef:
    """The range that holds ``rows``, sorted by path.

    Its id is the sha256 of, column after column (path, origin, version_id, size, checksum, algorithm), of texts their
    lengths in bytes as unsigned 32-bit little-endian integers followed by their UTF-8, of sizes 64-bit little-endian
    integers. It is independent of how Parquet is written.
    """
    state = hashlib.sha256()
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True))
    for name, column in zip(Entry._fields, columns, strict=True):
        if name == "size":
            state.update(_little("q", column))
        else:
            _add_texts(state, column)
    return RangeRef(
        id=state.hexdigest(),
        first=rows[0].path,
        last=rows[-1].path,
        rows=len(rows),
        size=sum(columns[3]),
        pins=pins_of(columns[0], columns[2]),
    )


def pins_of(paths: Sequence[str], version_ids: Sequence[str]) -> str:
    """The sha256 of the columns path and version_id, each as in `describe`."""
    state = hashlib.sha256()
    _add_texts(state, paths)
    _add_texts(state, version_ids)
    return state.hexdigest()


def _add_texts(state: hashlib._Hash, column: Sequence[str]) -> None:
    text = "".join(column)
    if text.isascii():
        state.update(_little("I", map(len, column)))
        state.update(text.encode())
    else:
        encoded = [value.encode() for value in column]
        state.update(_little("I", map(len, encoded)))
        state.update(b"".join(encoded))


def _little(kind: str, values: Any) -> bytes:
    made = array(kind, values)
    if sys.byteorder == "big":  # pragma: no cover
        made.byteswap()
    return made.tobytes()


class Codec:
    """Turns rows into Parquet files and back, with DuckDB: one thread at a time, in bounded memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def encode(self, rows: Sequence[Entry]) -> bytes:
        """The Parquet file of ``rows``."""
        import numpy

        columns = dict(zip(Entry._fields, zip(*rows, strict=True), strict=True))
        held: dict[str, Any] = {
            name: numpy.array(columns[name], dtype=numpy.int64 if name == "size" else object) for name in Entry._fields
        }
        with self._lock, TemporaryDirectory(prefix="headwater-range-") as scratch:
            path, connection = Path(scratch) / "range.parquet", self._open()
            connection.register("rows", held)
            connection.execute(
                f"COPY (SELECT {_COLUMNS} FROM rows) TO {literal(path)} "
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_GROUP})"
            )
            connection.unregister("rows")
            return path.read_bytes()

    def decode(self, body: bytes) -> list[Entry]:
        """The rows of a Parquet file."""
        with self._lock, TemporaryDirectory(prefix="headwater-range-") as scratch:
            path = Path(scratch) / "range.parquet"
            path.write_bytes(body)
            found = self._open().execute(f"SELECT {_COLUMNS} FROM read_parquet({literal(path)})").fetchall()
        return list(map(Entry._make, found))

    def differences(self, old: Sequence[bytes], new: Sequence[bytes]) -> list[tuple[Entry | None, Entry | None]]:
        """The rows that differ between two groups of Parquet files, unordered. DuckDB compares the rows."""
        if not old or not new:
            rows = [entry for body in (old or new) for entry in self.decode(body)]
            return [(entry, None) if old else (None, entry) for entry in rows]
        with self._lock, TemporaryDirectory(prefix="headwater-range-") as scratch:
            sides = []
            for name, bodies in (("old", old), ("new", new)):
                paths = [Path(scratch) / f"{name}{number}.parquet" for number in range(len(bodies))]
                for path, body in zip(paths, bodies, strict=True):
                    path.write_bytes(body)
                sides.append(f"read_parquet([{', '.join(map(literal, paths))}])")
            columns = ", ".join(f"{side}.{name}" for side in ("o", "n") for name in Entry._fields)
            unlike = " OR ".join(f"o.{name} IS DISTINCT FROM n.{name}" for name in Entry._fields)
            found = self._open().execute(
                f"SELECT {columns} FROM {sides[0]} o FULL JOIN {sides[1]} n ON o.path = n.path WHERE {unlike}"
            )
            width = len(Entry._fields)
            return [(_entry(row[:width]), _entry(row[width:])) for row in found.fetchall()]

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            try:
                import duckdb
            except ImportError as error:
                raise NoParquet(
                    "the trees of datasets are Parquet files, and duckdb, which reads them, isn't installed",
                    next_steps=["pip install 'headwater[data]'"],
                ) from error
            # One thread keeps rows in order; a range is a few megabytes.
            self._connection = duckdb.connect(
                config={"threads": 1, "memory_limit": "100MB", "autoinstall_known_extensions": False}
            )
        return self._connection


def _entry(values: Sequence[Any]) -> Entry | None:
    return None if values[0] is None else Entry._make(values)


def literal(path: Path) -> str:
    """A path as a string in SQL."""
    return "'" + str(path).replace("'", "''") + "'"
