"""KMS keys and their aliases."""

from __future__ import annotations

from typing import ClassVar

from localcloud.provider.resource import Call, Name, Resource
from localcloud.provider.shape import capitals, renamed, tag_list, tag_map
from localcloud.provider.values import Properties


class Key(Resource, kind="aws:kms/key:Key"):
    service = "kms"
    optional = ("description", "policy", "deletionWindowInDays", "rotationPeriodInDays")
    defaults: ClassVar = {
        "keyUsage": "ENCRYPT_DECRYPT",
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "isEnabled": True,
        "enableKeyRotation": False,
        "multiRegion": False,
        "bypassPolicyLockoutSafetyCheck": False,
    }
    replace = ("keyUsage", "customerMasterKeySpec", "multiRegion")
    documents = ("policy",)
    tagged = True

    def create(self, call: Call) -> str:
        names = capitals("description", "policy", "keyUsage", "multiRegion") | {"customerMasterKeySpec": "KeySpec"}
        tags = tag_list(call.tags, key="TagKey", value="TagValue")
        call.keep(call.client.create_key(**renamed(call.inputs, names), Tags=tags)["KeyMetadata"]["KeyId"])
        self._settle(call)
        return call.id

    def _settle(self, call: Call) -> None:
        if call.inputs["enableKeyRotation"] and call.changed("enableKeyRotation", "rotationPeriodInDays"):
            call.client.enable_key_rotation(
                KeyId=call.id, **renamed(call.inputs, {"rotationPeriodInDays": "RotationPeriodInDays"})
            )
        elif call.old.get("enableKeyRotation"):
            call.client.disable_key_rotation(KeyId=call.id)
        if call.inputs["isEnabled"] != call.old.get("isEnabled", True):
            (call.client.enable_key if call.inputs["isEnabled"] else call.client.disable_key)(KeyId=call.id)

    def read(self, call: Call) -> Properties | None:
        key = call.client.describe_key(KeyId=call.id)["KeyMetadata"]
        if key["KeyState"] == "PendingDeletion":
            return None
        policy = call.client.get_key_policy(KeyId=call.id, PolicyName="default")["Policy"]
        tags = call.client.list_resource_tags(KeyId=call.id)["Tags"]
        told: Properties = {
            "description": key.get("Description") or None,
            "keyUsage": key["KeyUsage"],
            "multiRegion": key.get("MultiRegion", False),
            "tagsAll": tag_map(tags, key="TagKey", value="TagValue"),
        }
        read = {**told, "arn": key["Arn"], "keyId": key["KeyId"], "isEnabled": key["Enabled"], "policy": policy}
        return {**read, "enableKeyRotation": call.client.get_key_rotation_status(KeyId=call.id)["KeyRotationEnabled"]}

    def update(self, call: Call) -> None:
        self._settle(call)
        if call.changed("description"):
            call.client.update_key_description(KeyId=call.id, Description=call.inputs.get("description", ""))
        if call.changed("policy") and "policy" in call.inputs:
            call.client.put_key_policy(KeyId=call.id, PolicyName="default", Policy=call.inputs["policy"])
        call.retag("KeyId", call.id, tag_list(call.tags, key="TagKey", value="TagValue"))

    def delete(self, call: Call) -> None:
        days = call.inputs.get("deletionWindowInDays", 30)
        call.client.schedule_key_deletion(KeyId=call.id, PendingWindowInDays=days)


class Alias(Resource, kind="aws:kms/alias:Alias"):
    service = "kms"
    name = Name(limit=256, prefix="alias/")
    required = ("targetKeyId",)
    replace = ("name",)

    def create(self, call: Call) -> str:
        name: str = call.inputs["name"]
        call.client.create_alias(AliasName=name, TargetKeyId=call.inputs["targetKeyId"])
        return name

    def read(self, call: Call) -> Properties | None:
        for page in call.client.get_paginator("list_aliases").paginate():
            for alias in page["Aliases"]:
                if alias["AliasName"] == call.id:
                    key = call.aws.arn("kms", f"key/{alias['TargetKeyId']}")
                    target = call.inputs.get("targetKeyId", alias["TargetKeyId"])
                    same = str(target).rpartition("/")[2] == alias["TargetKeyId"]
                    told = target if same else alias["TargetKeyId"]
                    return {"name": call.id, "arn": alias["AliasArn"], "targetKeyArn": key, "targetKeyId": told}
        return None

    def update(self, call: Call) -> None:
        call.client.update_alias(AliasName=call.id, TargetKeyId=call.inputs["targetKeyId"])

    def delete(self, call: Call) -> None:
        call.client.delete_alias(AliasName=call.id)
