"""Matchers of labels, as Prometheus' Alertmanager writes and reads them: ``severity="critical"``, ``model=~"a|b"``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from headwater.errors import InvalidRequest

Labels = Mapping[str, str]

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCHER = re.compile(r"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = {r"\"": '"', r"\\": "\\", r"\n": "\n"}
_BARE = re.compile(r"[^\"{},=!~\s\\][^\"{},\s]*|")
_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[0-9]*,?[0-9]*\}|.", re.DOTALL)
_UNBOUNDED = re.compile(r"[*+]|\{[0-9]*,\}")
LONGEST = 1_000
"""Characters of a matcher."""


class InvalidMatcher(InvalidRequest):
    """A matcher of labels can't be read."""


class Operator(StrEnum):
    """How a label's value is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"


class Matcher(BaseModel):
    """One condition on one label. A label that is missing counts as one without text."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    name: str
    operator: Operator
    value: str

    @classmethod
    def parse(cls, text: str) -> Matcher:
        """Read ``name="value"``, with one of ``=``, ``!=``, ``=~`` and ``!~``; quotes may be left out of plain words.

        Raises
        ------
        InvalidMatcher
            The text is no matcher, or its regular expression doesn't compile.
        """
        found = _MATCHER.fullmatch(text) if isinstance(text, str) and len(text) <= LONGEST else None
        if found is None:
            raise InvalidMatcher(
                f"{str(text)[:80]!r} is no matcher: write a label, one of = != =~ !~, and a value in quotes, such as "
                "'severity=\"critical\"'"
            )
        name, operator, value = found.groups()
        if quoted := _QUOTED.fullmatch(value):
            value = re.sub(r"\\.", lambda escape: _ESCAPED.get(escape[0], escape[0]), quoted[1], flags=re.DOTALL)
        elif not _BARE.fullmatch(value):
            raise InvalidMatcher(f"{text[:80]!r} is no matcher: put the value {value[:60]!r} in double quotes")
        made = cls(name=name, operator=Operator(operator), value=value)
        if made.operator in {Operator.MATCHES, Operator.MATCHES_NOT}:
            try:
                re.compile(value)
            except (re.error, OverflowError, RecursionError) as error:
                raise InvalidMatcher(f"{text[:80]!r}: the regular expression doesn't compile: {error}") from error
        return made

    def matches(self, labels: Labels) -> bool:
        """Whether ``labels`` meet the condition; an expression must match the whole value."""
        value = labels.get(self.name, "")
        if self.operator is Operator.EQUAL:
            return value == self.value
        if self.operator is Operator.NOT_EQUAL:
            return value != self.value
        return (self._pattern.fullmatch(value) is not None) == (self.operator is Operator.MATCHES)

    @property
    def may_take_for_ever(self) -> bool:
        """Whether its expression repeats repetitions, such as ``(a+)+``.

        Asked of what is new, not of what is kept: a mute of before must stay readable, if only to be ended.
        """
        return self.operator in {Operator.MATCHES, Operator.MATCHES_NOT} and _repeats_repetitions(self.value)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.value)

    def __str__(self) -> str:
        """As Alertmanager's configuration writes it."""
        escaped = self.value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        return f'{self.name}{self.operator.value}"{escaped}"'


def _repeats_repetitions(pattern: str) -> bool:
    """Whether a group that is repeated without a bound holds something that is, too.

    Python tries every way of splitting a text between the two, which Alertmanager's engine never does: a single such
    mute would keep every alarm from everybody.
    """
    open_groups = [False]
    parts = _PART.findall(pattern)
    for part, after in zip(parts, [*parts[1:], ""], strict=True):
        if part == "(":
            open_groups.append(False)
        elif part == ")" and len(open_groups) > 1:
            within = open_groups.pop()
            if within and _UNBOUNDED.fullmatch(after):
                return True
            open_groups[-1] |= within
        elif _UNBOUNDED.fullmatch(part):
            open_groups[-1] = True
    return False


def _matcher(given: Any) -> Any:
    if isinstance(given, str):
        try:
            return Matcher.parse(given)
        except InvalidMatcher as error:
            raise ValueError(error.message) from error
    return given


Matchers = tuple[Annotated[Matcher, BeforeValidator(_matcher), PlainSerializer(str)], ...]
"""Conditions that must all hold; written and kept as text."""


def all_match(matchers: Iterable[Matcher], labels: Labels) -> bool:
    """Whether every matcher holds of ``labels``; without any, true."""
    return all(matcher.matches(labels) for matcher in matchers)
