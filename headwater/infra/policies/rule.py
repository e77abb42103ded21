"""A rule and how one is written: a function over one resource that yields what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from headwater.infra.policies.graph import Graph, Resource


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a resource."""

    message: str
    """The violation and what to do."""
    of: str = ""
    """Which part of the resource, where an exemption must say which; empty: the resource."""


Check = Callable[[Resource, Graph], Iterable[str | Finding]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A demand on every resource of some types."""

    id: str
    """As cdk-nag calls it, where it has the rule."""
    source: str
    """Where the rule comes from."""
    demands: str
    """The condition that must hold, in a sentence."""
    types: tuple[str, ...]
    """Types it looks at; empty: every AWS resource."""
    check: Check

    def applies_to(self, resource: Resource) -> bool:
        """Whether the rule has anything to say of it."""
        return resource.type in self.types if self.types else resource.type.startswith("aws:")


SOLUTIONS = "cdk-nag AwsSolutions"
SERVERLESS = "cdk-nag Serverless"
OURS = "Headwater"


def rule(identity: str, source: str, *types: str) -> Callable[[Check], Rule]:
    """The rule ``identity``: the function's docstring is what it demands, what it yields are violations."""

    def made(check: Check) -> Rule:
        demands = " ".join((check.__doc__ or "").split())
        return Rule(id=identity, source=source, demands=demands, types=types, check=check)

    return made
