"""`headwater local up` and the policies."""

from __future__ import annotations

import pytest
from localcloud.engine import ResourceState

from headwater.cli.failures import failure
from headwater.cli.policies import PoliciesViolated, obey

STACK = "urn:pulumi:local::headwater::"


def test_a_stack_that_breaks_a_policy_is_refused_with_a_line_for_each_violation() -> None:
    tags = dict.fromkeys(("Project", "Stack", "Capability", "ManagedBy"), "x")
    table = ResourceState(
        urn=f"{STACK}aws:dynamodb/table:Table::orders",
        type="aws:dynamodb/table:Table",
        custom=True,
        inputs={"tags": tags},
    )
    group = ResourceState(
        urn=f"{STACK}aws:cloudwatch/logGroup:LogGroup::logs",
        type="aws:cloudwatch/logGroup:LogGroup",
        custom=True,
        inputs={"retentionInDays": 7},
    )
    with pytest.raises(PoliciesViolated) as raised:
        obey([table, group])
    told = failure(raised.value)
    assert told.exit_code == 5
    assert told.message.splitlines() == [
        "deployed, but against the policies, so it must not go to AWS:",
        "DDB3: Table orders: it can't be brought back: enable pointInTimeRecovery",
        "Tags: LogGroup logs: it lacks the tags Project, Stack, Capability, ManagedBy: "
        "use headwater.infra.platform.tags.tags",
    ]


def test_a_stack_that_keeps_the_policies_passes() -> None:
    obey([ResourceState(urn=f"{STACK}headwater:index:Table::orders", type="headwater:index:Table", custom=False)])
