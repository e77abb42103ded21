"""Checks labels one by one against the model: nothing is guessed, and what is refused is named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from headwater.declare import Model, RequestInput
from headwater.features.errors import InvalidInput
from headwater.features.inputs import encode_value, expectation, is_missing, local_time, shown
from headwater.json_values import dumps
from headwater.monitoring.labels.errors import LabelRefused
from headwater.monitoring.labels.types import CLOCKS, Label, micros

FIELDS = ("prediction_id", "keys", "as_of", "value", "observed_at", "source", "write_id")
LONGEST_ID, LONGEST_SOURCE, LONGEST_WRITE_ID = 256, 64, 128
LARGEST = 3e38
"""The largest label of a regression: training refuses larger ones."""
_PREDICTION_ID = re.compile(r".+\.(0|[1-9][0-9]*)", re.DOTALL)
_TOO_FINE = re.compile(r"[.,][0-9]{7}")
_TIME = 'a time such as "2026-03-01T12:00:00Z" (UTC unless it carries an offset), no finer than microseconds'


def key_inputs(model: Model) -> tuple[RequestInput, ...]:
    """The request inputs that say which example is a prediction's outcome."""
    named = model.monitoring.labelled_by
    return tuple(entry for entry in model.inputs if not named or entry.name in named)


def checked(model: Model, item: Any, now: datetime) -> Label:
    """One label as it is stored.

    Parameters
    ----------
    model : Model
    item : mapping
        ``value``, and ``prediction_id`` or both ``keys`` and ``as_of``; ``observed_at``, ``source`` and ``write_id``
        may be left out.
    now : datetime

    Raises
    ------
    LabelRefused
        The first field that is wrong, what was given, and what was expected.
    """
    if not isinstance(item, Mapping):
        raise LabelRefused("label", shown(item), f"an object with {', '.join(FIELDS)}")
    if unknown := [str(name) for name in item if name not in FIELDS]:
        raise LabelRefused(min(unknown)[:80], "unknown field", f"one of {', '.join(FIELDS)}")
    found = {name: None if is_missing(value) else value for name, value in item.items()}
    prediction_id, keys, as_of = _target(model, found)
    value = number(model, found.get("value"))
    observed_at = None
    if (given := found.get("observed_at")) is not None:
        observed_at = time("observed_at", given)
        if observed_at > micros(now + CLOCKS):
            raise LabelRefused(
                "observed_at", shown(given), f"a moment that isn't in the future (now {now.isoformat()})"
            )
        if as_of is not None and observed_at < as_of - micros_of(CLOCKS):
            raise LabelRefused("observed_at", shown(given), f"no moment before as_of, {shown(found['as_of'])}")
    return Label(
        prediction_id,
        keys,
        as_of,
        value,
        observed_at,
        _text("source", found.get("source"), LONGEST_SOURCE) or "",
        _text("write_id", found.get("write_id"), LONGEST_WRITE_ID),
    )


def _target(model: Model, found: Mapping[str, Any]) -> tuple[str | None, str | None, int | None]:
    by_id = found.get("prediction_id") is not None
    if by_id and (found.get("keys") is not None or found.get("as_of") is not None):
        raise LabelRefused("prediction_id", "given beside keys or as_of", "either prediction_id, or keys and as_of")
    if by_id:
        return prediction_id(found["prediction_id"]), None, None
    if found.get("keys") is None:
        raise LabelRefused("prediction_id", "missing", "<request id>.<instance>, or else keys and as_of")
    keys = keys_text(model, found["keys"])
    if found.get("as_of") is None:
        raise LabelRefused("as_of", "missing", _TIME)
    return None, keys, time("as_of", found["as_of"])


def prediction_id(given: Any) -> str:
    """A prediction's id; raises `LabelRefused`."""
    text = _text("prediction_id", given, LONGEST_ID)
    if text is None or not _PREDICTION_ID.fullmatch(text):
        raise LabelRefused("prediction_id", shown(given), "<request id>.<instance>, such as 8f0c1d6e.0")
    return text


def keys_text(model: Model, given: Any) -> str:
    """The label keys as JSON; raises `LabelRefused`."""
    inputs = key_inputs(model)
    names = ", ".join(entry.name for entry in inputs)
    if not isinstance(given, Mapping):
        raise LabelRefused("keys", shown(given), f"an object with {names}")
    if unknown := given.keys() - {entry.name for entry in inputs}:
        raise LabelRefused(f"keys.{min(map(str, unknown))[:80]}", "unknown key", f"one of {names}")
    kept = {}
    for entry in inputs:
        value = given.get(entry.name)
        try:
            encode_value(entry, value)
        except InvalidInput as error:
            (problem, *_) = error.problems
            raise LabelRefused(f"keys.{entry.name}", problem.given, problem.expected) from None
        if is_missing(value):
            if entry.required:
                raise LabelRefused(f"keys.{entry.name}", "missing", expectation(entry))
            value = None
        kept[entry.name] = value.isoformat() if isinstance(value, datetime) else value
    try:
        text = dumps(kept)
        text.encode()
    except (TypeError, ValueError) as error:
        raise LabelRefused("keys", str(error)[:80], "values that JSON holds") from None
    return text


def number(model: Model, given: Any) -> float:
    """The value of a label: of a classifier exactly 0 or 1; raises `LabelRefused`."""
    wanted = "0 or 1, or true or false" if model.task == "classification" else "a finite number that float64 holds"
    refused = LabelRefused("value", "missing" if given is None else shown(given), wanted)
    if not isinstance(given, bool | int | float | Decimal):
        raise refused
    try:
        value = float(given)
    except (OverflowError, ValueError):
        raise refused from None
    if model.task == "classification":
        if given not in (0, 1):
            raise refused
    elif not isfinite(value) or abs(value) > LARGEST or (isinstance(given, int) and int(value) != given):
        raise refused
    return value


def time(field: str, given: Any) -> int:
    """A moment in microseconds since 1970; raises `LabelRefused`."""
    try:
        if isinstance(given, str) and _TOO_FINE.search(given):
            raise ValueError(given)
        return micros(local_time(given))
    except (TypeError, ValueError, OverflowError):
        raise LabelRefused(field, shown(given), _TIME) from None


def micros_of(span: Any) -> int:
    """A span of time in microseconds."""
    return int(span.total_seconds() * 1_000_000)


def _text(field: str, given: Any, longest: int) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or len(given) > longest or not given.isprintable():
        raise LabelRefused(field, shown(given), f"text of at most {longest} printable characters")
    return str(given)


def problem(item: int, error: LabelRefused) -> dict[str, Any]:
    """A refusal as the answer has it."""
    return {"item": item, "field": error.field, "given": error.given, "expected": error.expected}
