"""A prediction request as it came from the wire, checked before anything is spent on it.

Plain Python instead of pydantic: this runs for every request, and its errors must name the instance and the field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from headwater.declare import LONGEST_BODY, LONGEST_TEXT, MOST_INSTANCES, RequestInput
from headwater.features.errors import InvalidInput
from headwater.features.inputs import Encoded, encode, is_text, local_time, shown
from headwater.features.online.encoding import Known
from headwater.json_values import body_of, dumps
from headwater.serving.errors import BodyTooLarge, InvalidBody

_FIELDS = dict.fromkeys(("instances", "as_of", "features", "explain", "feedback"))
_MOST_PROBLEMS = 10
Features = dict[str, Known]


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """A body whose outer shape is right; the instances are judged by the model's inputs (`columns`)."""

    instances: Sequence[Mapping[str, Any]]
    as_of: datetime | None = None
    features: Sequence[Features] | None = None
    """Values that replace the online look-up, an entry for each instance."""
    explain: bool = False
    """Whether the answer says of each view how its look-up went."""
    feedback: bool = False
    """Whether each prediction gets a token by which an end user may tell what it was worth."""


def parse(body: bytes, features: Mapping[str, str]) -> PredictionRequest:
    """Read a request's body.

    Parameters
    ----------
    body : bytes
        JSON, at most 256 KiB.
    features : mapping
        The kinds (``number``, ``category``) of the model's features, ``view.feature``: what a request may replace.

    Raises
    ------
    BodyTooLarge, InvalidBody
        The message says what was given and what was expected, with the instance's index.
    """
    if len(body) > LONGEST_BODY:
        raise BodyTooLarge(f"the body has {len(body)} bytes; at most {LONGEST_BODY} are read")
    document = body_of(body, InvalidBody)
    if not isinstance(document, dict):
        raise InvalidBody(f"the body is {_given(document)}, expected an object with {', '.join(_FIELDS)}")
    if not document.keys() <= _FIELDS.keys():
        unknown = min(document.keys() - _FIELDS.keys())
        raise InvalidBody(f"{unknown}: unknown field, expected one of {', '.join(_FIELDS)}")
    instances = document.get("instances")
    if not isinstance(instances, list) or not 1 <= len(instances) <= MOST_INSTANCES:
        given = f"{len(instances)} instances" if isinstance(instances, list) else _given(instances)
        raise InvalidBody(f"instances: {given}, expected a list of 1 to {MOST_INSTANCES} objects")
    replaced, explained = document.get("features"), document.get("explain", False)
    if not isinstance(explained, bool):
        raise InvalidBody(f"explain: {_given(explained)}, expected true or false")
    if not isinstance(rated := document.get("feedback", False), bool):
        raise InvalidBody(f"feedback: {_given(rated)}, expected true or false")
    return PredictionRequest(
        instances,
        _as_of(document.get("as_of")),
        None if replaced is None else _features(replaced, len(instances), features),
        explained,
        rated,
    )


def columns(inputs: Sequence[RequestInput], instances: Sequence[Mapping[str, Any]]) -> list[dict[str, Encoded]]:
    """The model's columns for each instance; raises `InvalidBody` that names each instance, field and problem."""
    rows, problems = [], []
    for index, instance in enumerate(instances):
        try:
            rows.append(encode(inputs, instance))
        except InvalidInput as error:
            problems += [f"instance {index}: {problem}" for problem in error.problems]
    if problems:
        more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
        raise InvalidBody("; ".join(problems[:_MOST_PROBLEMS]) + more)
    return rows


def _as_of(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        return local_time(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidBody(f'as_of: {_given(value)}, expected a time such as "2013-05-01T10:00:00Z"') from error


def _features(value: Any, count: int, known: Mapping[str, str]) -> list[Features]:
    if not isinstance(value, list) or len(value) != count:
        given = f"{len(value)} entries" if isinstance(value, list) else _given(value)
        raise InvalidBody(f"features: {given}, expected a list with an object for each of the {count} instances")
    rows = []
    for index, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise InvalidBody(f"instance {index}: features: {_given(entry)}, expected an object of names and values")
        row: Features = dict.fromkeys(known)
        for name, given in entry.items():
            if name not in row:
                choices = ", ".join(known) or "none, the model has no features"
                raise InvalidBody(f"instance {index}: features: {_given(name)} is no feature of this model: {choices}")
            row[name] = (_text if known[name] == "category" else _number)(index, name, given)
        rows.append(row)
    return rows


def _number(index: int, name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value) if isinstance(value, int | float | Decimal) else math.nan
    except OverflowError:
        number = math.nan
    # Beyond float32 the graph would see infinity.
    if abs(number) <= 3.4028234663852886e38:
        # As it was sent, for the log; the graph takes what float32 makes of it.
        kept: float = value
        return kept
    raise InvalidBody(f"instance {index}: features: {name}: {_given(value)}, expected a number or null")


def _text(index: int, name: str, value: Any) -> str | None:
    if value is None or is_text(value):
        return value or None
    raise InvalidBody(
        f"instance {index}: features: {name}: {_given(value)}, expected text of at most {LONGEST_TEXT:,} characters "
        "or null"
    )


def _given(value: Any) -> str:
    return "missing" if value is None else shown(value)


def dump(body: Mapping[str, Any]) -> str:
    """A response's body as JSON."""
    return dumps(body)
