"""The reference page of the rules and of all exemptions: docs/reference/policies.md, written by ``make reference``."""

from __future__ import annotations

from collections.abc import Iterable

from headwater.infra.policies.judge import Report
from headwater.infra.policies.rules import RULES

_HEAD = """\
<!-- Written by `make reference` from headwater/infra/policies and the components' exemptions: don't edit it. -->
# Policies: what must never be deployed

Every resource of a stack follows these rules, or the component that it belongs to says beside it why it can't
([decision 41](../decisions/0041-exemptions-are-component-outputs.md)). They are written once,
in `headwater/infra/policies/`, and held against a stack by

* `pulumi preview` and `pulumi up` with `--policy-pack infra/policies`, which refuse a stack that breaks one;
* `headwater local up`, which exits with 5 and a line for each violation once the stack is up;
* the tests, over the deployed stack.

A rule that needs a value which a preview can't know yet is judged when the stack is deployed; Pulumi says which.
A CLI without Python's language host starts the pack as an executable:
`--policy-pack infra/policies/__main__.py`.

A component exempts its own children, and says why: `self.register_outputs({..., EXEMPTIONS: [exempt("S1", "...")]})`.
A grant on what can't be named says why: `allow(..., wildcard="...")`. An exemption that nothing needs fails the tests.
"""


def render(report: Report) -> str:
    """The page, from what judging the whole stack came to."""
    rules = [(f"`{rule.id}`", rule.demands, rule.source) for rule in RULES.values()]
    names: dict[tuple[str, str, str], set[str]] = {}
    for violation, exemption in report.excused:
        kind = violation.resource.type.rpartition(":")[2]
        names.setdefault((exemption.rule, kind, exemption.reason), set()).add(violation.resource.name)
    order = list(RULES)
    excused = [
        (f"`{rule}`", kind, ", ".join(sorted(names[rule, kind, reason])), reason)
        for rule, kind, reason in sorted(names, key=lambda key: (order.index(key[0]), *key))
    ]
    return "\n".join(
        [
            _HEAD,
            f"## The rules ({len(rules)})\n",
            *_table(("rule", "demands", "from"), rules),
            "\n## Exemptions\n",
            *_table(("rule", "type", "names", "why"), excused),
            "",
        ]
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    lines = [head, ("---",) * len(head), *rows]
    return ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
