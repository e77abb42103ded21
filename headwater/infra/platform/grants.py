"""Permissions as values: a component hands out grants, and a role is the sum of those it was given.

A grant also holds the settings that lead to the thing it is for, such as a table's name: whoever uses the thing gets
both or neither. Policy documents are made here and nowhere else. A statement names the ARNs it is for; the few AWS
actions that know no resource are listed in `WITHOUT_RESOURCE`, each with the reason, and nothing else may be granted on
``*``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from headwater.infra.platform.tags import physical_name, tags
from headwater.infra.policies import EXEMPTIONS, exempt

Text = str | pulumi.Output[str]
Setting = Text | int | float

WITHOUT_RESOURCE: Mapping[str, str] = {
    "ecr:GetAuthorizationToken": "a token is the account's, not a repository's",
    "logs:CreateLogDelivery": "the delivery of a service's logs has no ARN",
    "logs:DeleteLogDelivery": "the delivery of a service's logs has no ARN",
    "logs:DescribeLogGroups": "a list action",
    "logs:DescribeResourcePolicies": "a list action",
    "logs:GetLogDelivery": "the delivery of a service's logs has no ARN",
    "logs:ListLogDeliveries": "a list action",
    "logs:PutResourcePolicy": "resource policies of CloudWatch Logs are the account's",
    "logs:UpdateLogDelivery": "the delivery of a service's logs has no ARN",
    "xray:GetSamplingRules": "X-Ray's write and sampling actions know no resource",
    "xray:GetSamplingTargets": "X-Ray's write and sampling actions know no resource",
    "xray:PutTelemetryRecords": "X-Ray's write and sampling actions know no resource",
    "xray:PutTraceSegments": "X-Ray's write and sampling actions know no resource",
}
"""Actions for which AWS accepts no resource but ``*``, and why."""


class ConflictingSettings(Exception):
    """Two grants lead to different things by a setting of the same name."""


class UnnamedResource(Exception):
    """A statement is for every resource although its actions could name theirs."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Actions that are allowed on resources."""

    actions: Sequence[str]
    resources: Sequence[Text]
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    wildcard: str = ""
    """Why a resource holds an asterisk: the reason of an exemption from IAM5."""

    def __post_init__(self) -> None:
        if any(isinstance(resource, str) and resource == "*" for resource in self.resources):
            named = sorted(set(self.actions) - WITHOUT_RESOURCE.keys())
            if named:
                raise UnnamedResource(f"{', '.join(named)}: granted on *, but an ARN can be named")

    def document(self, **more: Any) -> dict[str, Any]:
        """The statement in IAM's words."""
        condition = {"Condition": dict(self.conditions)} if self.conditions else {}
        return {
            "Effect": "Allow",
            **more,
            "Action": sorted(self.actions),
            "Resource": list(self.resources),
            **condition,
        }


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Statements that belong together, and the settings that lead to what they are for."""

    statements: Sequence[Statement]
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """By the name of a field of the handler's Settings class, or of a place in a state machine's definition."""


def allow(
    actions: Sequence[str],
    *resources: Text,
    conditions: Mapping[str, Mapping[str, Any]] | None = None,
    wildcard: str = "",
    settings: Mapping[str, Setting] | None = None,
) -> Grant:
    """The grant of ``actions`` on ``resources``; ``wildcard`` says why one of them holds an asterisk."""
    statement = Statement(actions=actions, resources=resources, conditions=conditions or {}, wildcard=wildcard)
    return Grant(statements=[statement], settings=settings or {})


def merge(*grants: Grant) -> Grant:
    """One grant of what several allow, with the settings of all.

    Raises
    ------
    ConflictingSettings
        Two grants give one setting different values, so the user of both would miss one of the things.
    """
    settings: dict[str, Setting] = {}
    for grant in grants:
        for name, value in grant.settings.items():
            if not _same(settings.setdefault(name, value), value):
                raise ConflictingSettings(
                    f"{name}: two uses lead to different things by this setting; give one of the things a setting of "
                    "its own (argument `setting` of the table, bucket, function or state machine)"
                )
    return Grant(statements=[statement for grant in grants for statement in grant.statements], settings=settings)


def _same(one: Setting, other: Setting) -> bool:
    # An output's value isn't known yet: the same thing hands out the same output.
    return one is other if isinstance(one, pulumi.Output) or isinstance(other, pulumi.Output) else one == other


TRACING = allow(
    ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"], "*"
)
LOG_DELIVERY = allow([action for action in WITHOUT_RESOURCE if action.startswith("logs:")], "*")
"""Permissions that Step Functions needs to write its history to CloudWatch Logs."""


def write_logs(group: aws.cloudwatch.LogGroup, *more: str) -> Grant:
    """To write into a log group that exists, and ``more``; nobody may make one, or it would have no retention."""
    return allow(
        ["logs:CreateLogStream", "logs:PutLogEvents", *more],
        pulumi.Output.concat(group.arn, ":*"),
        wildcard="a log stream is made by who writes it, under a name that isn't known before",
    )


def use_key(key: str, service: str, region: str, actions: Sequence[str]) -> Grant:
    """To use a KMS key through an AWS service alone, such as ``"s3"``; nothing without a key."""
    if not key:
        return Grant(statements=())
    via = {"StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"}}
    return allow(actions, key, conditions=via)


def policy_document(statements: Sequence[Mapping[str, Any]]) -> pulumi.Output[str]:
    """A policy document as JSON, once every ARN in it is known."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def require_tls(*resources: Text) -> dict[str, Any]:
    """The statement of a resource policy that refuses whoever comes without TLS."""
    return {
        "Sid": "RefusePlainText",
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "*",
        "Resource": list(resources),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


class Role(pulumi.ComponentResource):
    """A role for one AWS service, with one inline policy: the sum of its grants. No managed policies."""

    def __init__(
        self,
        name: str,
        *,
        service: str,
        grants: Sequence[Grant],
        capability: str,
        trust_conditions: Mapping[str, Mapping[str, Text]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:index:Role", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        trust: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        if trust_conditions:
            trust["Condition"] = dict(trust_conditions)
        self.role = aws.iam.Role(
            name,
            name=physical_name(name, "role"),
            assume_role_policy=policy_document([trust]),
            tags=tags(capability=capability),
            opts=child,
        )
        statements = [statement for grant in grants for statement in grant.statements]
        self.policy = aws.iam.RolePolicy(
            name,
            name="grants",
            role=self.role.name,
            policy=policy_document([statement.document() for statement in statements]),
            opts=child,
        )
        self.arn = self.role.arn
        # Whoever uses the role waits until it may do what it was granted.
        self.ready = pulumi.Output.all(self.role.arn, self.policy.id).apply(lambda known: str(known[0]))
        self.register_outputs({"arn": self.arn, EXEMPTIONS: _exemptions(statements)})

    def pass_to(self, to: str) -> Grant:
        """To hand this role to the AWS service ``to``."""
        return allow(["iam:PassRole"], self.arn, conditions={"StringEquals": {"iam:PassedToService": to}})


def object_arns(bucket_arn: pulumi.Output[str], prefix: str) -> pulumi.Output[str]:
    """The ARN of every object whose key starts with ``prefix``."""
    return pulumi.Output.concat(bucket_arn, "/", prefix, "*")


def _exemptions(statements: Sequence[Statement]) -> list[dict[str, Any]]:
    """Reasons that excuse the wildcards of a role, each reason once."""
    reasons: dict[str, list[Text]] = {}
    for statement in statements:
        if "*" in [resource for resource in statement.resources if isinstance(resource, str)]:
            for action in statement.actions:
                reasons.setdefault(WITHOUT_RESOURCE[action], []).append(f"{action} on *")
        elif statement.wildcard:
            reasons.setdefault(statement.wildcard, []).extend(statement.resources)
    return [exempt("IAM5", reason, of=of) for reason, of in reasons.items()]
