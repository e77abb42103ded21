"""Pulumi's module vpc, single rules of security groups; and flow logs."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.provider.resource import Call, Resource
from localcloud.provider.shape import tag_list, tag_map
from localcloud.provider.values import Properties


class _Rule(Resource):
    """One rule of a security group."""

    service = "ec2"
    required = ("securityGroupId", "ipProtocol")
    optional = (
        "cidrIpv4", "cidrIpv6", "description", "fromPort", "toPort", "prefixListId", "referencedSecurityGroupId",
    )  # fmt: skip
    # AWS changes a rule in place; moto has no such call, so a changed rule is a new one here.
    replace = (*required, *optional)
    tagged = True
    egress: ClassVar[bool]

    def create(self, call: Call) -> str:
        side = "egress" if self.egress else "ingress"
        authorize = getattr(call.client, f"authorize_security_group_{side}")
        made = authorize(GroupId=call.inputs["securityGroupId"], IpPermissions=[self._permission(call)])
        call.keep(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])
        self.update(call)
        return call.id

    def read(self, call: Call) -> Properties | None:
        found = call.client.describe_security_group_rules(SecurityGroupRuleIds=[call.id])["SecurityGroupRules"]
        arn = call.aws.arn("ec2", f"security-group-rule/{call.id}")
        if not found:
            return None
        rule = found[0]
        told = {
            "securityGroupId": rule["GroupId"],
            "ipProtocol": rule["IpProtocol"],
            "cidrIpv4": rule.get("CidrIpv4"),
            "cidrIpv6": rule.get("CidrIpv6"),
            "description": rule.get("Description") or None,
            "tagsAll": tag_map(rule.get("Tags")),
        }
        return {**told, "arn": arn, "securityGroupRuleId": call.id}

    def update(self, call: Call) -> None:
        if call.tags:
            call.client.create_tags(Resources=[call.id], Tags=tag_list(call.tags))
        if call.removed_tags():
            call.client.delete_tags(Resources=[call.id], Tags=[{"Key": key} for key in call.removed_tags()])

    def delete(self, call: Call) -> None:
        side = "egress" if self.egress else "ingress"
        revoke = getattr(call.client, f"revoke_security_group_{side}")
        revoke(GroupId=call.inputs["securityGroupId"], SecurityGroupRuleIds=[call.id])

    @staticmethod
    def _permission(call: Call) -> dict[str, Any]:
        inputs = call.inputs
        told = {"Description": inputs["description"]} if inputs.get("description") else {}
        permission: dict[str, Any] = {"IpProtocol": str(inputs["ipProtocol"])}
        for name, api in (("fromPort", "FromPort"), ("toPort", "ToPort")):
            if name in inputs:
                permission[api] = inputs[name]
        for name, ranges, key in (
            ("cidrIpv4", "IpRanges", "CidrIp"),
            ("cidrIpv6", "Ipv6Ranges", "CidrIpv6"),
            ("prefixListId", "PrefixListIds", "PrefixListId"),
            ("referencedSecurityGroupId", "UserIdGroupPairs", "GroupId"),
        ):
            if inputs.get(name):
                permission[ranges] = [{key: inputs[name], **told}]
        return permission


class SecurityGroupIngressRule(_Rule, kind="aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"):
    egress = False


class SecurityGroupEgressRule(_Rule, kind="aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"):
    egress = True
