"""Translates a contract's dtypes, pandera's and pandas', to DuckDB's types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy
import pandas
from pandera.engines import pandas_engine

Family = Literal["any", "text", "integer", "float", "decimal", "boolean", "time", "date", "duration", "category"]
MOST_DIGITS = 38
_INTEGERS = {
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
}
_FLOATS = {"float32": "FLOAT", "float64": "DOUBLE"}
SUPPORTED = (
    "integers of 8 to 64 bits, float32, float64, Decimal to 38 digits, bool, str, category, dates, "
    "datetimes, timedeltas, and object for what stays as the file has it"
)
_FORMAT = "format"


class Unsupported(ValueError):
    """A dtype that no file's cells can be converted to exactly."""


@dataclass(frozen=True)
class Kind:
    """The type of a column's cells."""

    family: Family
    sql: str = ""
    """DuckDB's type; of ``any`` the file's."""
    words: str = ""
    """The expected value, in the words of messages."""
    dtype: Any = None
    """pandas' dtype of the frame that pandera judges."""
    scale: int = 0
    """For a decimal, its digits behind the point."""
    categories: tuple[Any, ...] | None = None
    zone: Any = None
    """For a time, the zone of texts without an offset."""
    formats: tuple[str, ...] = ()
    """For a time, the formats that its dtype declares."""


ANY = Kind("any")


def kind_of(dtype: Any) -> Kind:
    """The cell type of a pandera column's dtype.

    Raises
    ------
    Unsupported
        No cell of a file can be converted to it exactly.
    """
    if dtype is None:
        return ANY
    native, name = getattr(dtype, "type", None), str(dtype)
    if isinstance(dtype, pandas_engine.Decimal):
        if dtype.precision > MOST_DIGITS:
            raise Unsupported(f"{name} has more than {MOST_DIGITS} digits")
        return Kind("decimal", f"DECIMAL({dtype.precision},{dtype.scale})", name, "object", scale=dtype.scale)
    if isinstance(dtype, pandas_engine.Date):
        return Kind("date", "DATE", "a date in ISO 8601", "object", formats=_formats(dtype))
    if isinstance(dtype, pandas_engine.DateTime):
        return Kind(
            "time", "TIMESTAMP", "a time in ISO 8601", native, zone=getattr(dtype, "tz", None), formats=_formats(dtype)
        )
    if isinstance(native, pandas.CategoricalDtype):
        return _category(native)
    if isinstance(native, pandas.StringDtype) or name in ("str", "string"):
        return Kind("text", "VARCHAR", "text", native)
    if isinstance(native, (numpy.dtype, pandas.api.extensions.ExtensionDtype)) and (kind := _native(native)):
        return kind
    raise Unsupported(f"dtype {name} isn't supported; supported are {SUPPORTED}")


def _native(native: Any) -> Kind | None:
    name = str(native)
    low = name.lower()
    if low in _INTEGERS:
        return Kind("integer", _INTEGERS[low], low, native)
    if low in _FLOATS:
        return Kind("float", _FLOATS[low], low, native)
    if low in ("bool", "boolean"):
        return Kind("boolean", "BOOLEAN", "true or false", native)
    if name == "object":
        return ANY
    if getattr(native, "kind", "") == "m":
        return Kind("duration", "INTERVAL", "a duration such as '1 days 02:03:04' or 'P1DT2H'", "timedelta64[us]")
    return None


def _category(native: pandas.CategoricalDtype) -> Kind:
    if native.categories is None:
        return Kind("category", "VARCHAR", "text", native)
    categories = tuple(native.categories)
    if not all(isinstance(entry, str) for entry in categories):
        raise Unsupported("categories that aren't texts: check the values of an integer or float column instead")
    return Kind("category", "VARCHAR", f"one of {', '.join(map(repr, categories))}", native, categories=categories)


def _formats(dtype: Any) -> tuple[str, ...]:
    declared = dict(getattr(dtype, "to_datetime_kwargs", None) or {})
    written = declared.pop(_FORMAT, None)
    # Times are converted as if these were said, or they make no difference to an exact one.
    declared.pop("utc", None)
    declared.pop("errors", None)
    if declared:
        raise Unsupported(f"{', '.join(declared)}: say how times are written by Source.times")
    if written is None:
        return ()
    return ("iso8601",) if str(written).lower() in ("iso8601", "mixed") else (str(written),)
