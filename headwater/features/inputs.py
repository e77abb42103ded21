"""From a request's inputs to the model's columns: the one piece of code that both training and serving run.

Pure Python over `RequestInput` declarations. A number becomes a float (NaN when missing), a category text ("" when
missing), a timestamp three numbers in the input's time zone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from headwater.declare import LONGEST_TEXT, Feature, RequestInput
from headwater.features.errors import InvalidInput, Problem

LARGEST_FLOAT32 = 3.4028234663852886e38
NAN = math.nan

Encoded = float | str

_JSON_NUMBERS = frozenset({float, int})
_LARGEST_WHOLE = 2**127
"""Limit of whole numbers as join keys: DuckDB's HUGEINT."""
_MOST_DIGITS, _MOST_PLACES = 38, 400
"""Most digits of a decimal join key before its point, and after it."""


def encode(inputs: Sequence[RequestInput], instance: Mapping[str, Any]) -> dict[str, Encoded]:
    """The model's columns for one request instance, in the order of the inputs.

    Parameters
    ----------
    inputs : sequence of RequestInput
        What the model declares (or its package repeats).
    instance : mapping
        Input name to value, as it came from JSON; None (or NaN for a number) means missing.

    Raises
    ------
    InvalidInput
        With every problem at once: unknown, missing, mistyped and out-of-range inputs.
    """
    if not isinstance(instance, Mapping):
        raise InvalidInput([Problem("instance", shown(instance), "an object of input names and values")])
    problems: list[Problem] = []
    columns: dict[str, Encoded] = {}
    known = 0
    for entry in inputs:
        name = entry.name
        known += name in instance
        value = instance.get(name)
        if is_missing(value) and entry.required:
            problems.append(Problem(name, "missing", expectation(entry)))
            continue
        try:
            columns.update(zip(entry.columns, encode_value(entry, value), strict=True))
        except InvalidInput as error:
            problems += error.problems
    if known != len(instance):
        names = [entry.name for entry in inputs]
        problems += [
            Problem(str(name), "unknown input", f"one of {', '.join(names)}") for name in instance.keys() - set(names)
        ]
    if problems:
        raise InvalidInput(sorted(problems, key=lambda problem: problem.field))
    return columns


def encode_value(entry: RequestInput, value: Any) -> tuple[Encoded, ...]:
    """The columns of one input's value; a missing value is accepted, required or not.

    Raises
    ------
    InvalidInput
        The value has another type than the input, or lies outside its range.
    """
    if is_missing(value):
        return ("",) if entry.kind == "category" else (NAN,) * len(entry.columns)
    return _ENCODERS[entry.kind](entry, value)


def is_missing(value: Any) -> bool:
    """Whether ``value`` says that nothing is known: None, NaN, NaT, pandas.NA, or empty text."""
    # JSON's values are recognised by their exact type: a check against an abstract class costs more than all the rest.
    kind = type(value)
    if kind is str:
        return not value
    # NaN and NaT are the values that don't equal themselves.
    if kind is float:
        return bool(value != value)
    if value is None or isinstance(value, str):
        return not value
    if kind.__name__ == "NAType":  # pandas', which is neither true nor false
        return True
    return (_is_number(value) or isinstance(value, datetime) or kind.__module__ == "numpy") and _is_unequal(value)


def _is_unequal(value: Any) -> bool:
    """Whether a value doesn't equal itself; False for arrays, whose comparison has no single answer."""
    try:
        return bool(value != value)
    except (ValueError, ArithmeticError):  # several values, or a decimal's signalling NaN
        return False


def entity_text(value: Any) -> str | None:
    """A join key's value as text, the same for 12, 12.0, Decimal("12.00") and "12"; None when missing.

    A number's text has all of its digits, no exponent and no zeros at the end of a fraction; a float's fraction is the
    shortest that is read as that float. Booleans are ``true`` and ``false``; dates and UUIDs have their ISO form.

    Raises
    ------
    InvalidInput
        The value is none of these, infinite, or a number of more than 38 digits.
    """
    if is_missing(value):
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool) or type(value).__name__ in {"bool_", "bool"}:  # numpy's is no bool
        return "true" if value else "false"
    if isinstance(value, Integral):
        whole = int(value)
        if abs(whole) < _LARGEST_WHOLE:
            return str(whole)
    elif isinstance(value, Decimal):
        if value.is_finite() and value.adjusted() < _MOST_DIGITS and int(value.as_tuple().exponent) > -_MOST_PLACES:
            return _plain(value)
    elif isinstance(value, Real) and math.isfinite(number := _float(value)) and number == value:
        if number.is_integer():
            return str(int(number)) if abs(number) < _LARGEST_WHOLE else repr(number)
        return _plain(Decimal(repr(number)))
    elif isinstance(value, UUID) or (isinstance(value, date) and not isinstance(value, datetime)):
        return str(value)
    raise InvalidInput([Problem("entity key", shown(value), "text or a number of at most 38 digits")])


def _plain(number: Decimal) -> str:
    """A decimal's digits: no exponent, no zeros at the end of a fraction, no sign of zero."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def is_text(value: Any, longest: int = LONGEST_TEXT) -> bool:
    """Whether ``value`` is text that a category may be: not too long, and all of its characters whole."""
    # JSON can carry half of a surrogate pair, which no UTF-8 text (a key, a tensor) can.
    return (
        isinstance(value, str)
        and len(value) <= longest
        and (value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value))
    )


def text_expectation(feature: Feature) -> str:
    """The values that a category feature accepts, in words: ``text of at most 20 characters``."""
    if feature.values is None:
        return f"text of at most {feature.longest:,} characters"
    more = f" or {len(feature.values) - 10:,} more" if len(feature.values) > 10 else ""
    return f"one of {', '.join(map(repr, feature.values[:10]))}{more}"


def expectation(entry: RequestInput) -> str:
    """The values that an input accepts, in words: ``a number from 0 to 5000``."""
    if entry.kind == "category":
        return "text"
    if entry.kind == "timestamp":
        return 'a time such as "2013-05-01T10:00:00Z" (UTC unless it carries an offset)'
    if entry.minimum is None and entry.maximum is None:
        return "a number"
    if entry.maximum is None:
        return f"a number of at least {entry.minimum:g}"
    return f"a number up to {entry.maximum:g}" if entry.minimum is None else (
        f"a number from {entry.minimum:g} to {entry.maximum:g}"
    )  # fmt: skip


def _number(entry: RequestInput, value: Any) -> tuple[Encoded, ...]:
    # What float32 can't hold would reach the ONNX graph as infinity.
    if not _is_number(value) or not abs(number := _float(value)) <= LARGEST_FLOAT32:
        raise _refusal(entry, value)
    if (entry.minimum is not None and number < entry.minimum) or (entry.maximum is not None and number > entry.maximum):
        raise _refusal(entry, value)
    return (number,)


def _category(entry: RequestInput, value: Any) -> tuple[Encoded, ...]:
    try:
        text = entity_text(value)
    except InvalidInput:
        raise _refusal(entry, value) from None
    if text is None or not is_text(text):
        raise _refusal(entry, value)
    return (text,)


def _timestamp(entry: RequestInput, value: Any) -> tuple[Encoded, ...]:
    try:
        moment = local_time(value, entry.timezone)
    except (TypeError, ValueError, OverflowError):
        raise _refusal(entry, value) from None
    return (moment.hour + moment.minute / 60, float(moment.weekday()), float(moment.month))


def local_time(value: Any, timezone: str = "UTC") -> datetime:
    """``value`` (a datetime or ISO 8601 text; UTC unless it carries an offset) in ``timezone``."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is neither a datetime nor text")
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    return moment.astimezone(ZoneInfo(timezone))


_ENCODERS: Mapping[str, Callable[[RequestInput, Any], tuple[Encoded, ...]]] = {
    "number": _number,
    "category": _category,
    "timestamp": _timestamp,
}


def _is_number(value: Any) -> bool:
    return type(value) in _JSON_NUMBERS or isinstance(value, Real | Decimal)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond 1.8e308
        return math.inf


def _refusal(entry: RequestInput, value: Any) -> InvalidInput:
    return InvalidInput([Problem(entry.name, shown(value), expectation(entry))])


def shown(value: Any) -> str:
    """A value in an error's words, on one line of at most 80 characters."""
    # A million digits can't be turned into text (and needn't be).
    if isinstance(value, int) and abs(value) > 10**38:
        return "a number of more than 38 digits"
    if isinstance(value, Decimal):  # a number of JSON that no float holds
        return text if len(text := str(value)) <= 80 else text[:77] + "..."
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
