"""The columns of a view's rows as SQL: keys, times, values and the order among an entity's rows."""

from __future__ import annotations

import re

from headwater.declare import Feature, FeatureView
from headwater.lake.database import quoted

EVENT, AVAILABLE, ASKED = "event_time", "available_time", "asked_at"
LARGEST, LARGEST_SINGLE = 1.7976931348623157e308, 3.4028234663852886e38


def known_sql(event: str, available: str) -> str:
    """The first moment whose question knows a row, in microseconds since 1970 as both arguments are.

    That is when the row happened, but not before the microsecond after it became available.
    """
    return f"greatest({event}, {available} + 1)"


KNOWN = known_sql(f"epoch_us({EVENT})", f"epoch_us({AVAILABLE})")
"""`known_sql` of a view's rows."""

_KEYS = re.compile(
    r"""(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|BOOLEAN|DECIMAL\(\d+,\d+\)|DATE|UUID|VARCHAR|ENUM\(.*|"NULL"|VOID)$"""
)


def key_problem(kind: str) -> str:
    """The expected type, in words, if DuckDB's type ``kind`` can't be a join key's; empty if it can."""
    return "" if _KEYS.match(kind) else "text, a number, a boolean, a date or a UUID"


def entity_sql(column: str, kind: str) -> str:
    """A join key as text, as `headwater.features.inputs.entity_text` writes it; NULL when missing.

    Every type keeps all of its digits: an exact number never becomes a DOUBLE.
    """
    if kind.startswith("DECIMAL"):
        return _decimal_key(f"CAST({column} AS VARCHAR)")
    if kind in {"DOUBLE", "FLOAT"}:
        number = f"CAST({column} AS DOUBLE)"
        whole = f"coalesce(CAST(TRY_CAST({number} AS HUGEINT) AS VARCHAR), CAST({number} AS VARCHAR))"
        other = _without_exponent(f"CAST({number} AS VARCHAR)")
        return finite_sql(f"CASE WHEN {number} = floor({number}) THEN {whole} ELSE {other} END", number)
    return f"nullif(CAST({column} AS VARCHAR), '')"


def _decimal_key(digits: str) -> str:
    """A decimal's digits without the zeros that end its fraction; ``0.5``, never ``.5``; ``0E-7`` is Spark's zero."""
    short = f"CASE WHEN contains({digits}, '.') THEN rtrim(rtrim({digits}, '0'), '.') ELSE {digits} END"
    whole = f"CASE WHEN starts_with({short}, '.') THEN '0' || {short} ELSE {short} END"
    whole = f"CASE WHEN starts_with({short}, '-.') THEN '-0' || substr({short}, 2) ELSE {whole} END"
    zero = f"{short} IN ('', '-', '-0') OR starts_with({digits}, '0E')"
    return f"CASE WHEN {zero} THEN '0' ELSE {whole} END"


def _without_exponent(text: str) -> str:
    """A fraction below 1 whose text may be ``9.5e-07`` as ``0.00000095``."""
    digits = f"replace(ltrim(split_part({text}, 'e-', 1), '-'), '.', '')"
    zeros = f"repeat('0', TRY_CAST(split_part({text}, 'e-', 2) AS INTEGER) - 1)"
    sign = f"CASE WHEN starts_with({text}, '-') THEN '-' ELSE '' END"
    return f"CASE WHEN contains({text}, 'e-') THEN {sign} || '0.' || {zeros} || {digits} ELSE {text} END"


def moment_sql(column: str, kind: str) -> str:
    """A time in UTC without a zone; NULL for one that no question can be about.

    These are the infinite times of PostgreSQL and DuckDB, and those before the year 1 or after the year 9999.
    """
    moment = f"timezone('UTC', {column})" if kind == "TIMESTAMP WITH TIME ZONE" else f"TRY_CAST({column} AS TIMESTAMP)"
    return (
        f"CASE WHEN {moment} BETWEEN TIMESTAMP '0001-01-01 00:00:00' AND TIMESTAMP '9999-12-31 23:59:59.999999' "
        f"THEN {moment} END"
    )


def finite_sql(value: str, number: str = "") -> str:
    """``value``, or NULL where ``number`` (by default itself) is NaN or infinite.

    NaN is above everything in DuckDB and Spark alike; not every engine has a word for it.
    """
    return f"CASE WHEN abs({number or value}) <= {LARGEST} THEN {value} END"


def value_sql(feature: Feature, kind: str) -> str:
    """A feature's value of a column of DuckDB's type ``kind``.

    Text is NULL where it is empty. A number has float32's precision, in a DOUBLE; it is NULL where it is NaN, infinite
    or beyond float32, which no model could use. Sums of floats may differ in their last bit from run to run; in float32
    they don't. Whole numbers and booleans stay as they are, for `headwater.features.offline.checks` to refuse what
    float32 would round.
    """
    column = quoted(feature.name)
    if feature.is_text:
        return text_sql(column)
    number = double_sql(column, kind)
    if feature.kind in {"integer", "boolean"}:
        return finite_sql(f"{number} + CAST(0 AS DOUBLE)", number)
    # Zero has no sign, as online: -0.0 and 0.0 are the same bytes there.
    single = f"CAST(TRY_CAST({number} AS FLOAT) AS DOUBLE) + CAST(0 AS DOUBLE)"
    return f"CASE WHEN abs({single}) <= {LARGEST_SINGLE} THEN {single} END"


def double_sql(column: str, kind: str) -> str:
    """The DOUBLE that is next to a number."""
    # DuckDB divides a long DECIMAL in two steps and may be off by one bit; text is read right.
    exact = f"CAST({column} AS VARCHAR)" if kind.startswith("DECIMAL") else column
    return f"CAST({exact} AS DOUBLE)"


def text_sql(column: str) -> str:
    """A category, as a request input of that kind is read: the empty one is missing."""
    return f"nullif(CAST({column} AS VARCHAR), '')"


def newest_last(view: FeatureView, *between: str) -> str:
    """An ORDER BY list by which an entity's newest row comes last; decides ties.

    What is ``between`` decides before the values do.
    """
    ties = "".join(f", {quoted(feature.name)} NULLS FIRST" for feature in view.features)
    return f"{', '.join((EVENT, AVAILABLE, *between))}{ties}"
