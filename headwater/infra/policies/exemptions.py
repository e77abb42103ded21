"""Exceptions from rules: declared beside the resource, with the reason, and read by whoever judges.

A component says with its outputs what its children are exempt from. Outputs of components are in Pulumi's state and
nowhere on AWS, so an exemption reaches a policy pack in another process as well as the tests, and the stack's history
says since when there is one (docs/decisions/0041).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from headwater.infra.policies.graph import Resource, Unknown
from headwater.infra.policies.rules import RULES

EXEMPTIONS: Final = "policyExemptions"
"""The output of a component that holds what `exempt` made."""


@dataclass(frozen=True)
class Exemption:
    """One rule that the children of one component needn't follow."""

    component: str
    """The component's URN."""
    rule: str
    reason: str
    of: frozenset[str] | None = None
    """Which findings; None: all of the rule's."""

    def covers(self, rule: str, resource: Resource, of: str) -> bool:
        """Whether a finding is excused."""
        return self.rule == rule and self.component == resource.parent and (self.of is None or of in self.of)


def exempt(rule: str, reason: str, *, of: Sequence[Any] | None = None) -> dict[str, Any]:
    """An exemption, for a component's output `EXEMPTIONS`: its own children needn't follow ``rule``.

    Parameters
    ----------
    rule : str
        The rule's id.
    reason : str
        Why the rule can't or shouldn't be followed here; docs/reference/policies.md lists it.
    of : sequence of str or Output[str], optional
        The findings it is for, where a rule tells several apart (IAM5: the resource, or ``<action> on *``); by default
        all of the rule's.

    Raises
    ------
    ValueError
        There is no such rule, or no reason.
    """
    if rule not in RULES:
        raise ValueError(f"there is no rule {rule!r} to be exempt from: {', '.join(sorted(RULES))}")
    if not reason.strip():
        raise ValueError(f"an exemption from {rule} needs a reason")
    return {"rule": rule, "reason": reason, **({} if of is None else {"of": list(of)})}


def declared(resources: Iterable[Resource]) -> list[Exemption]:
    """Every exemption of a stack that is known by now."""
    found = []
    for resource in resources:
        # Components alone: nothing that AWS answers may excuse anything.
        if EXEMPTIONS in resource.props and not resource.type.startswith("aws:"):
            with suppress(Unknown):
                found += [_read(resource, number) for number in range(len(resource.items(EXEMPTIONS)))]
    return found


def _read(component: Resource, number: int) -> Exemption:
    def text(key: str) -> str:
        return str(component.get(EXEMPTIONS, number, key))

    of = component.items(EXEMPTIONS, number, "of") if "of" in component.get(EXEMPTIONS, number) else None
    return Exemption(component.urn, text("rule"), text("reason"), None if of is None else frozenset(map(str, of)))
