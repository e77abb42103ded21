"""Cells of text on their way to DuckDB: written as CSV without any ambiguity, so that each arrives exactly."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TextIO
from uuid import uuid4

from headwater.lake.database import literal

NULL = f"null-{uuid4().hex}"
"""Stands for a missing cell; drawn anew in each process, so that no file can hold it as a text."""
SHORT_LINE = 2**20
"""Bytes of a line that DuckDB's reader takes without being told; it sets memory aside for many lines of this length."""
WRITTEN = 1 << 20
"""Bytes that are buffered before they go to the disk."""


def reader_options(
    names: Sequence[str], *, longest: int, missing: Sequence[str] = (), delimiter: str = ",", compression: str = "none"
) -> str:
    """The options with which DuckDB's ``read_csv`` takes each cell as it stands, and all of them as text.

    ``longest`` is the length of the longest line in bytes, or more.
    """
    options = {
        "auto_detect": "false",
        "delim": literal(delimiter),
        "quote": "'\"'",
        "escape": "'\"'",
        "compression": literal(compression),
        "columns": "{" + ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names) + "}",
        "nullstr": "[" + ", ".join(map(literal, [NULL, *missing])) + "]",
    }
    if longest > SHORT_LINE:
        options["max_line_size"] = str(2 * longest)
    return ", ".join(f"{name}={value}" for name, value in options.items())


class _Measured:
    """A file that knows its longest line in characters."""

    def __init__(self, file: TextIO) -> None:
        self.file, self.longest = file, 0

    def write(self, line: str) -> int:
        if len(line) > self.longest:
            self.longest = len(line)
        return self.file.write(line)


class CellFile:
    """A file of rows of text that is written here and read by DuckDB.

    Parameters
    ----------
    path : Path
    names : sequence of str
        Its columns.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names = path, tuple(names)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", newline="", buffering=WRITTEN)
        # The writer quotes what holds a character of the line's end, and each of them ends a line for DuckDB.
        # A single empty cell must be quoted, or its line would be blank.
        quoting: Literal[0, 1] = csv.QUOTE_MINIMAL if len(self.names) > 1 else csv.QUOTE_ALL
        self._measured = _Measured(self._file)
        self._writer = csv.writer(self._measured, quoting=quoting, lineterminator="\r\n")

    def write(self, rows: Iterable[Sequence[str]]) -> None:
        """Append rows; a missing cell is `NULL`."""
        self._writer.writerows(rows)

    def select(self) -> str:
        """The file as a table in SQL, once it is closed."""
        options = reader_options(self.names, longest=4 * self._measured.longest)
        return f"read_csv({literal(str(self.path))}, header=false, new_line='\\r\\n', {options})"

    def close(self) -> None:
        """Have everything on the disk."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
