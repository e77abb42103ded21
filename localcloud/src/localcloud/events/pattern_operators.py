"""The leaves of an event pattern: what one value of an event is held against, and AWS's words when that is malformed.

The grammar and the texts follow https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
and the open matcher that AWS publishes (aws/event-ruler).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from localcloud.events.cidr import Cidr, CidrInvalid

Predicate = Callable[[Any], bool]
Pairs = list[tuple[str, Any]]


class PatternInvalid(ValueError):
    """An event pattern that AWS refuses; the text is AWS's reason."""


class JsonNumber(Decimal):
    """A number of a pattern that still knows how it was written."""

    text: str

    @classmethod
    def read(cls, text: str) -> JsonNumber:
        number = cls(text)
        number.text = text
        return number


class JsonObject(list[tuple[str, Any]]):
    """An object of a pattern: its pairs in order, since a key may come twice."""


@dataclass(frozen=True)
class Test:
    """One alternative of a leaf: a predicate on a value that is there, or the wish that none is (``holds`` is None)."""

    holds: Predicate | None


def leaf(value: Any) -> Test:
    """The test that one element of a pattern's array stands for."""
    if isinstance(value, JsonObject):
        return _operator(value)
    if isinstance(value, list):
        raise PatternInvalid("Match value must be String, number, true, false, or null")
    return Test(_equals(value))


def _equals(wanted: Any) -> Predicate:
    if wanted is None or isinstance(wanted, bool):
        return lambda value: value is wanted
    return lambda value: type(value) is not bool and value == wanted


def _operator(pairs: Pairs) -> Test:
    if not pairs:
        raise PatternInvalid("Empty objects are not allowed")
    name, argument = pairs[0]
    if name == "exists":
        if not isinstance(argument, bool):
            raise PatternInvalid("exists match pattern must be either true or false.")
        _only_one(pairs)
        return Test((lambda _: True) if argument else None)
    if name == "anything-but":
        holds = _anything_but(argument)
        if len(pairs) > 1:
            raise PatternInvalid("Too many elements in numeric expression")
        return Test(holds)
    if name == "numeric":
        holds = _numeric(argument)
    elif name in ("prefix", "suffix"):
        holds = _affix(name, argument)
    elif name == "cidr":
        holds = _cidr(argument)
    elif name == "exactly":
        holds = _equals(_text(argument, "exact"))
    elif name == "equals-ignore-case":
        holds = _ignoring_case(_text(argument, name))
    elif name == "wildcard":
        holds = _wildcard(_text(argument, name))
    else:
        raise PatternInvalid(f"Unrecognized match type {name}")
    _only_one(pairs)
    return Test(holds)


def _only_one(pairs: Pairs) -> None:
    if len(pairs) > 1:
        raise PatternInvalid("Only one key allowed in match expression")


def _text(argument: Any, name: str) -> str:
    if not isinstance(argument, str):
        raise PatternInvalid(f"{name} match pattern must be a string")
    return argument


def _affix(name: str, argument: Any) -> Predicate:
    if isinstance(argument, JsonObject):
        if not argument or argument[0][0] != "equals-ignore-case":
            raise PatternInvalid(f"Unsupported {name} pattern: {argument[0][0] if argument else ''}")
        wanted = _text(argument[0][1], "equals-ignore-case").lower()
        _only_one(argument)
        return lambda value: isinstance(value, str) and _has_affix(name, value.lower(), wanted)
    wanted = _text(argument, name)
    return lambda value: isinstance(value, str) and _has_affix(name, value, wanted)


def _has_affix(name: str, value: str, affix: str) -> bool:
    return value.startswith(affix) if name == "prefix" else value.endswith(affix)


def _ignoring_case(wanted: str) -> Predicate:
    lowered = wanted.lower()
    return lambda value: isinstance(value, str) and value.lower() == lowered


def _wildcard(wanted: str) -> Predicate:
    parts: list[str] = []
    position, follows = 0, []
    while position < len(wanted):
        character = wanted[position]
        if character == "\\":
            if wanted[position + 1 : position + 2] not in ("\\", "*"):
                raise PatternInvalid(f"Invalid escape character at pos {position + 1}")
            parts.append(re.escape(wanted[position + 1]))
            position += 1
        elif character == "*":
            if wanted[position + 1 : position + 2] == "*":
                raise PatternInvalid(f"Consecutive wildcard characters at pos {position + 1}")
            parts.append(".*")
            follows.append(wanted[position + 1 : position + 2])
        else:
            parts.append(re.escape(character))
        position += 1
    # AWS measures the automaton that a rule becomes; what blows it up are wildcards that wait for the same character.
    if any(follows.count(character) > 4 for character in set(follows) if character):
        raise PatternInvalid(
            "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a "
            "wildcard character"
        )
    compiled = re.compile("".join(parts), re.DOTALL)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _anything_but(argument: Any) -> Predicate:
    if isinstance(argument, JsonObject):
        return _anything_but_operator(argument)
    if isinstance(argument, (str, JsonNumber)):
        return lambda value: not _equals(argument)(value)
    if not isinstance(argument, list):
        raise PatternInvalid("Value of anything-but must be an array or single string/number value.")
    if not argument:
        raise PatternInvalid("Empty arrays are not allowed")
    if not all(isinstance(item, (str, JsonNumber)) for item in argument):
        raise PatternInvalid("Inside anything but list, start|null|boolean is not supported.")
    if len({isinstance(item, str) for item in argument}) > 1:
        raise PatternInvalid(
            "Inside anything but list, either all values are number or string, mixed type is not supported"
        )
    refused = [_equals(item) for item in argument]
    return lambda value: not any(matches(value) for matches in refused)


def _anything_but_operator(pairs: Pairs) -> Predicate:
    name, argument = pairs[0] if pairs else ("", None)
    is_list = isinstance(argument, list) and not isinstance(argument, JsonObject)
    items: list[Any] = argument if is_list else [argument]  # type: ignore[assignment]
    if name not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
        raise PatternInvalid(f"Unsupported anything-but pattern: {name}")
    if not items:
        raise PatternInvalid("Empty arrays are not allowed")
    if name == "equals-ignore-case":
        if not all(isinstance(item, str) for item in items):
            raise PatternInvalid(
                "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
            )
        refused = [_ignoring_case(item) for item in items]
    elif name == "wildcard":
        refused = [_wildcard(_text(item, name)) for item in items]
    else:
        if not all(isinstance(item, str) for item in items):
            raise PatternInvalid("prefix/suffix match pattern must be a string")
        if not all(items):
            raise PatternInvalid("Null prefix/suffix not allowed")
        refused = [_affix(name, item) for item in items]
    if len(pairs) > 1:
        raise PatternInvalid("Too many elements in numeric expression")
    return lambda value: not any(matches(value) for matches in refused)


_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


def _numeric(argument: Any) -> Predicate:
    if not isinstance(argument, list) or isinstance(argument, JsonObject):
        raise PatternInvalid("Value of numeric must be an array.")
    if not argument or not isinstance(argument[0], str):
        written = argument[0] if argument else "]"
        raise PatternInvalid(f"Invalid member in numeric match: {written}")
    operator = argument[0]
    if operator not in _COMPARE:
        raise PatternInvalid(f"Unrecognized numeric range operator: {operator}")
    bound = _bound("equals" if operator == "=" else operator, argument[1:2])
    if len(argument) == 2:
        return _compares((operator, bound))
    if operator in ("=", "<", "<="):
        raise PatternInvalid("Too many elements in numeric expression")
    second = argument[2]
    if second not in ("<", "<="):
        raise PatternInvalid(f"Bad numeric range operator: {second}")
    top = _bound(second, argument[3:4])
    if len(argument) > 4:
        raise PatternInvalid("Too many terms in numeric range expression")
    if bound >= top:
        raise PatternInvalid("Bottom must be less than top")
    return _compares((operator, bound), (second, top))


def _bound(operator: str, rest: list[Any]) -> JsonNumber:
    if not rest or not isinstance(rest[0], JsonNumber):
        raise PatternInvalid(f"Value of {operator} must be numeric")
    number = rest[0]
    as_float = float(number)
    if as_float in (float("inf"), float("-inf")) or (as_float == 0) != (number == 0):
        raise PatternInvalid(f"Cannot compare number : {number.text}")
    return number


def _compares(*bounds: tuple[str, Decimal]) -> Predicate:
    return lambda value: isinstance(value, Decimal) and all(_COMPARE[name](value, bound) for name, bound in bounds)


def _cidr(argument: Any) -> Predicate:
    # AWS's own message speaks of prefixes here.
    try:
        block = Cidr(_text(argument, "prefix"))
    except CidrInvalid as error:
        raise PatternInvalid(str(error)) from error
    return lambda value: value in block
