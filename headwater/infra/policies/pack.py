"""The rules as a standard policy pack, which a project starts from its own ``infra/policies/__main__.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from headwater.infra.policies import RULES, Resource, Rule, judge
from headwater.infra.policies.graph import unknown

DOCUMENTED = "docs/reference/policies.md"


def policy(rule: Rule) -> StackValidationPolicy:
    """One rule as a policy over the whole stack: most settings are resources of their own, beside what they set."""

    def validate(args: StackValidationArgs, report_violation: ReportViolation) -> None:
        report = judge(map(resource, args.resources), [rule])
        for violation in report.violations:
            report_violation(violation.message, violation.resource.urn)
        for _, _, reason in report.undecided:
            # Pulumi says so, and asks again when the stack is deployed.
            raise reason.cause or reason

    return StackValidationPolicy(
        name=rule.id,
        description=f"{rule.demands} ({rule.source})",
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
        url=DOCUMENTED,
    )


def _unused(args: StackValidationArgs, report_violation: ReportViolation) -> None:
    for exemption in judge(map(resource, args.resources)).unused:
        report_violation(f"nothing needs the exemption from {exemption.rule}: {exemption.reason}", exemption.component)


UNUSED = StackValidationPolicy(
    name="UnusedExemptions",
    description="An exemption that nothing needs is taken out. (Headwater)",
    validate=_unused,
    enforcement_level=EnforcementLevel.ADVISORY,
    url=DOCUMENTED,
)


def resource(given: PolicyResource) -> Resource:
    """A resource of the SDK as rules see it."""
    return Resource(
        type=given.resource_type,
        name=given.name,
        urn=given.urn,
        props=_plain(given.props),
        parent=given.parent.urn if given.parent else "",
        property_dependencies={
            name: [other.urn for other in others] for name, others in given.property_dependencies.items()
        },
    )


def _plain(value: Any) -> Any:
    """The SDK's proxies as plain values; they raise when asked for what a preview doesn't know."""
    if isinstance(value, Mapping):
        return {key: _known(value.__getitem__, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_known(value.__getitem__, index) for index in range(len(value))]
    return value


def _known(read: Callable[[Any], Any], key: Any) -> Any:
    try:
        return _plain(read(key))
    except UnknownValueError as error:
        return unknown(error)


def start() -> None:
    """Serve the rules to the Pulumi engine that started this process."""
    PolicyPack(
        name="headwater",
        policies=[*map(policy, RULES.values()), UNUSED],
        enforcement_level=EnforcementLevel.MANDATORY,
    )
