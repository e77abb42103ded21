"""Evaluates IAM policy documents: explicit deny first, then any allow, else refused.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Context = Mapping[str, Sequence[str]]
"""Condition keys in lower case, and their values."""


class CannotJudge(Exception):
    """A policy uses something that the local cloud doesn't know; nobody should rely on its answer."""


@dataclass(frozen=True)
class Decision:
    """Whether a call may be made, and which kind of policy said so."""

    allowed: bool
    reason: str
    explicit: bool = False
    """Whether a statement denies it, rather than none allowing it."""


@lru_cache(maxsize=4096)
def statements(document: str) -> tuple[dict[str, Any], ...]:
    """The statements of a policy document."""
    found = json.loads(document)["Statement"]
    return tuple(found) if isinstance(found, list) else (found,)


def decide(documents: Iterable[str], action: str, resource: str, context: Context) -> Decision:
    """What ``documents`` together say about ``action`` on ``resource``.

    Parameters
    ----------
    documents : iterable of str
        Policy documents of one identity.
    action : str
        Such as ``"s3:GetObject"``.
    resource : str
        The ARN that the call is about, or ``"*"``.
    context : Context
        Condition keys of the call.

    Raises
    ------
    CannotJudge
        A condition operator isn't known here.
    """
    applying = [
        statement
        for document in documents
        for statement in statements(document)
        if _names(statement, "Action", action, ignore_case=True)
        and _names(statement, "Resource", resource)
        and holds(statement.get("Condition", {}), context)
    ]
    if any(statement["Effect"] == "Deny" for statement in applying):
        return Decision(False, "with an explicit deny in an identity-based policy", explicit=True)
    if applying:
        return Decision(True, "allowed")
    return Decision(False, f"because no identity-based policy allows the {action} action")


def _names(statement: Mapping[str, Any], element: str, value: str, *, ignore_case: bool = False) -> bool:
    if element in statement:
        return any(like(pattern, value, ignore_case=ignore_case) for pattern in _list(statement[element]))
    if f"Not{element}" in statement:
        return not any(like(pattern, value, ignore_case=ignore_case) for pattern in _list(statement[f"Not{element}"]))
    return False


@lru_cache(maxsize=4096)
def _pattern(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def like(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """IAM's matching: ``*`` is any text, ``?`` is one character."""
    return _pattern(pattern, ignore_case).fullmatch(value) is not None


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda expected, actual: compare(float(actual), float(expected))


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda expected, actual: expected == actual,
    "StringEqualsIgnoreCase": lambda expected, actual: expected.lower() == actual.lower(),
    "StringLike": like,
    "ArnEquals": like,
    "ArnLike": like,
    "Bool": lambda expected, actual: expected.lower() == actual.lower(),
    "NumericEquals": _number(lambda actual, expected: actual == expected),
    "NumericLessThan": _number(lambda actual, expected: actual < expected),
    "NumericLessThanEquals": _number(lambda actual, expected: actual <= expected),
    "NumericGreaterThan": _number(lambda actual, expected: actual > expected),
    "NumericGreaterThanEquals": _number(lambda actual, expected: actual >= expected),
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
}


def holds(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Whether every operator and every key of a condition block holds."""
    return all(
        _holds(operator, [str(value) for value in _list(expected)], context.get(key.lower()))
        for operator, keys in conditions.items()
        for key, expected in keys.items()
    )


def _holds(operator: str, expected: list[str], actual: Sequence[str] | None) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if name == "Null":
        return (actual is None) == (expected[0].lower() == "true")
    if optional := name.endswith("IfExists"):
        name = name.removesuffix("IfExists")
    negated = name in _NEGATED
    compare = _OPERATORS.get(_NEGATED.get(name, name))
    if compare is None or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise CannotJudge(f"the condition operator {operator} isn't known to the local cloud")
    if actual is None:
        # IAM: a negated operator, ForAllValues and IfExists hold for a key that isn't there.
        return optional or negated or quantifier == "ForAllValues"

    def one(value: str) -> bool:
        return any(compare(wanted, value) for wanted in expected) != negated

    return all(map(one, actual)) if quantifier == "ForAllValues" else any(map(one, actual))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
