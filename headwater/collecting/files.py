"""Batches as files: rows become gzipped JSON lines, digit by digit; equal rows make equal bytes."""

from __future__ import annotations

import gzip
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from headwater.collecting.errors import CollectFailed
from headwater.collecting.types import Batch
from headwater.json_values import NotJson, dumps, json_value
from headwater.lake.types import SUFFIXES

JSON_LINES = ".jsonl.gz"
MOST_BYTES = 5 * 2**30
"""S3 takes no larger object by one request."""


class LinesFile:
    """A new file of gzipped JSON lines."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{uuid.uuid4().hex}{JSON_LINES}"
        self.rows, self.size = 0, 0
        """Lines, and their bytes before they are compressed."""
        self._raw = self.path.open("wb")
        # Neither name nor time in the header: the same rows are the same file.
        self._zip = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, compresslevel=6, mtime=0)

    def write(self, line: str) -> None:
        """Add a row, one JSON object without a line break."""
        data = line.encode() + b"\n"
        self._zip.write(data)
        self.rows += 1
        self.size += len(data)

    @property
    def written(self) -> int:
        """Bytes of the file until now, but for some kilobytes that are still to be compressed."""
        return self._raw.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
        self._raw.close()


def write_rows(rows: Iterable[Mapping[str, Any]], folder: Path) -> LinesFile:
    """Write rows to a new file in ``folder``; raises `CollectFailed` for a value that JSON can't hold exactly."""
    with LinesFile(folder) as file:
        for number, row in enumerate(rows, start=1):
            try:
                file.write(dumps(json_value(row, f"row {number:,}")))
            except NotJson as error:
                raise CollectFailed(error.message) from None
    return file


class Fetched(NamedTuple):
    """A batch's file."""

    path: Path
    suffix: str
    rows: int | None
    size: int
    sha256: str


def fetched(batch: Batch, folder: Path) -> Fetched | None:
    """The file of a batch; None if it has no rows.

    Raises
    ------
    CollectFailed
        The batch has rows and a file, or its file is empty, too large, or of no kind that an upload may have.
    """
    if batch.rows is not None and batch.file is not None:
        raise CollectFailed("a batch has rows and a file: give one")
    if batch.rows is not None:
        lines = write_rows(batch.rows, folder)
        return _looked_at(lines.path, JSON_LINES, lines.rows) if lines.rows else None
    if batch.file is None or batch.count == 0:
        return None
    kind = batch.suffix.lower().removesuffix(".gz")
    if kind not in SUFFIXES:
        raise CollectFailed(f"a batch's file has the suffix {batch.suffix!r}, expected one of {', '.join(SUFFIXES)}")
    return _looked_at(batch.file, batch.suffix, batch.count)


def _looked_at(path: Path, suffix: str, rows: int | None) -> Fetched:
    size, digest = path.stat().st_size, hashlib.sha256()
    if size == 0:
        raise CollectFailed("a batch's file is empty: yield none if there are no rows")
    if size > MOST_BYTES:
        raise CollectFailed(f"a batch's file has {size:,} bytes, S3 takes {MOST_BYTES:,}: yield smaller batches")
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return Fetched(path, suffix, rows, size, digest.hexdigest())
