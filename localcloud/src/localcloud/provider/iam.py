"""IAM: roles and policies."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import unquote

from localcloud.provider.resource import Call, Name, Put, Resource, document
from localcloud.provider.shape import capitals, renamed, tag_list, tag_map
from localcloud.provider.values import Properties


class _Iam(Resource):
    service = "iam"
    regional = False


class Role(_Iam, kind="aws:iam/role:Role"):
    name = Name(limit=64)
    required = ("assumeRolePolicy",)
    optional = ("description", "permissionsBoundary")
    defaults: ClassVar = {"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False}
    replace = ("name", "path")
    documents = ("assumeRolePolicy",)
    tagged = True

    def create(self, call: Call) -> str:
        names = capitals("description", "path", "maxSessionDuration", "permissionsBoundary") | {
            "name": "RoleName",
            "assumeRolePolicy": "AssumeRolePolicyDocument",
        }
        call.client.create_role(**renamed(call.inputs, names), Tags=tag_list(call.tags))
        return str(call.inputs["name"])

    def read(self, call: Call) -> Properties:
        role = call.client.get_role(RoleName=call.id)["Role"]
        return {
            "name": role["RoleName"],
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
            "path": role["Path"],
            "assumeRolePolicy": _text(role["AssumeRolePolicyDocument"]),
            "createDate": role["CreateDate"].isoformat(),
            "maxSessionDuration": role.get("MaxSessionDuration", 3600),
            "description": role.get("Description") or None,
            "permissionsBoundary": (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
            "tagsAll": tag_map(role.get("Tags")),
        }

    def update(self, call: Call) -> None:
        if call.changed("assumeRolePolicy"):
            call.client.update_assume_role_policy(RoleName=call.id, PolicyDocument=call.inputs["assumeRolePolicy"])
        if call.changed("description", "maxSessionDuration"):
            call.client.update_role(
                RoleName=call.id,
                Description=call.inputs.get("description", ""),
                MaxSessionDuration=call.inputs["maxSessionDuration"],
            )
        if call.changed("permissionsBoundary"):
            if call.inputs.get("permissionsBoundary"):
                boundary = call.inputs["permissionsBoundary"]
                call.client.put_role_permissions_boundary(RoleName=call.id, PermissionsBoundary=boundary)
            else:
                call.client.delete_role_permissions_boundary(RoleName=call.id)
        if call.tags:
            call.client.tag_role(RoleName=call.id, Tags=tag_list(call.tags))
        if call.removed_tags():
            call.client.untag_role(RoleName=call.id, TagKeys=call.removed_tags())

    def delete(self, call: Call) -> None:
        if call.inputs.get("forceDetachPolicies"):
            for policy in call.client.list_attached_role_policies(RoleName=call.id)["AttachedPolicies"]:
                call.client.detach_role_policy(RoleName=call.id, PolicyArn=policy["PolicyArn"])
        call.client.delete_role(RoleName=call.id)


class RolePolicy(_Iam, Put, kind="aws:iam/rolePolicy:RolePolicy"):
    name = Name(limit=128)
    required = ("policy", "role")
    replace = ("name", "role")
    documents = ("policy",)

    def identity(self, call: Call) -> str:
        return f"{call.inputs['role']}:{call.inputs['name']}"

    def put(self, call: Call) -> None:
        call.client.put_role_policy(**self._key(self.identity(call)), PolicyDocument=call.inputs["policy"])

    def read(self, call: Call) -> Properties:
        found = call.client.get_role_policy(**self._key(call.id))
        return {"name": found["PolicyName"], "role": found["RoleName"], "policy": _text(found["PolicyDocument"])}

    def delete(self, call: Call) -> None:
        call.client.delete_role_policy(**self._key(call.id))

    @staticmethod
    def _key(identity: str) -> dict[str, str]:
        role, _, name = identity.partition(":")
        return {"RoleName": role, "PolicyName": name}


class RolePolicyAttachment(_Iam, kind="aws:iam/rolePolicyAttachment:RolePolicyAttachment"):
    required = ("policyArn", "role")
    replace = ("policyArn", "role")
    known_by = ("role", "policyArn")

    def create(self, call: Call) -> str:
        call.client.attach_role_policy(RoleName=call.inputs["role"], PolicyArn=call.inputs["policyArn"])
        return f"{call.inputs['role']}/{call.inputs['policyArn']}"

    def read(self, call: Call) -> Properties | None:
        role, _, arn = call.id.partition("/")
        attached = call.client.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return {"role": role, "policyArn": arn} if arn in [policy["PolicyArn"] for policy in attached] else None

    def delete(self, call: Call) -> None:
        role, _, arn = call.id.partition("/")
        call.client.detach_role_policy(RoleName=role, PolicyArn=arn)


class Policy(_Iam, kind="aws:iam/policy:Policy"):
    name = Name(limit=128)
    required = ("policy",)
    optional = ("description",)
    defaults: ClassVar = {"path": "/"}
    replace = ("name", "path", "description")
    documents = ("policy",)
    tagged = True

    def create(self, call: Call) -> str:
        names = {"name": "PolicyName", "policy": "PolicyDocument", "path": "Path", "description": "Description"}
        made = call.client.create_policy(**renamed(call.inputs, names), Tags=tag_list(call.tags))
        return str(made["Policy"]["Arn"])

    def read(self, call: Call) -> Properties:
        policy = call.client.get_policy(PolicyArn=call.id)["Policy"]
        version = call.client.get_policy_version(PolicyArn=call.id, VersionId=policy["DefaultVersionId"])
        return {
            "arn": call.id,
            "name": policy["PolicyName"],
            "path": policy["Path"],
            "policyId": policy["PolicyId"],
            "attachmentCount": policy["AttachmentCount"],
            "description": policy.get("Description") or None,
            "tagsAll": tag_map(policy.get("Tags")),
            "policy": _text(version["PolicyVersion"]["Document"]),
        }

    def update(self, call: Call) -> None:
        if call.changed("policy"):
            # IAM keeps five versions at most; none but the default one is used.
            _drop_old_versions(call)
            document_text = call.inputs["policy"]
            call.client.create_policy_version(PolicyArn=call.id, PolicyDocument=document_text, SetAsDefault=True)
        if call.tags:
            call.client.tag_policy(PolicyArn=call.id, Tags=tag_list(call.tags))
        if call.removed_tags():
            call.client.untag_policy(PolicyArn=call.id, TagKeys=call.removed_tags())

    def delete(self, call: Call) -> None:
        _drop_old_versions(call)
        call.client.delete_policy(PolicyArn=call.id)


def _drop_old_versions(call: Call) -> None:
    for version in call.client.list_policy_versions(PolicyArn=call.id)["Versions"]:
        if not version["IsDefaultVersion"]:
            call.client.delete_policy_version(PolicyArn=call.id, VersionId=version["VersionId"])


def _text(policy: Any) -> str:
    """A policy as IAM tells it: botocore has parsed it, or left it percent-encoded."""
    import json

    return unquote(policy) if isinstance(policy, str) else json.dumps(document(policy))
