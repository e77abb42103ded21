"""Bytes of a record or a message as rows: JSON objects, each number digit by digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from headwater.collecting.files import JSON_LINES, LinesFile
from headwater.collecting.types import Batch
from headwater.json_values import dumps, loads

FILE_BYTES = 512 * 2**20
"""Bytes of a file before they are compressed, after which the cursor moves."""
ENOUGH = 45.0
"""Seconds that are left when a file is closed however small it is: the service begins no further one then."""


class NoRow(ValueError):
    """The bytes are no JSON objects."""


def rows_of(data: bytes | str) -> Sequence[Mapping[str, Any]]:
    """The rows of a record: one JSON object, or one on each line.

    Raises
    ------
    NoRow
        Says what they are instead.
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NoRow(f"no JSON: {_shown(data)} isn't UTF-8") from None
    if not text.strip():
        raise NoRow("empty, expected a JSON object")
    lines = text.strip().split("\n")
    # A value of several lines is tried as a whole first: an object may be written with line breaks.
    try:
        return [_object(text)]
    except NoRow:
        if len(lines) == 1:
            raise
    return [_object(line) for line in lines if line.strip()]


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = loads(text)
    except (ValueError, RecursionError) as error:
        raise NoRow(f"no JSON: {str(error)[:120]}: {_shown(text)}") from None
    if not isinstance(found, dict):
        names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
        raise NoRow(f"{names.get(type(found), 'a number')}, expected a JSON object: {_shown(text)}")
    return found


def _shown(data: bytes | str) -> str:
    """The beginning of it, on one line."""
    return ascii(data[:40])


class RowsFile:
    """Rows on their way into batches: each batch has a file of its own, which is opened with its first row."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: LinesFile | None = None

    @property
    def rows(self) -> int:
        """Rows of the next batch."""
        return self._file.rows if self._file else 0

    def is_full(self, batch_rows: int) -> bool:
        """Whether the next batch has as many rows or bytes as a file may have."""
        return self._file is not None and (self._file.rows >= batch_rows or self._file.size >= FILE_BYTES)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows."""
        if self._file is None:
            self._file = LinesFile(self._folder)
        for row in rows:
            self._file.write(dumps(row))

    def batch(self, **more: Any) -> Batch:
        """The batch of the rows so far; the next row begins another one."""
        file, self._file = self._file, None
        if file is None:
            return Batch(**more)
        file.__exit__(None, None, None)
        return Batch(file=file.path, suffix=JSON_LINES, count=file.rows, **more)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.__exit__(kind, error, trace)
            self._file = None
