"""ECR repositories and their policies."""

from __future__ import annotations

from typing import ClassVar

from localcloud.provider.resource import Call, Name, Put, Resource
from localcloud.provider.shape import renamed, tag_list, tag_map
from localcloud.provider.values import Properties


class Repository(Resource, kind="aws:ecr/repository:Repository"):
    service = "ecr"
    name = Name(limit=256, lower=True)
    optional = ("encryptionConfigurations", "imageScanningConfiguration")
    defaults: ClassVar = {"imageTagMutability": "MUTABLE", "forceDelete": False}
    replace = ("name", "encryptionConfigurations")
    tagged = True

    def create(self, call: Call) -> str:
        arguments = {
            "repositoryName": call.inputs["name"],
            "imageTagMutability": call.inputs["imageTagMutability"],
            **call.get("imageScanningConfiguration"),
        }
        for encryption in call.inputs.get("encryptionConfigurations") or ():
            arguments["encryptionConfiguration"] = {"encryptionType": encryption.get("encryptionType", "AES256")}
            if encryption.get("kmsKey"):
                arguments["encryptionConfiguration"]["kmsKey"] = encryption["kmsKey"]
        call.client.create_repository(**arguments, tags=tag_list(call.tags))
        return str(call.inputs["name"])

    def read(self, call: Call) -> Properties:
        found = call.client.describe_repositories(repositoryNames=[call.id])["repositories"][0]
        return {
            "name": call.id,
            "arn": found["repositoryArn"],
            "registryId": found["registryId"],
            "encryptionConfigurations": [found["encryptionConfiguration"]]
            if "encryptionConfiguration" in found
            else None,
            "tagsAll": tag_map(call.client.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]),
            "repositoryUrl": found["repositoryUri"],
            "imageTagMutability": found["imageTagMutability"],
            "imageScanningConfiguration": found.get("imageScanningConfiguration", {"scanOnPush": False}),
        }

    def update(self, call: Call) -> None:
        if call.changed("imageTagMutability"):
            mutability = call.inputs["imageTagMutability"]
            call.client.put_image_tag_mutability(repositoryName=call.id, imageTagMutability=mutability)
        if call.changed("imageScanningConfiguration"):
            scanning = call.inputs.get("imageScanningConfiguration", {"scanOnPush": False})
            call.client.put_image_scanning_configuration(repositoryName=call.id, imageScanningConfiguration=scanning)
        call.retag("resourceArn", call.outputs["arn"], tag_list(call.tags))

    def delete(self, call: Call) -> None:
        call.client.delete_repository(repositoryName=call.id, force=bool(call.inputs.get("forceDelete")))


class _RepositoryDocument(Put):
    """A document that belongs to one repository; the id is the repository's name."""

    service = "ecr"
    required = ("repository", "policy")
    replace = ("repository",)
    documents = ("policy",)


class LifecyclePolicy(_RepositoryDocument, kind="aws:ecr/lifecyclePolicy:LifecyclePolicy"):
    def put(self, call: Call) -> None:
        names = {"repository": "repositoryName", "policy": "lifecyclePolicyText"}
        call.client.put_lifecycle_policy(**renamed(call.inputs, names))

    def read(self, call: Call) -> Properties:
        found = call.client.get_lifecycle_policy(repositoryName=call.id)
        return {"repository": call.id, "registryId": found["registryId"], "policy": found["lifecyclePolicyText"]}

    def delete(self, call: Call) -> None:
        call.client.delete_lifecycle_policy(repositoryName=call.id)


class RepositoryPolicy(_RepositoryDocument, kind="aws:ecr/repositoryPolicy:RepositoryPolicy"):
    def put(self, call: Call) -> None:
        names = {"repository": "repositoryName", "policy": "policyText"}
        call.client.set_repository_policy(**renamed(call.inputs, names))

    def read(self, call: Call) -> Properties:
        found = call.client.get_repository_policy(repositoryName=call.id)
        return {"repository": call.id, "registryId": found["registryId"], "policy": found["policyText"]}

    def delete(self, call: Call) -> None:
        call.client.delete_repository_policy(repositoryName=call.id)
