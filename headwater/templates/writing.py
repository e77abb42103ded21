"""Finds how a file writes its numbers, times and missing values, as far as its rows leave no doubt.

What is found is declared in the product (`headwater.declare.Source`), so that it can be edited and ingestion holds
every later file to it; what could be read in two ways stays text, and is told.
"""

# ruff: noqa: S608 - names in SQL are quoted; values are literals of our own
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from headwater.lake.database import literal, quoted

MARKS = (
    *("NULL", "null", "(null)", "None", "none", "NaN", "nan", "NA", "N/A", "n/a", "#N/A", "\\N"),
    *("-", "--", "?", "."),
)
"""Texts that mean a missing value where numbers or times are expected."""
FORMATS = tuple(
    day + clock
    for day in ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d-%b-%Y", "%d %b %Y")
    for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
)
SIGNED = r"[+-]?[0-9][0-9.,' ]*[$€£¥%]|[+-]?[$€£¥] ?[+-]?[0-9][0-9.,']*"
FIRST = 1000
"""Rows that are looked at before all are."""
SHORT = tuple(written.replace("%Y", "%y") for written in FORMATS)
DIGIT, TRUTH, ISO_DAY = r".*[0-9].*", r"(?i)true|false", r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*"


@dataclass(frozen=True, order=True)
class Numbers:
    """A way to write numbers: the decimal mark, and what stands between groups of three digits."""

    decimal: str = "."
    thousands: str = ""

    @property
    def _grouped(self) -> str:
        return rf"|[1-9][0-9]{{0,2}}({re.escape(self.thousands)}[0-9]{{3}})+" if self.thousands else ""

    @property
    def whole(self) -> str:
        """A regular expression of whole numbers; those with leading zeros are names."""
        return rf"[+-]?(0|[1-9][0-9]*{self._grouped})"

    @property
    def any(self) -> str:
        """A regular expression of numbers, and of texts without a digit; digits in groups have no exponent."""
        part = rf"({re.escape(self.decimal)}[0-9]*)?"
        grouped = f"{self._grouped}{part}" if self.thousands else ""
        return rf"[+-]?((0|[1-9][0-9]*|){part}([eE][+-]?[0-9]+)?{grouped})"

    def plain(self, text: str) -> str:
        """A number as Python and SQL write it."""
        text = text.strip().replace(self.thousands, "") if self.thousands else text.strip()
        return text.replace(self.decimal, ".")


WAYS = (
    Numbers(), Numbers(","), Numbers(".", ","), Numbers(",", "."),
    Numbers(".", "'"), Numbers(".", " "), Numbers(",", " "),
)  # fmt: skip
"""The plainest first: it is taken where several read as many columns alike."""


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How a file's cells are written."""

    encoding: str = "utf-8"
    numbers: Numbers = WAYS[0]
    missing: tuple[str, ...] = ("",)
    times: Mapping[str, str] = field(default_factory=dict)
    """The format of each column whose times aren't ISO 8601."""
    doubts: tuple[str, ...] = ()
    """Lines about columns that could be read in two ways and are left as text."""

    def declared(self) -> dict[str, object]:
        """The fields of `headwater.declare.Source` that differ from the usual."""
        usual = Writing()
        fields: dict[str, tuple[object, object]] = {
            "encoding": (self.encoding, usual.encoding),
            "decimal": (self.numbers.decimal, usual.numbers.decimal),
            "thousands": (self.numbers.thousands, usual.numbers.thousands),
            "missing": (self.missing, usual.missing),
            "times": ({column: (written,) for column, written in self.times.items()}, {}),
        }
        return {name: value for name, (value, default) in fields.items() if value != default}

    def cell(self, name: str) -> str:
        """An expression for a column's cell, NULL where its text means a missing value."""
        return f"CASE WHEN {quoted(name)} NOT IN ({', '.join(map(literal, self.missing))}) THEN {quoted(name)} END"


@dataclass(frozen=True)
class _Look:
    """A column's cells as they would be read without the marks."""

    marks: frozenset[str]
    ways: frozenset[Numbers]
    formats: tuple[str, ...]
    short: tuple[str, ...]
    """Formats of times that would fit with years of two digits."""
    signed: str
    """One of them, if they are numbers with a sign such as the euro's."""
    is_other: bool
    """Whether they are truth values or days of ISO 8601."""

    @property
    def is_read(self) -> bool:
        return bool(self.ways or self.formats or self.is_other)


def find_writing(
    connection: duckdb.DuckDBPyConnection, texts: Sequence[str], floats: Sequence[str], encoding: str
) -> Writing:
    """Look through all rows of the table ``raw``.

    Parameters
    ----------
    connection : DuckDBPyConnection
    texts : sequence of str
        The columns that are text as they stand.
    floats : sequence of str
        The columns that are numbers with a decimal point as they stand, of which a decimal comma would make none.
    encoding : str
        The file's.
    """
    looks = {name: _look(connection, name) for name in texts}
    marks, doubts = _marks(looks)
    read = {name: look for name, look in looks.items() if look.is_read and look.marks <= marks}
    numbers, unsure = _numbers({name: look.ways for name, look in read.items() if look.ways}, connection, floats)
    doubts += unsure
    doubts += [
        f"{name} stays text for the sign of {look.signed!r}: sql of its source can make numbers of it"
        for name, look in looks.items()
        if look.signed
    ]
    doubts += [
        f"{name} may be times whose years have two digits, 69 to 99 of the last century: declare "
        f"{' or '.join(look.short)} as its times, or it stays text"
        for name, look in looks.items()
        if look.short and not look.is_read
    ]
    times = {}
    for name, look in read.items():
        if len(look.formats) > 1:
            ways = " or ".join(look.formats)
            doubts.append(f"{name} may be times written {ways}: declare one as its times, or it stays text")
        elif look.formats:
            times[name] = look.formats[0]
    return Writing(
        encoding=encoding,
        numbers=numbers,
        missing=("", *(mark for mark in MARKS if mark in marks)),
        times=times,
        doubts=tuple(doubts),
    )


def _look(connection: duckdb.DuckDBPyConnection, name: str) -> _Look:
    cell = quoted(name)
    is_mark = f"{cell} IN ({', '.join(map(literal, MARKS))})"
    bare = f"CASE WHEN NOT {is_mark} AND {cell} <> '' THEN trim({cell}) END"
    asked: dict[object, str] = {
        **{way: f"bool_and({_matches(bare, way.any)}) AND bool_and({_matches(bare, DIGIT)})" for way in WAYS},
        # Python takes no year of two digits for %Y, DuckDB does.
        **{
            written: f"bool_and(coalesce(try_strptime({bare}, {literal(written)}) >= TIMESTAMP '1000-01-01', "
            f"({bare}) IS NULL))"
            for written in (*FORMATS, *SHORT)
        },
        "signed": f"bool_and({_matches(bare, SIGNED)})",
        "truth": f"bool_and({_matches(bare, TRUTH)})",
        "day": f"bool_and({_matches(bare, ISO_DAY)}) "
        f"AND bool_and(({bare}) IS NULL OR TRY_CAST({bare} AS TIMESTAMPTZ) IS NOT NULL)",
    }
    # Most is ruled out by the first rows, and what isn't is asked of all.
    for rows in (f"(SELECT * FROM raw WHERE ({bare}) IS NOT NULL LIMIT {FIRST})", "raw"):
        parts = ", ".join([f"list(DISTINCT {cell}) FILTER ({is_mark})", f"min({bare})", *asked.values()])
        marks, least, *results = connection.execute(f"SELECT {parts} FROM {rows}").fetchall()[0]
        asked = {what: part for (what, part), works in zip(asked.items(), results, strict=True) if works}
    return _Look(
        frozenset(marks or ()),
        frozenset(way for way in WAYS if way in asked),
        tuple(written for written in FORMATS if written in asked),
        tuple(written for written in SHORT if written in asked),
        least if "signed" in asked else "",
        "truth" in asked or "day" in asked,
    )


def _matches(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {literal(pattern)})"


def _marks(looks: Mapping[str, _Look]) -> tuple[set[str], list[str]]:
    """The marks that mean nothing but a missing value, and doubts about the others: in a text column each is a text."""
    texts = {name for name, look in looks.items() if not look.is_read}
    while True:
        taken = {mark for name in texts for mark in looks[name].marks}
        more = {name for name, look in looks.items() if look.marks & taken} - texts
        if not more:
            break
        texts |= more
    doubts = [
        f"{name} stays text for its {_listed(looks[name].marks)}, which another column has as a value: if it means a "
        "missing value, declare it as missing"
        for name in texts
        if looks[name].is_read
    ]
    return {mark for name, look in looks.items() if name not in texts for mark in look.marks}, doubts


def _numbers(
    ways: Mapping[str, frozenset[Numbers]], connection: duckdb.DuckDBPyConnection, floats: Sequence[str]
) -> tuple[Numbers, list[str]]:
    """The way that reads the most columns, if no other reads them as other numbers."""
    if not any(WAYS[0] not in read for read in ways.values()):
        return WAYS[0], []
    every = {**ways, **{name: _look(connection, name).ways for name in floats}}
    read = {way: sum(way in allowed for allowed in every.values()) for way in WAYS}
    best = [way for way in WAYS if read[way] == max(read.values())]
    if WAYS[0] not in best and len({way.decimal for way in best}) == 1:
        return best[0], []
    return WAYS[0], [
        f"{name} may be numbers, with a comma as the decimal mark or between thousands: declare decimal or thousands, "
        "or it stays text"
        for name, allowed in ways.items()
        if WAYS[0] not in allowed
    ]


def _listed(marks: frozenset[str]) -> str:
    return ", ".join(map(repr, sorted(marks)))


def epochs(name: str, cell: str) -> Iterator[str]:
    """A doubt about whole numbers whose least one could be a time of this century in milliseconds."""
    if re.fullmatch("1[0-9]{12}", cell):
        yield (
            f"{name} may be times, in milliseconds since 1970: then declare its type as a time in contracts.py and its "
            "times as epoch_milliseconds"
        )


def late_times(name: str, cell: str) -> Iterator[str]:
    """A doubt about text that begins as a time does."""
    if re.fullmatch(ISO_DAY, cell):
        yield (
            f"{name} stays text, though it begins as a time does ({cell!r}): not all of its values are days of a "
            "calendar and times in whole microseconds"
        )
