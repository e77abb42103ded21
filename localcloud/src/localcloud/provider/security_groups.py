"""EC2: security groups with their rules."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.provider.ec2 import Tagged
from localcloud.provider.resource import Call, Name, ProviderError
from localcloud.provider.shape import renamed, tag_map
from localcloud.provider.values import Properties


def _permissions(rules: Any) -> list[dict[str, Any]]:
    permissions = []
    for rule in rules or ():
        told = {"Description": rule["description"]} if rule.get("description") else {}
        permission: dict[str, Any] = {"IpProtocol": str(rule["protocol"])}
        if rule["protocol"] not in ("-1", "all"):
            permission |= {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
        permission["IpRanges"] = [{"CidrIp": cidr, **told} for cidr in rule.get("cidrBlocks") or ()]
        permission["Ipv6Ranges"] = [{"CidrIpv6": cidr, **told} for cidr in rule.get("ipv6CidrBlocks") or ()]
        permission["PrefixListIds"] = [{"PrefixListId": prefix, **told} for prefix in rule.get("prefixListIds") or ()]
        permission["UserIdGroupPairs"] = [{"GroupId": group, **told} for group in rule.get("securityGroups") or ()]
        permissions.append({key: value for key, value in permission.items() if value != []})
    return permissions


def _told_rules(permissions: list[dict[str, Any]]) -> list[Properties]:
    """The rules in Pulumi's spelling; AWS has merged those that differ in their sources and descriptions alone."""
    rules: list[Properties] = []
    for permission in permissions:
        protocol = permission["IpProtocol"]
        ports = {"fromPort": permission.get("FromPort", 0), "toPort": permission.get("ToPort", 0)}
        by_word: dict[str, Properties] = {}
        for api, key, name in (
            ("IpRanges", "CidrIp", "cidrBlocks"),
            ("Ipv6Ranges", "CidrIpv6", "ipv6CidrBlocks"),
            ("PrefixListIds", "PrefixListId", "prefixListIds"),
            ("UserIdGroupPairs", "GroupId", "securityGroups"),
        ):
            for item in permission.get(api) or ():
                rule = by_word.setdefault(item.get("Description", ""), {"protocol": protocol, **ports})
                rule.setdefault(name, []).append(item[key])
        rules += [{**rule, **({"description": word} if word else {})} for word, rule in by_word.items()]
    return rules


class _Group(Tagged):
    """A security group with its rules."""

    unordered = ("ingress", "egress")

    def authorize(self, call: Call) -> None:
        """Let in and out what the inputs say; nothing else must be let by then."""
        ingress, egress = _permissions(call.inputs.get("ingress")), _permissions(call.inputs.get("egress"))
        if ingress:
            call.client.authorize_security_group_ingress(GroupId=call.id, IpPermissions=ingress)
        if egress:
            call.client.authorize_security_group_egress(GroupId=call.id, IpPermissions=egress)

    def read(self, call: Call) -> Properties:
        found = call.client.describe_security_groups(GroupIds=[call.id])["SecurityGroups"][0]
        return {
            "arn": call.aws.arn("ec2", f"security-group/{call.id}"),
            "name": found["GroupName"],
            "description": found["Description"],
            "vpcId": found.get("VpcId", ""),
            "ownerId": found["OwnerId"],
            "ingress": _told_rules(found["IpPermissions"]),
            "egress": _told_rules(found["IpPermissionsEgress"]),
            "tagsAll": tag_map(found.get("Tags")),
        }

    def update(self, call: Call) -> None:
        if call.changed("ingress", "egress"):
            _revoke_all(call, ingress=True)
            _revoke_all(call, ingress=False)
            self.authorize(call)
        self.tag(call)


class SecurityGroup(_Group, kind="aws:ec2/securityGroup:SecurityGroup"):
    schema_version = 1
    name = Name(limit=255)
    optional = ("vpcId", "ingress", "egress")
    defaults: ClassVar = {"description": "Managed by Pulumi", "revokeRulesOnDelete": False}
    replace = ("name", "description", "vpcId")
    within = ("vpcId",)

    def create(self, call: Call) -> str:
        names = {"name": "GroupName", "description": "Description", "vpcId": "VpcId"}
        call.keep(call.client.create_security_group(**renamed(call.inputs, names))["GroupId"])
        # AWS lets everything out of a new group; the program says what may go out, as the real provider has it.
        _revoke_all(call, ingress=False)
        self.authorize(call)
        self.tag(call)
        return call.id

    def delete(self, call: Call) -> None:
        call.client.delete_security_group(GroupId=call.id)


def _revoke_all(call: Call, *, ingress: bool) -> None:
    group = call.client.describe_security_groups(GroupIds=[call.id])["SecurityGroups"][0]
    rules = group["IpPermissions" if ingress else "IpPermissionsEgress"]
    if rules:
        revoke = call.client.revoke_security_group_ingress if ingress else call.client.revoke_security_group_egress
        revoke(GroupId=call.id, IpPermissions=rules)


class DefaultSecurityGroup(_Group, kind="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"):
    """The group that a VPC is born with: taken over, never made or deleted."""

    schema_version = 1
    required = ("vpcId",)
    optional = ("ingress", "egress")
    defaults: ClassVar = {"revokeRulesOnDelete": False}
    replace = ("vpcId",)
    shared = True  # it goes with its VPC

    def create(self, call: Call) -> str:
        within = [
            {"Name": "vpc-id", "Values": [call.inputs["vpcId"]]},
            {"Name": "group-name", "Values": ["default"]},
        ]
        found = call.client.describe_security_groups(Filters=within)["SecurityGroups"]
        if not found:
            raise ProviderError(f"the VPC {call.inputs['vpcId']} has no default security group")
        call.keep(found[0]["GroupId"])
        _revoke_all(call, ingress=True)
        _revoke_all(call, ingress=False)
        self.authorize(call)
        self.tag(call)
        return call.id

    def delete(self, call: Call) -> None:
        """It goes with its VPC."""
