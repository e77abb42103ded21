"""One place for what every resource is called and tagged."""

from __future__ import annotations

import re

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


def physical_name(name: str) -> str:
    """``headwater-<stack>-<name>``: what a resource is called on AWS, so that two stacks share an account."""
    return f"{PROJECT}-{stack()}-{name}"


def tags(*, capability: str, **more: str) -> dict[str, str]:
    """The tags that every resource carries, and those of the setting ``tags``; costs can be told apart by each."""
    ours = {"Project": PROJECT, "Stack": stack(), "Capability": capability, "ManagedBy": "pulumi"}
    return {**(pulumi.Config(PROJECT).get_object("tags") or {}), **more, **ours}
