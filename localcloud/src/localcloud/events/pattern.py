"""EventBridge's event patterns: does an event match, and is a pattern valid?

A pattern becomes alternatives (``$or``), each a set of paths with tests. An event becomes fields: a path, a value and,
for values inside arrays of objects, which element of which array they come from. An alternative matches if every path
finds a field, and the fields that were found are elements of the same objects wherever they share an array.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from localcloud.events.pattern_operators import JsonNumber, JsonObject, PatternInvalid, Test, leaf

__all__ = ["EventInvalid", "PatternInvalid", "check", "matches", "test"]

LONGEST_PATTERN = 4096  # characters, as EventBridge limits them
_REQUIRED = ("id", "account", "source", "time", "region", "detail-type")
_RESERVED = frozenset(
    {"exactly", "prefix", "suffix", "exists", "anything-but", "numeric", "cidr", "equals-ignore-case", "wildcard"}
)

Alternative = dict[str, tuple[Test, ...]]
Membership = dict[int, int]
"""Which element (index) of which array (number) a value lies in."""


class EventInvalid(ValueError):
    """What TestEventPattern was given isn't an event."""


class _Field(NamedTuple):
    value: Any
    membership: Membership


def check(pattern: str) -> None:
    """Raise `PatternInvalid`, with AWS's reason, unless ``pattern`` is an event pattern."""
    _compile(pattern)


def matches(pattern: str, event: Mapping[str, Any]) -> bool:
    """Whether ``event`` matches ``pattern``; raises `PatternInvalid` if that isn't a pattern."""
    alternatives = _compile(pattern)
    fields: dict[str, list[_Field]] = defaultdict(list)
    for path, value, membership in _flatten(event, (), {}, itertools.count()):
        fields[path].append(_Field(value, membership))
    return any(_search(sorted(alternative.items()), 0, fields, {}) for alternative in alternatives)


def test(pattern: str, event: str) -> bool:
    """TestEventPattern: both as the texts that were sent.

    Raises
    ------
    EventInvalid
        ``event`` isn't a JSON object, or lacks a field that every event has.
    PatternInvalid
        ``pattern`` isn't an event pattern.
    """
    check(pattern)
    try:
        parsed = json.loads(event, parse_float=Decimal, parse_int=Decimal)
    except ValueError as error:
        raise EventInvalid("Parameter Event is not valid.") from error
    if not isinstance(parsed, dict) or any(name not in parsed for name in _REQUIRED):
        raise EventInvalid("Parameter Event is not valid.")
    return matches(pattern, parsed)


def _search(
    paths: Sequence[tuple[str, tuple[Test, ...]]], position: int, fields: Mapping[str, list[_Field]], chosen: Membership
) -> bool:
    """Find a field for each path from ``position`` on that agrees with the array elements chosen so far."""
    if position == len(paths):
        return True
    path, tests = paths[position]
    candidates = [field for field in fields.get(path, ()) if _agree(field.membership, chosen)]
    for field in candidates:
        if any(test.holds is not None and test.holds(field.value) for test in tests) and _search(
            paths, position + 1, fields, chosen | field.membership
        ):
            return True
    is_absence_wanted = any(test.holds is None for test in tests)
    return is_absence_wanted and not candidates and _search(paths, position + 1, fields, chosen)


def _agree(one: Membership, other: Membership) -> bool:
    return all(other.get(array, index) == index for array, index in one.items())


def _flatten(
    value: Any, path: tuple[str, ...], membership: Membership, arrays: Iterator[int]
) -> Iterator[tuple[str, Any, Membership]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _flatten(member, (*path, name), membership, arrays)
    elif isinstance(value, list):
        array = next(arrays)
        for index, element in enumerate(value):
            inside = membership | {array: index} if isinstance(element, (Mapping, list)) else membership
            yield from _flatten(element, path, inside, arrays)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield ".".join(path), Decimal(repr(value)), membership
    else:
        yield ".".join(path), value, membership


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> tuple[Alternative, ...]:
    if len(pattern) > LONGEST_PATTERN:
        raise PatternInvalid("Event pattern is too long")
    try:
        parsed = json.loads(
            pattern,
            object_pairs_hook=JsonObject,
            parse_float=JsonNumber.read,
            parse_int=JsonNumber.read,
        )
    except json.JSONDecodeError as error:
        raise PatternInvalid(_as_jackson(pattern, error)) from error
    if not isinstance(parsed, JsonObject):
        raise PatternInvalid("Filter is not an object")
    alternatives: list[Alternative] = [{}]
    return tuple(_add_object(alternatives, (), parsed, within_or=False))


def _add_object(
    alternatives: list[Alternative], path: tuple[str, ...], pairs: JsonObject, *, within_or: bool
) -> list[Alternative]:
    """Add what an object of a pattern asks for to each alternative so far; a path named again counts as named last."""
    if not pairs:
        raise PatternInvalid("Empty objects are not allowed")
    for name, value in pairs:
        if within_or and name in _RESERVED:
            raise PatternInvalid(f"{name} is Ruler reserved fieldName which cannot be used inside $or.")
        if name == "$or" and _is_alternatives(value):
            alternatives = _add_or(alternatives, path, value)
        elif isinstance(value, JsonObject):
            alternatives = _add_object(alternatives, (*path, name), value, within_or=False)
        elif isinstance(value, list):
            if not value:
                raise PatternInvalid("Empty arrays are not allowed")
            tests = tuple(leaf(item) for item in value)
            alternatives = [alternative | {".".join((*path, name)): tests} for alternative in alternatives]
        else:
            raise PatternInvalid(f'"{name}" must be an object or an array')
    return alternatives


def _is_alternatives(value: Any) -> bool:
    """``$or`` is an ordinary name unless its array begins with an object that isn't an operator."""
    return (
        isinstance(value, list)
        and not isinstance(value, JsonObject)
        and any(isinstance(item, JsonObject) for item in value)
    )


def _add_or(alternatives: list[Alternative], path: tuple[str, ...], branches: list[Any]) -> list[Alternative]:
    added: list[Alternative] = []
    for branch in branches:
        if not isinstance(branch, JsonObject):
            raise PatternInvalid("Only JSON object is allowed in array of $or relationship.")
        added += _add_object(list(alternatives), path, branch, within_or=True)
    if len(branches) < 2:
        raise PatternInvalid("There must have at least 2 Objects in $or relationship.")
    return added


def _as_jackson(text: str, error: json.JSONDecodeError) -> str:
    """The words of the parser that AWS uses, for the two mistakes that people make."""
    word = re.match(r"\w+", text[error.pos :])
    if error.msg == "Expecting value" and word:
        expected = "JSON String, Number, Array, Object or token 'null', 'true' or 'false'"
        return f"Unrecognized token '{word[0]}': was expecting ({expected})"
    if error.msg.startswith("Expecting property name") and error.pos < len(text):
        found = f"Unexpected character ('{text[error.pos]}' (code {ord(text[error.pos])}))"
        return f"{found}: was expecting double-quote to start field name"
    return f"{error.msg} at line {error.lineno}, column {error.colno}"
