"""A request held against the lengths, ranges and patterns of the service's own model, in the words that AWS uses.

The models are botocore's, which AWS publishes: https://smithy.io/2.0/spec/constraint-traits.html. Enumerations are left
out: services learn new values before clients do.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

_LONGEST_SHOWN = 256
_NUMBERS = frozenset({"integer", "long", "float", "double"})


def problems(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """What is wrong with ``value``, a sentence for each constraint that it breaks."""
    if value is None or not _is_constrained(shape):
        return
    match shape.type_name:
        case "structure" if isinstance(value, Mapping):
            for name, member in shape.members.items():
                given = value.get(name, value.get(member.serialization.get("name", name)))
                yield from problems(member, given, f"{path}.{_lower(name)}" if path else _lower(name))
        case "list" if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            yield from _length(shape, len(value), _shown(value), path)
            for position, item in enumerate(value, start=1):
                yield from problems(shape.member, item, f"{path}.{position}.member")
        case "map" if isinstance(value, Mapping):
            yield from _length(shape, len(value), _shown(value), path)
            for name, item in value.items():
                yield from problems(shape.key, name, path)
                yield from problems(shape.value, item, f"{path}.{name}.member")
        case "string" if isinstance(value, str):
            yield from _length(shape, len(value), value, path)
            pattern = _pattern(shape.metadata.get("pattern", ""))
            if pattern is not None and not pattern.fullmatch(value):
                rule = f"Member must satisfy regular expression pattern: {shape.metadata['pattern']}"
                yield _sentence(value, path, rule)
        case kind if kind in _NUMBERS:
            yield from _range(shape, value, path)


def refusal_text(found: Sequence[str]) -> str:
    """The message of one error that names every problem."""
    return f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: {'; '.join(found)}"


def _length(shape: Any, length: int, shown: str, path: str) -> Iterator[str]:
    least, most = _bound(shape, "min"), _bound(shape, "max")
    if most is not None and length > most:
        yield _sentence(shown, path, f"Member must have length less than or equal to {most:.0f}")
    if least is not None and length < least:
        yield _sentence(shown, path, f"Member must have length greater than or equal to {least:.0f}")


def _range(shape: Any, value: Any, path: str) -> Iterator[str]:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return  # the service says what it makes of it
    least, most = _bound(shape, "min"), _bound(shape, "max")
    if most is not None and number > most:
        yield _sentence(str(value), path, f"Member must have value less than or equal to {most:.0f}")
    if least is not None and number < least:
        yield _sentence(str(value), path, f"Member must have value greater than or equal to {least:.0f}")


def _bound(shape: Any, name: str) -> float | None:
    bound = shape.metadata.get(name)
    return None if bound is None else float(bound)


def _sentence(value: str, path: str, rule: str) -> str:
    shown = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"
    return f"Value '{shown}' at '{path}' failed to satisfy constraint: {rule}"


def _shown(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]"


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


@cache
def _pattern(text: str) -> re.Pattern[str] | None:
    """The pattern; None if there is none, or if it is one that only Java understands."""
    if not text:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(text, re.DOTALL)
    except re.error:
        return None


_constrained: dict[tuple[int, str], bool] = {}


def _is_constrained(shape: Any) -> bool:
    """Whether the shape, or one within it, has a constraint. A name means something else in each model."""
    key = (id(shape._shape_resolver), shape.name)
    if key not in _constrained:
        _constrained[key] = _has_constraint(shape, set())
    return _constrained[key]


def _has_constraint(shape: Any, seen: set[str]) -> bool:
    if shape.name in seen:
        return False
    seen.add(shape.name)
    inside: tuple[Any, ...] = ()
    match shape.type_name:
        case "structure":
            inside = tuple(shape.members.values())
        case "list":
            inside = (shape.member,)
        case "map":
            inside = (shape.key, shape.value)
    own = any(name in shape.metadata for name in ("min", "max", "pattern"))
    return own or any(_has_constraint(one, seen) for one in inside)
