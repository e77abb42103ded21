"""Policies say what must never be deployed: rules over a graph of resources, written once for every engine.

`judge` applies them to any engine's resources. ``pulumi preview --policy-pack infra/policies`` runs `pack`, the same
rules as a standard policy pack; the tests and ``headwater local up`` judge what the embedded engine deployed, in
process. Nothing here but `pack` imports Pulumi.
"""

from headwater.infra.policies.exemptions import EXEMPTIONS, exempt
from headwater.infra.policies.graph import UNKNOWN, Resource, of_states
from headwater.infra.policies.judge import Report, Violation, judge
from headwater.infra.policies.rule import Rule
from headwater.infra.policies.rules import RULES

__all__ = [
    "EXEMPTIONS",
    "RULES",
    "UNKNOWN",
    "Report",
    "Resource",
    "Rule",
    "Violation",
    "exempt",
    "judge",
    "of_states",
]
