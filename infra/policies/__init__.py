"""What must never be deployed: rules over a graph of resources, written once for every engine.

`judge` applies them to any engine's resources. ``pulumi preview --policy-pack infra/policies`` runs `__main__.py`, the
same rules as a standard policy pack; the tests and ``headwater local up`` judge what the embedded engine deployed, in
process. Nothing here but `__main__.py` imports Pulumi.
"""

from infra.policies.exemptions import EXEMPTIONS, exempt
from infra.policies.graph import UNKNOWN, Resource, of_states
from infra.policies.judge import Report, Violation, judge
from infra.policies.rule import Rule
from infra.policies.rules import RULES

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
