"""Conversions of cells between types, in SQL and, where SQL can't, in Python: exact, or NULL."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from decimal import Decimal, InvalidOperation

from headwater.declare import Source
from headwater.lake.contract import Column
from headwater.lake.database import literal
from headwater.lake.dtypes import Kind
from headwater.lake.phrases import LONGEST_RULE, clipped
from headwater.lake.times import EPOCHS, duration, reader_of_times, whole_day

_BLANK = "trim({cell}, ' ' || chr(9) || chr(10) || chr(13))"
_DIGITS = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)"
_NUMBER = rf"{_DIGITS}([eE][+-]?[0-9]+)?"
_WHOLE = r"[+-]?[0-9]+(\.0*)?"
_DAY = "(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_FINER = re.compile(r":[0-9]{2}[.,][0-9]{7}")
_OFFSET = "(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])"
MOST_DIGITS = 60
TRUE, FALSE = ("true", "t", "yes", "1", "1.0"), ("false", "f", "no", "0", "0.0")
_WHOLE_TYPES = frozenset(
    {
        *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
    }
)
_FLOAT_TYPES = frozenset({"FLOAT", "DOUBLE"})


@dataclass(frozen=True)
class Cast:
    """A conversion to ``kind``, one of DuckDB's types."""

    sql: str
    """An expression over ``{cell}``; NULL if the cell can't be converted."""
    kind: str
    can_fail: bool = True
    python: Callable[[str], str | None] | None = None
    """Reads a cell's text that SQL can't convert; returns a text that DuckDB casts exactly."""
    python_when: str = ""
    """An SQL condition over ``{cell}`` for cells that Python may convert; by default all that SQL couldn't."""
    words: str = ""
    """The expected value, in words, if the contract's dtype doesn't say."""


def at(sql: str, cell: str) -> str:
    """An expression of a `Cast` over the cell ``cell``."""
    return sql.replace("{cell}", cell)


def cast_of(column: Column, raw: str, file_type: str | None, source: Source, *, delimited: bool) -> Cast:
    """The conversion of a column's cells.

    Parameters
    ----------
    column : Column
    raw : str
        DuckDB's type of its cells.
    file_type : str or None
        The cells' type in the file, if they are text only because JSON was read as text.
    source : Source
    delimited : bool
        Whether the cells come from a CSV file, whose numbers are written as the source declares.
    """
    kind = column.kind
    if kind.family == "any":
        return _as_in_the_file(file_type or raw, raw)
    if kind.family in ("text", "category"):
        return _text(kind, raw)
    number = _number(source) if delimited and raw == "VARCHAR" else _BLANK
    if kind.family == "integer":
        return _integer(kind, raw, number, decimal_comma(source) if delimited else str)
    if kind.family == "float":
        return _float(kind, raw, number)
    if kind.family == "decimal":
        return _decimal(kind, raw, number, decimal_comma(source) if delimited else str)
    if kind.family == "boolean":
        return _boolean(raw)
    formats = source.times_of(column.name) or kind.formats
    if kind.family == "duration":
        return _duration(raw)
    return _time(kind, raw, formats) if kind.family == "time" else _date(raw, formats)


def expected(kind: Kind, cast: Cast, text: str) -> str:
    """The expected form of a cell, in words."""
    if cast.words:
        return cast.words
    if kind.family == "integer" and re.fullmatch(_NUMBER, text.strip()) and not re.fullmatch(r"[+-]?\d+", text.strip()):
        return "a whole number"
    if kind.family == "time" and _FINER.search(text):
        return "a time in whole microseconds"
    return clipped(kind.words, LONGEST_RULE // 2)


def _in_years(value: str) -> str:
    """A time; NULL outside the years 1 to 9999 that Python and pandas know."""
    return (
        f"CASE WHEN {value} BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999' THEN {value} END"
    )


def _never(kind: str) -> str:
    """NULL whatever the cell is."""
    return f"CASE WHEN {{cell}} IS NULL THEN CAST(NULL AS {kind}) END"


def _number(source: Source) -> str:
    """A number's text with a decimal point and without separators; NULL if the text isn't written as the source
    declares."""
    text = _BLANK
    point = re.escape(source.decimal)
    if source.thousands:
        group = re.escape(source.thousands)
        pattern = rf"[+-]?[0-9]{{1,3}}({group}[0-9]{{3}})+({point}[0-9]*)?"
        plain = f"replace({text}, {literal(source.thousands)}, '')"
        text = f"CASE WHEN regexp_full_match({text}, {literal(pattern)}) THEN {plain} ELSE {text} END"
    if source.decimal == ",":
        text = f"CASE WHEN contains({text}, '.') THEN NULL ELSE replace({text}, ',', '.') END"
    return text


def decimal_comma(source: Source) -> Callable[[str], str]:
    """The function that writes a number of the source with a decimal point."""
    return (lambda text: "" if "." in text else text.replace(",", ".")) if source.decimal == "," else str


def _matches(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {literal(pattern)})"


def _as_text(raw: str, number: str) -> str:
    return number if raw == "VARCHAR" else "CAST({cell} AS VARCHAR)"


def _as_in_the_file(file_type: str, raw: str) -> Cast:
    if file_type == "TIMESTAMP WITH TIME ZONE":
        return Cast("CAST(timezone('UTC', {cell}) AS TIMESTAMP)", "TIMESTAMP", can_fail=False)
    if file_type == "TIMESTAMP_NS":
        return Cast(_MICROSECONDS, "TIMESTAMP", words="whole microseconds")
    if file_type.startswith("TIMESTAMP_"):
        return Cast("CAST({cell} AS TIMESTAMP)", "TIMESTAMP", can_fail=False)
    if file_type == "INTERVAL":
        return Cast(_MILLISECONDS, "INTERVAL", words="a duration of whole milliseconds")
    if file_type != raw:
        return Cast(f"CAST({{cell}} AS {file_type})", file_type, can_fail=False)
    return Cast("{cell}", raw, can_fail=False)


_MICROSECONDS = "CASE WHEN epoch_ns({cell}) % 1000 = 0 THEN CAST({cell} AS TIMESTAMP) END"
_MILLISECONDS = "CASE WHEN {cell} >= INTERVAL 0 SECONDS AND date_part('microsecond', {cell}) % 1000 = 0 THEN {cell} END"


def _text(kind: Kind, raw: str) -> Cast:
    if raw == "BLOB":
        text, can_fail = "TRY(decode({cell}))", True
    elif raw.endswith("]") or raw.startswith(("STRUCT", "MAP", "UNION")):
        text, can_fail = "CAST(to_json({cell}) AS VARCHAR)", False
    else:
        text, can_fail = ("{cell}" if raw == "VARCHAR" else "CAST({cell} AS VARCHAR)"), False
    if kind.categories is not None:
        # A category may look like the place of the cell.
        allowed = ", ".join(literal(entry).replace("{cell}", "{' || 'cell}") for entry in kind.categories) or "NULL"
        return Cast(f"CASE WHEN {text} IN ({allowed}) THEN {text} END", "VARCHAR")
    return Cast(text, "VARCHAR", can_fail)


def _integer(kind: Kind, raw: str, number: str, plain: Callable[[str], str]) -> Cast:
    if raw in _WHOLE_TYPES:
        return Cast(f"TRY_CAST({{cell}} AS {kind.sql})", kind.sql)
    if raw in _FLOAT_TYPES:
        return Cast(f"CASE WHEN {{cell}} = trunc({{cell}}) THEN TRY_CAST({{cell}} AS {kind.sql}) END", kind.sql)
    if raw != "VARCHAR" and not raw.startswith("DECIMAL"):
        return Cast(_never(kind.sql), kind.sql)
    text = _as_text(raw, number)
    digits = f"ltrim(split_part({text}, '.', 1), '+')"
    return Cast(
        f"CASE WHEN {_matches(text, _WHOLE)} THEN TRY_CAST({digits} AS {kind.sql}) END",
        kind.sql,
        python=lambda text: _whole(plain(text)),
        python_when=_matches(text, rf"{_DIGITS}[eE][+-]?[0-9]+"),
    )


def _whole(text: str) -> str | None:
    number = _decimal_of(text)
    return None if number is None or number != number.to_integral_value() else str(int(number))


def _decimal_of(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= MOST_DIGITS else None


def _float(kind: Kind, raw: str, number: str) -> Cast:
    if raw in _FLOAT_TYPES:
        if kind.sql == "DOUBLE" or raw == "FLOAT":
            return Cast(f"CAST({{cell}} AS {kind.sql})", kind.sql, can_fail=False)
        # A number that is finite as a double must stay finite; otherwise it is too large.
        fits = "isfinite(TRY_CAST({cell} AS FLOAT)) OR NOT isfinite({cell})"
        return Cast(f"CASE WHEN {fits} THEN TRY_CAST({{cell}} AS FLOAT) END", kind.sql)
    if raw in _WHOLE_TYPES and raw not in ("HUGEINT", "UHUGEINT"):
        return Cast(f"CAST({{cell}} AS {kind.sql})", kind.sql, can_fail=False)
    if raw != "VARCHAR" and not raw.startswith("DECIMAL") and raw not in _WHOLE_TYPES:
        return Cast(_never(kind.sql), kind.sql)
    text = _as_text(raw, number)
    value = f"TRY_CAST(ltrim({text}, '+') AS {kind.sql})"
    return Cast(f"CASE WHEN {_matches(text, _NUMBER)} AND isfinite({value}) THEN {value} END", kind.sql)


def _decimal(kind: Kind, raw: str, number: str, plain: Callable[[str], str]) -> Cast:
    if raw != "VARCHAR" and raw not in _WHOLE_TYPES | _FLOAT_TYPES and not raw.startswith("DECIMAL"):
        return Cast(_never(kind.sql), kind.sql)
    text = _as_text(raw, number)
    fits = f"length(rtrim(split_part({text}, '.', 2), '0')) <= {kind.scale}"
    whole = f"ltrim(rtrim(CASE WHEN contains({text}, '.') THEN rtrim({text}, '0') ELSE {text} END, '.'), '+')"

    def exactly(text: str) -> str | None:
        number = _decimal_of(plain(text))
        if number is None:
            return None
        scaled = number.scaleb(kind.scale)
        return format(number, "f") if scaled == scaled.to_integral_value() else None

    return Cast(
        f"CASE WHEN {_matches(text, _DIGITS)} AND {fits} THEN TRY_CAST({whole} AS {kind.sql}) END",
        kind.sql,
        python=exactly,
        python_when=_matches(text, rf"{_DIGITS}[eE][+-]?[0-9]+"),
    )


def _boolean(raw: str) -> Cast:
    if raw == "BOOLEAN":
        return Cast("{cell}", "BOOLEAN", can_fail=False)
    if raw in _WHOLE_TYPES | _FLOAT_TYPES or raw.startswith("DECIMAL"):
        return Cast("CASE WHEN {cell} = 1 THEN true WHEN {cell} = 0 THEN false END", "BOOLEAN")
    if raw != "VARCHAR":
        return Cast(_never("BOOLEAN"), "BOOLEAN")
    text = f"lower({_BLANK})"
    true, false = (", ".join(map(literal, words)) for words in (TRUE, FALSE))
    return Cast(f"CASE WHEN {text} IN ({true}) THEN true WHEN {text} IN ({false}) THEN false END", "BOOLEAN")


def _duration(raw: str) -> Cast:
    if raw == "INTERVAL":
        return Cast(_MILLISECONDS, "INTERVAL")

    def read(text: str) -> str | None:
        found = duration(text)
        return None if found is None else f"{found.days} days {found.seconds * 1000 + found.microseconds // 1000} ms"

    return Cast(_never("INTERVAL"), "INTERVAL", python=read if raw == "VARCHAR" else None)


def _is_utc(zone: tzinfo | None) -> bool:
    return zone is None or zone is UTC or str(zone) in ("UTC", "Etc/UTC")


def _time(kind: Kind, raw: str, formats: tuple[str, ...]) -> Cast:
    never = _never("TIMESTAMP")
    words = f"a time as its source declares ({', '.join(formats)})" if formats else kind.words
    if raw == "TIMESTAMP WITH TIME ZONE":
        return Cast(_in_years("CAST(timezone('UTC', {cell}) AS TIMESTAMP)"), "TIMESTAMP")
    zone = None if _is_utc(kind.zone) else kind.zone
    read = reader_of_times(() if raw.startswith(("TIMESTAMP", "DATE")) else formats, zone)

    def iso(text: str) -> str | None:
        found = read(text)
        return None if found is None else found.isoformat(sep=" ")

    if raw == "DATE" or raw.startswith("TIMESTAMP"):
        if zone is not None:
            return Cast(never, "TIMESTAMP", python=iso)
        return Cast(_MICROSECONDS if raw == "TIMESTAMP_NS" else _in_years("CAST({cell} AS TIMESTAMP)"), "TIMESTAMP")
    counts = any(written in EPOCHS for written in formats)
    if raw != "VARCHAR" and not (counts and (raw in _WHOLE_TYPES | _FLOAT_TYPES or raw.startswith("DECIMAL"))):
        return Cast(never, "TIMESTAMP")
    if formats or zone is not None:
        return Cast(never, "TIMESTAMP", python=iso, words=words)
    utc = "CAST(timezone('UTC', TRY_CAST({cell} AS TIMESTAMPTZ)) AS TIMESTAMP)"
    # A trim costs as much as the rest; a text with blanks around it is left to Python.
    plain, zoned = _matches("{cell}", f"{_DAY}({_CLOCK})?"), _matches("{cell}", f"{_DAY}{_CLOCK}{_OFFSET}")
    return Cast(
        f"CASE WHEN {plain} THEN TRY_CAST({{cell}} AS TIMESTAMP) WHEN {zoned} THEN {_in_years(utc)} END",
        "TIMESTAMP",
        python=iso,
    )


def _date(raw: str, formats: tuple[str, ...]) -> Cast:
    if raw == "DATE":
        return Cast("CASE WHEN {cell} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN {cell} END", "DATE")
    if raw.startswith("TIMESTAMP"):
        moment = "timezone('UTC', {cell})" if raw.endswith("ZONE") else "CAST({cell} AS TIMESTAMP)"
        return Cast(
            f"CASE WHEN isfinite({{cell}}) AND {moment} = date_trunc('day', {moment}) THEN CAST({moment} AS DATE) END",
            "DATE",
        )
    if raw != "VARCHAR":
        return Cast(_never("DATE"), "DATE")
    read = reader_of_times(formats, None)

    def iso(text: str) -> str | None:
        found = whole_day(read(text))
        return None if found is None else found.isoformat()

    if formats:
        return Cast(_never("DATE"), "DATE", python=iso, words=f"a date as its source declares ({', '.join(formats)})")
    return Cast(f"CASE WHEN {_matches('{cell}', _DAY)} THEN TRY_CAST({{cell}} AS DATE) END", "DATE", python=iso)
