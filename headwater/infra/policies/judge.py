"""Rules applied to a stack: what is violated, what is excused and why, what can't be told yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from headwater.infra.policies.exemptions import Exemption, declared
from headwater.infra.policies.graph import Graph, Resource, Unknown
from headwater.infra.policies.rule import Rule
from headwater.infra.policies.rules import RULES


@dataclass(frozen=True)
class Violation:
    """A resource that breaks a rule."""

    rule: str
    resource: Resource
    message: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.resource.type.rpartition(':')[2]} {self.resource.name}: {self.message}"


@dataclass
class Report:
    """Outcome of judging a stack."""

    violations: list[Violation] = field(default_factory=list)
    excused: list[tuple[Violation, Exemption]] = field(default_factory=list)
    """Violations that an exemption covers."""
    unused: list[Exemption] = field(default_factory=list)
    """Exemptions that nothing needs: to be taken out."""
    undecided: list[tuple[Rule, Resource, Unknown]] = field(default_factory=list)
    """Rules that a preview can't judge: the value is known once it is deployed."""


def judge(resources: Iterable[Resource], rules: Iterable[Rule] = RULES.values()) -> Report:
    """Apply ``rules`` to every resource they are about.

    Parameters
    ----------
    resources : iterable of Resource
        All of a stack's, components included: they carry the exemptions.
    rules : iterable of Rule, optional
        Some of the rules; by default all.

    Returns
    -------
    Report
        Violations in the order of the rules and URNs; nothing is raised for one.
    """
    graph, report, rules = Graph(resources), Report(), tuple(rules)
    exemptions = declared(graph.resources)
    used: set[Exemption] = set()
    ordered = sorted(graph.resources, key=lambda resource: resource.urn)
    for rule in rules:
        for resource in ordered:
            if rule.applies_to(resource):
                used |= _apply(rule, resource, graph, exemptions, report)
    asked = {rule.id for rule in rules}
    report.unused = [exemption for exemption in exemptions if exemption.rule in asked and exemption not in used]
    return report


def _apply(rule: Rule, resource: Resource, graph: Graph, exemptions: list[Exemption], report: Report) -> set[Exemption]:
    """Note what the rule finds of one resource; the exemptions that it needed, or may need once all is known."""
    used = set()
    try:
        for found in rule.check(resource, graph):
            message, of = (found, "") if isinstance(found, str) else (found.message, found.of)
            violation = Violation(rule.id, resource, message)
            excuse = next((item for item in exemptions if item.covers(rule.id, resource, of)), None)
            if excuse is None:
                report.violations.append(violation)
            else:
                report.excused.append((violation, excuse))
                used.add(excuse)
    except Unknown as reason:
        report.undecided.append((rule, resource, reason))
        used |= {item for item in exemptions if item.rule == rule.id and item.component == resource.parent}
    return used
