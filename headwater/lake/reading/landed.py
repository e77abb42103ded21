"""Input and output of reading a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from headwater.lake.errors import FileRefused
from headwater.lake.phrases import listed, shown

ROW = "__row"
"""The file's own row numbers, the first row after the header being 1."""
MOST_COLUMNS = 5000
WIDE = 1000
"""Columns above which those that the contract drops anyway aren't read: DuckDB needs memory for each."""


class Wanted(Protocol):
    """The part of a contract that reading needs."""

    @property
    def drops_others(self) -> bool:
        """Whether columns that the contract doesn't name are dropped."""

    def named(self, present: Sequence[str]) -> Sequence[str]:
        """The columns of a file that the contract names."""

    def required(self) -> Sequence[str]:
        """The columns that a file must have."""

    def written_as_text(self) -> Mapping[str, str]:
        """The columns in which a JSON number can only be a mistake, such as times, and what is expected instead."""

    def refuse_columns(self, present: Sequence[str]) -> None:
        """Raise `FileRefused` if a file with these columns lacks required columns or has forbidden ones."""


@dataclass(frozen=True, slots=True)
class MalformedLine:
    """A line of a file that is no row, or a row with a cell that can't be what its column holds."""

    row: int
    reason: str
    line: str
    rule: str = "not a row of the table"
    """The reason without the value, so that reasons can be counted."""


@dataclass(frozen=True, slots=True)
class Landed:
    """Result of `read`; the rows themselves are the table ``raw``, numbered by the column ``__row``."""

    columns: tuple[str, ...]
    malformed: tuple[MalformedLine, ...] = ()
    """Lines that aren't in ``raw``."""
    misfits: tuple[MalformedLine, ...] = ()
    """Rows in ``raw`` with a cell that must be rejected."""
    types: Mapping[str, str] = field(default_factory=dict)
    """DuckDB's types of columns that are text in ``raw`` but not in the file."""


def refuse_names(names: Sequence[str]) -> None:
    """Raise `FileRefused` unless a table can have these columns, side by side."""
    if ROW in names:
        raise FileRefused(f"a column may not be called {ROW}")
    seen: dict[str, str] = {}
    repeated: list[str] = []
    alike: list[str] = []
    for name in names:
        if "\0" in name:
            raise FileRefused(f"the column {shown(name)} holds a NUL: the file looks like utf-16, declare its encoding")
        if name.lower() in seen:
            (repeated if seen[name.lower()] == name else alike).append(name)
        else:
            seen[name.lower()] = name
    if repeated:
        raise FileRefused(f"columns named more than once: {listed(dict.fromkeys(repeated))}")
    if alike:
        raise FileRefused(f"columns whose names differ by case alone: {listed([seen[alike[0].lower()], *alike])}")


def kept(names: Sequence[str], wanted: Wanted) -> list[str]:
    """The columns that are read; of a wide file only those that the contract names, if it drops the others."""
    read = list(names)
    if len(names) > WIDE and wanted.drops_others:
        named = set(wanted.named(names))
        read = [name for name in names if name in named]
    if len(read) > MOST_COLUMNS:
        raise FileRefused(
            f"{len(read):,} columns are more than the {MOST_COLUMNS:,} that a table may have; with strict='filter' "
            "only those count that the contract names"
        )
    return read
