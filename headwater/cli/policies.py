"""The rules of what must never be deployed, held against what the local cloud was just given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from headwater.errors import Refused

if TYPE_CHECKING:
    from localcloud.engine import ResourceState

DOCUMENTED = "docs/reference/policies.md"


class PoliciesViolated(Refused):
    """The stack is up on the local cloud, and breaks rules of `headwater.infra.policies`: keep it off AWS."""


def obey(resources: Iterable[ResourceState]) -> None:
    """Raise `PoliciesViolated`, one line a violation, unless every resource follows every rule or is exempt."""
    from headwater.infra.policies import judge, of_states

    violations = judge(of_states(resources)).violations
    if violations:
        raise PoliciesViolated(
            "\n".join(["deployed, but against the policies, so it must not go to AWS:", *map(str, violations)]),
            next_steps=[
                "fix it and deploy it again: headwater local up",
                f"or say beside the resource why the rule can't be followed: {DOCUMENTED}",
            ],
        )
