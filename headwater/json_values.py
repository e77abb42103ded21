"""JSON that keeps what was given: values of Python, NumPy, pandas and Arrow on their way out, numbers on their way in.

JSON's own module makes text of what it doesn't know or refuses it, rounds numbers that a float can't hold, and takes
the last of two values with one name. Here a value comes out as it went in, or is refused by name. None of the libraries
is imported for it: their values are told by the name of their type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, NoReturn
from uuid import UUID

from headwater.errors import InvalidRequest

MOST_BITS = 14_000
"""Bits of the largest whole number: Python reads no text of more than 4,300 digits as one."""
_SAFE_DIGITS = 15
"""As many digits of any number a float gives back."""
_NUMBER = re.compile(r"[+-]?([0-9]+|([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]+)?)")
_REFUSED = object()


class NotJson(InvalidRequest):
    """A value that JSON can't hold."""


def json_value(value: Any, where: str = "") -> Any:
    """``value`` as JSON holds it, exactly.

    Scalars of NumPy, pandas and Arrow become Python's. NaN, NaT and pandas.NA are None. Times are ISO 8601 with their
    offset, UTC where they have none; dates and UUIDs are text. Decimals stay decimals, for `dumps` to write.

    Parameters
    ----------
    value : object
    where : str
        What it is called in an error, such as ``instances[3].carrier``.

    Raises
    ------
    NotJson
        JSON can't hold it.
    """
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if isinstance(value, Mapping):
        return {_name(name, where): json_value(entry, f"{where}.{name}".lstrip(".")) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(entry, f"{where}[{place}]") for place, entry in enumerate(value)]
    found = _scalar(value)
    if found is _REFUSED:
        said = "a number of more than 4,000 digits" if isinstance(value, int) else " ".join(ascii(value).split())
        called = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
        raise NotJson(
            f"{where or 'the value'}: {said if len(said) <= 80 else said[:77] + '...'} ({called}) can't be sent "
            "exactly, expected text, a number, true or false, a time, or None for a missing value"
        )
    return found


def _name(name: Any, where: str) -> str:
    if isinstance(name, str):
        return str.__str__(name)
    raise NotJson(f"{where or 'the value'}: the name {ascii(name)[:80]} is {type(name).__name__}, expected text")


def _scalar(value: Any) -> Any:
    """One value that is neither a list nor a mapping; `_REFUSED` if it has no exact form."""
    kind = type(value)
    if kind is bool:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):  # numpy's float64 is one
        return float(value) if isfinite(value) else None if value != value else _REFUSED
    if isinstance(value, int):
        return int(value) if value.bit_length() <= MOST_BITS else _REFUSED
    if isinstance(value, Decimal):
        return None if value.is_nan() else value if value.is_finite() else _REFUSED
    if kind.__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date | UUID):
        return str(value)
    library = kind.__module__.partition(".")[0]
    try:
        if library == "numpy" and kind.__name__ == "datetime64":
            return _numpy_time(value)
        if library == "numpy" and not getattr(value, "shape", (0,)):
            plain = value.item()
            return _REFUSED if type(plain) is kind or library in type(plain).__module__ else _scalar(plain)
        if library == "pyarrow" and hasattr(value, "as_py"):
            plain = value.as_py()
            return None if plain is None else _scalar(plain)
    except (ValueError, OverflowError):  # a nanosecond that Python's times don't have
        pass
    return _REFUSED


def _numpy_time(value: Any) -> Any:
    """A ``numpy.datetime64``: a date where its unit is a day or longer, else a time, to its last digit."""
    unit = value.dtype.name.rpartition("[")[2].rstrip("]")
    if value != value:
        return None
    days = unit in {"Y", "M", "W", "D"}
    text = str(value.astype("datetime64[D]" if days else f"datetime64[{'s' if unit in {'h', 'm'} else unit}]"))
    if not re.match(r"\d{4}-", text) or unit not in {"Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"}:
        return _REFUSED
    return text if days else f"{text}+00:00"


def dumps(value: Any) -> str:
    """JSON without needless space; a decimal is written digit by digit."""
    try:
        return _ENCODER.encode(value)
    except TypeError:
        return _written(value)


def _written(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{_ENCODER.encode(name)}:{_written(entry)}' for name, entry in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(_written, value))}]"
    return _ENCODER.encode(value)


def loads(text: str) -> Any:
    """The value of a JSON text: a number that no float gives back is a Decimal.

    Raises
    ------
    ValueError
        It is no JSON, has NaN or an infinite number, or an object gives one name two values.
    """
    return _DECODER.decode(text)


def body_of(body: bytes, refusal: type[InvalidRequest]) -> Any:
    """The value of a request's body, JSON in UTF-8.

    Raises
    ------
    refusal
        The body is no such JSON; the message says why.
    """
    try:
        return loads(body.decode("utf-8", "surrogatepass"))
    # Text that isn't UTF-8 is a ValueError too; a thousand open brackets are a RecursionError.
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise refusal(f"the body is not JSON: {reason}") from error


def number_of(text: str) -> int | float | Decimal | None:
    """The number that a cell says, exactly; None if it says none."""
    text = text.strip()
    if not (found := _NUMBER.fullmatch(text)) or len(text) > 4000:
        return None
    return int(text) if found[2] is None else _exact(text)


def _exact(text: str) -> float | Decimal:
    number = float(text)
    if len(text) <= _SAFE_DIGITS and (1e-300 < abs(number) < 1e300 or text in {"0.0", "-0.0"}):
        return number
    try:
        exact = Decimal(text)
    except InvalidOperation:  # an exponent of 19 digits
        raise ValueError(f"{text[:80]} is no number that can be read") from None
    return number if isfinite(number) and exact == Decimal(repr(number)) else exact


def object_of(pairs: list[tuple[str, Any]]) -> tuple[dict[str, Any], str | None]:
    """An object's members by name, and the first name that it has twice; None if it has none."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found, None
    seen: set[str] = set()
    return found, next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found, twice = object_of(pairs)
    if twice is not None:
        raise ValueError(f"an object has the name {ascii(twice)[:80]} twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value; a missing value is null")


# `json.loads` and `json.dumps` make theirs anew for each call with options.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_exact, object_pairs_hook=_object)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
