"""One place for what every resource is called and tagged."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import pulumi

PROJECT = "headwater"

# The longest name made from it is a bucket's, at most 63 characters: headwater-<stack>-access-logs-<account>.
_STACK = re.compile(r"^[a-z][a-z0-9-]{0,26}[a-z0-9]$")


class InvalidStackName(Exception):
    """The stack's name doesn't fit into the names of buckets and roles."""


def stack() -> str:
    """The stack's name.

    Raises
    ------
    InvalidStackName
        It can't be part of a bucket's name.
    """
    name = pulumi.get_stack()
    if not _STACK.match(name):
        raise InvalidStackName(
            f"stack {name!r}: 2 to 28 lower-case letters, digits and hyphens, a letter first, because buckets carry it"
        )
    return name


Kind = Literal["function", "role", "rule", "schedule group", "application", "state machine", "queue", "other"]

# Characters that AWS takes in a name: its API references of the services. "other" is whatever takes 128 and more.
LIMITS: Mapping[Kind, int] = MappingProxyType(
    {
        "function": 64,
        "role": 64,
        "rule": 64,
        "schedule group": 64,
        "application": 64,
        "state machine": 80,
        "queue": 80,
        "other": 128,
    }
)
_DIGITS = 8


def physical_name(name: str, kind: Kind) -> str:
    """``headwater-<stack>-<name>``: what a resource is called on AWS, so that two stacks share an account.

    A name that is longer than AWS takes is cut, and ends in a digest of the whole: it stays the same from one
    deployment to the next, and differs from every other name that was cut at the same place.
    """
    return cut(f"{PROJECT}-{stack()}-{name}", LIMITS[kind])


def any_name() -> str:
    """A pattern that every `physical_name` of the stack matches, also one that was cut."""
    return f"{PROJECT}-{stack()}-*"


def cut(name: str, limit: int) -> str:
    """``name`` if it has at most ``limit`` characters, else its beginning and a digest of the whole."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: limit - _DIGITS - 1].rstrip('-_')}-{digest}"


def tags(*, capability: str, **more: str) -> dict[str, str]:
    """The tags that every resource carries, and those of the setting ``tags``; costs can be told apart by each."""
    ours = {"Project": PROJECT, "Stack": stack(), "Capability": capability, "ManagedBy": "pulumi"}
    return {**(pulumi.Config(PROJECT).get_object("tags") or {}), **more, **ours}
