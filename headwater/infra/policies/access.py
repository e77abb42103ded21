"""Rules about who comes in and who may do what: permissions, network, API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from headwater.infra.policies.documents import statements, wildcards
from headwater.infra.policies.graph import Graph, Resource
from headwater.infra.policies.rule import OURS, SERVERLESS, SOLUTIONS, Finding, rule

ROLE = "aws:iam/role:Role"
STAGE = "aws:apigatewayv2/stage:Stage"
INLINE = ("aws:iam/rolePolicy:RolePolicy", "aws:iam/userPolicy:UserPolicy", "aws:iam/groupPolicy:GroupPolicy")
ATTACHMENTS = (
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
)
GROUPS = ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
INGRESS = ("aws:ec2/securityGroupRule:SecurityGroupRule", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
ANYWHERE = {"0.0.0.0/0", "::/0"}


@rule("IAM4", SOLUTIONS, ROLE, *ATTACHMENTS)
def managed_policies(identity: Resource, _: Graph) -> Iterator[str]:
    """Nobody has one of AWS's managed policies: they allow more than is needed, and AWS changes them."""
    for arn in [*identity.items("managedPolicyArns"), identity.get("policyArn", default="")]:
        if ":iam::aws:policy/" in str(arn):
            yield f"it uses {arn}: grant what is needed"


@rule("IAM5", f"{SOLUTIONS}, Serverless", ROLE, "aws:iam/policy:Policy", *INLINE)
def permissions(policy: Resource, _: Graph) -> Iterator[Finding]:
    """A permission names its actions and resources; each wildcard has a reason of its own."""
    found = statements(policy, "policy")
    for number in range(len(policy.items("inlinePolicies"))):
        found += statements(policy, "inlinePolicies", number, "policy")
    for part in dict.fromkeys(part for item in found for part in wildcards(item)):
        yield Finding(f"it allows {part}: name what it is for, or say in the grant why that can't be done", of=part)


@rule("RoleTrust", OURS, ROLE)
def role_trust(role: Resource, _: Graph) -> Iterator[str]:
    """A role is one AWS service's, and nobody else's."""
    trusted = [item for item in statements(role, "assumeRolePolicy") if item.get("Effect") == "Allow"]
    principals = [item.get("Principal") for item in trusted]
    if len(principals) != 1 or not _is_one_service(principals[0]):
        yield f"it can be assumed by {json.dumps(principals)}: trust one service"


@rule("VPC3", SOLUTIONS, "aws:ec2/networkAcl:NetworkAcl", "aws:ec2/networkAclRule:NetworkAclRule")
def network_lists(_resource: Resource, _: Graph) -> Iterator[str]:
    """There are no network ACLs: security groups say who talks to whom."""
    yield "it is a network ACL: use a security group"


@rule("VPC7", SOLUTIONS, "aws:ec2/vpc:Vpc")
def flow_logs(vpc: Resource, graph: Graph) -> Iterator[str]:
    """A network logs its flows."""
    if not graph.settings(vpc, "aws:ec2/flowLog:FlowLog", "vpcId"):
        yield "its flows aren't logged: add a FlowLog"


@rule("EC23", SOLUTIONS, *GROUPS, *INGRESS)
def ingress(group: Resource, _: Graph) -> Iterator[str]:
    """No security group lets in the whole internet."""
    entries: list[Mapping[str, Any]] = group.items("ingress")
    if group.type in INGRESS and group.get("type", default="ingress") == "ingress":
        entries = [group.props]
    for number, entry in enumerate(entries):
        held = Resource(type="", name=f"{group.name}.ingress[{number}]", urn="", props=entry)
        ranges = {*held.items("cidrBlocks"), *held.items("ipv6CidrBlocks"), held.get("cidrIpv4"), held.get("cidrIpv6")}
        if ranges & ANYWHERE:
            yield "everybody may come in: name the addresses or a security group"


@rule("EC27", SOLUTIONS, "aws:ec2/securityGroup:SecurityGroup")
def group_description(group: Resource, _: Graph) -> Iterator[str]:
    """A security group says what it is for."""
    if group.get("description", default="") in ("", "Managed by Pulumi"):
        yield "nothing says what it is for: set description"


@rule("APIG1", f"{SOLUTIONS}, Serverless", STAGE)
def access_logs(stage: Resource, _: Graph) -> Iterator[str]:
    """An API logs who called it."""
    if not stage.has("accessLogSettings", "destinationArn"):
        yield "its calls aren't logged: set accessLogSettings"


@rule("APIG4", SOLUTIONS, "aws:apigatewayv2/route:Route")
def authorization(route: Resource, _: Graph) -> Iterator[Finding]:
    """An API asks who is calling, on every route; each that doesn't has a reason of its own."""
    if route.get("authorizationType", default="NONE") == "NONE":
        key = str(route.get("routeKey"))
        yield Finding(f"{key} answers anybody: set authorizationType, or say in the route why it is open", of=key)


@rule("APIGWStructuredLogging", SERVERLESS, STAGE)
def structured_logs(stage: Resource, _: Graph) -> Iterator[str]:
    """An API's access log is JSON, one object a line."""
    try:
        entry = json.loads(stage.get("accessLogSettings", "format", default=""))
    except json.JSONDecodeError:
        entry = None
    if not isinstance(entry, dict):
        yield "its access log isn't JSON: set accessLogSettings.format to an object"


@rule("APIGWDefaultThrottling", SERVERLESS, STAGE)
def throttling(stage: Resource, _: Graph) -> Iterator[str]:
    """An API takes so many requests a second and no more."""
    for limit in ("throttlingRateLimit", "throttlingBurstLimit"):
        if not stage.get("defaultRouteSettings", limit, default=0):
            yield f"one caller can use up the account's requests: set defaultRouteSettings.{limit}"


def _is_one_service(principal: Any) -> bool:
    return isinstance(principal, Mapping) and list(principal) == ["Service"] and isinstance(principal["Service"], str)
