"""One place for what every resource is called and tagged."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import pulumi

SETTINGS = "headwater"
"""The namespace of the platform's settings, whatever the project is called."""
_WORD = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")
_TOGETHER = 37
"""Characters of a project's and a stack's name: a bucket has 63, ``<project>-<stack>-access-logs-<account>``."""


class InvalidStackName(Exception):
    """The project's or the stack's name doesn't fit into the names of buckets and roles."""


def prefix() -> str:
    """``<project>-<stack>-``: what the names of all the stack's resources on AWS begin with.

    Raises
    ------
    InvalidStackName
        One of the two can't be part of a bucket's name.
    """
    project, stack = pulumi.get_project(), pulumi.get_stack()
    for kind, name in (("project", project), ("stack", stack)):
        if not _WORD.fullmatch(name):
            raise InvalidStackName(
                f"{kind} {name!r}: expected lower-case letters, digits and hyphens, a letter first, at least two "
                "characters, because buckets carry it"
            )
    if len(project) + len(stack) > _TOGETHER:
        raise InvalidStackName(
            f"project {project!r} and stack {stack!r} have {len(project) + len(stack)} characters together, buckets "
            f"carry both and have room for {_TOGETHER}: shorten one"
        )
    return f"{project}-{stack}-"


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
    """``<project>-<stack>-<name>``: what a resource is called on AWS, so that two stacks share an account.

    A name that is longer than AWS takes is cut, and ends in a digest of the whole: it stays the same from one
    deployment to the next, and differs from every other name that was cut at the same place.
    """
    return cut(f"{prefix()}{name}", LIMITS[kind])


def any_name() -> str:
    """A pattern that every `physical_name` of the stack matches, also one that was cut."""
    return f"{prefix()}*"


def cut(name: str, limit: int) -> str:
    """``name`` if it has at most ``limit`` characters, else its beginning and a digest of the whole."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: limit - _DIGITS - 1].rstrip('-_')}-{digest}"


def tags(*, capability: str, **more: str) -> dict[str, str]:
    """The tags that every resource carries, and those of the setting ``tags``; costs can be told apart by each."""
    ours = {
        "Project": pulumi.get_project(),
        "Stack": pulumi.get_stack(),
        "Capability": capability,
        "ManagedBy": "pulumi",
    }
    return {**(pulumi.Config(SETTINGS).get_object("tags") or {}), **more, **ours}
