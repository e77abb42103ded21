"""Sources: the rows that users upload, and what they are read as."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from headwater.declare.base import Declaration, Name, refuse_repeats
from headwater.declare.references import Reference

TIME_FORMATS = ("iso8601", "epoch_seconds", "epoch_milliseconds", "epoch_microseconds")
"""Names that `Source.times` accepts beside formats of ``strptime``."""
LANDED = "landed"
"""The validated rows in `Source.sql`; so no source is called this."""


class Source(Declaration):
    """Rows that users upload under ``landing/<name>/``, one file at a time (CSV, Parquet or JSON lines)."""

    name: Name
    """The source's name: its folder under ``landing/``, and its table in SQL."""
    description: str = ""
    """One line for people."""
    contract: Reference
    """A pandera ``DataFrameSchema``; every row that fails it goes to quarantine with its reasons."""
    keys: tuple[str, ...] = ()
    """Columns that together name a row; of two rows alike in a file the first is kept, of rows alike in several files
    that of the file which landed last (if the curated rows still have these columns)."""
    missing: tuple[str, ...] = ("",)
    """Texts in a CSV file that mean a missing value."""
    encoding: str = "utf-8"
    """Encoding of CSV files and JSON lines, by Python's name: ``"cp1252"``, ``"latin-1"``, ``"utf-16"``."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """The character between a CSV file's values; by default a tab in ``.tsv``, else the one of ``, ; tab |`` that the
    header has."""
    quotechar: Annotated[str, Field(max_length=1)] = '"'
    """The quote around a CSV file's values; empty if there is none."""
    escapechar: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """The character before a quote within a value; by default the quote itself."""
    skiprows: Annotated[int, Field(ge=0)] = 0
    """Lines of a CSV file before its header."""
    comment: Annotated[str, Field(min_length=1)] | None = None
    """The beginning of a CSV file's lines that aren't rows, such as ``"#"``."""
    names: tuple[str, ...] = ()
    """The columns of CSV files that have no header."""
    decimal: Literal[".", ","] = "."
    """The decimal mark of a CSV file's numbers."""
    thousands: Literal[".", ",", " ", "'", "_"] | None = None
    """The separator between groups of three digits in a CSV file's numbers."""
    times: tuple[str, ...] | Mapping[str, tuple[str, ...]] = ()
    """How times are written if not in ISO 8601, for all time columns or by column: formats of ``strptime`` such as
    ``"%d/%m/%Y %H:%M"``, ``"iso8601"``, or ``"epoch_seconds"``, ``"epoch_milliseconds"``, ``"epoch_microseconds"``."""
    sql: str = "SELECT * FROM landed"
    """From the validated rows (``landed``) to the curated ones, one row each: adds times, renames, casts. DuckDB's
    dialect, time zone UTC."""
    event_time: str | None = None
    """Curated column: when it happened (timestamp, UTC)."""
    available_time: str | None = None
    """Curated column: when the row could first be known (timestamp, UTC); by default the event time. Questions after it
    know the row, those of that very moment don't: by default no example sees its own row."""
    max_rejected: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of rows that may be rejected before the file is refused whole."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(f"source {self.name!r}: unknown encoding {self.encoding!r}") from error
        if self.decimal == self.thousands:
            raise ValueError(f"source {self.name!r}: decimal and thousands are both {self.decimal!r}")
        for written in self.times if isinstance(self.times, tuple) else sum(self.times.values(), ()):
            if "%" not in written and written not in TIME_FORMATS:
                raise ValueError(
                    f"source {self.name!r}: times {written!r}: expected a format of strptime such as "
                    f"'%d/%m/%Y %H:%M', or one of {', '.join(TIME_FORMATS)}"
                )
        refuse_repeats(f"source {self.name!r}", self.names)
        return self

    def times_of(self, column: str) -> tuple[str, ...]:
        """How ``column`` writes its times; empty for ISO 8601."""
        return self.times if isinstance(self.times, tuple) else self.times.get(column, ())
