"""ECS: clusters and task definitions."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from localcloud.provider.resource import Call, CheckFailure, Name, Put, Resource
from localcloud.provider.shape import tag_list, tag_map
from localcloud.provider.values import Properties


class Cluster(Resource, kind="aws:ecs/cluster:Cluster"):
    service = "ecs"
    name = Name(limit=255)
    optional = ("settings", "configuration")
    replace = ("name",)
    unordered = ("settings",)
    tagged = True

    def create(self, call: Call) -> str:
        made = call.client.create_cluster(
            clusterName=call.inputs["name"],
            tags=tag_list(call.tags, key="key", value="value"),
            **call.get("settings", "configuration"),
        )
        return str(made["cluster"]["clusterArn"])

    def read(self, call: Call) -> Properties | None:
        found = call.client.describe_clusters(clusters=[call.id], include=["SETTINGS", "TAGS", "CONFIGURATIONS"])[
            "clusters"
        ]
        if not found or found[0]["status"] == "INACTIVE":
            return None
        return {
            "arn": call.id,
            "name": found[0]["clusterName"],
            "settings": found[0].get("settings") or None,
            "configuration": found[0].get("configuration") or None,
            "tagsAll": tag_map(found[0].get("tags"), key="key", value="value"),
        }

    def update(self, call: Call) -> None:
        if call.changed("settings", "configuration"):
            call.client.update_cluster(cluster=call.id, **call.get("settings", "configuration"))
        call.retag("resourceArn", call.id, tag_list(call.tags, key="key", value="value"))

    def delete(self, call: Call) -> None:
        call.client.delete_cluster(cluster=call.id)


class ClusterCapacityProviders(Put, kind="aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"):
    service = "ecs"
    required = ("clusterName",)
    optional = ("capacityProviders", "defaultCapacityProviderStrategies")
    replace = ("clusterName",)
    unordered = ("capacityProviders",)

    def put(self, call: Call) -> None:
        call.client.put_cluster_capacity_providers(
            cluster=call.inputs["clusterName"],
            capacityProviders=call.inputs.get("capacityProviders") or [],
            defaultCapacityProviderStrategy=call.inputs.get("defaultCapacityProviderStrategies") or [],
        )

    def read(self, call: Call) -> Properties | None:
        found = call.client.describe_clusters(clusters=[call.id])["clusters"]
        if not found or found[0]["status"] == "INACTIVE":
            return None
        strategies = found[0].get("defaultCapacityProviderStrategy") or None
        providers = found[0].get("capacityProviders") or None
        return {
            "clusterName": call.id,
            "capacityProviders": providers,
            "defaultCapacityProviderStrategies": strategies,
        }

    def delete(self, call: Call) -> None:
        call.client.put_cluster_capacity_providers(
            cluster=call.id, capacityProviders=[], defaultCapacityProviderStrategy=[]
        )


class TaskDefinition(Resource, kind="aws:ecs/taskDefinition:TaskDefinition"):
    schema_version = 1
    service = "ecs"
    required = ("containerDefinitions", "family")
    optional = (
        "cpu", "memory", "executionRoleArn", "taskRoleArn", "requiresCompatibilities", "runtimePlatform", "volumes",
        "ephemeralStorage", "pidMode", "ipcMode", "placementConstraints", "networkMode",
    )  # fmt: skip
    defaults: ClassVar = {"skipDestroy": False, "trackLatest": False, "enableFaultInjection": False}
    # A task definition never changes: AWS has revisions instead.
    replace = (*required, *optional)
    documents = ("containerDefinitions",)
    unordered = ("requiresCompatibilities",)
    shared = True  # the id is the family's; what goes is one revision
    tagged = True

    def problems(self, inputs: Properties) -> list[CheckFailure]:
        text = inputs["containerDefinitions"]
        if isinstance(text, str) and not isinstance(json.loads(text), list):
            return [CheckFailure("containerDefinitions", "expected a JSON list of containers")]
        return []

    def create(self, call: Call) -> str:
        arguments: dict[str, Any] = call.get(*self.optional)
        if "runtimePlatform" in arguments:
            platform = arguments.pop("runtimePlatform")
            arguments["runtimePlatform"] = {
                "cpuArchitecture": platform.get("cpuArchitecture", "X86_64"),
                "operatingSystemFamily": platform.get("operatingSystemFamily", "LINUX"),
            }
        made = call.client.register_task_definition(
            family=call.inputs["family"],
            containerDefinitions=json.loads(call.inputs["containerDefinitions"]),
            tags=tag_list(call.tags, key="key", value="value"),
            **arguments,
        )
        call.outputs = {"arn": made["taskDefinition"]["taskDefinitionArn"]}
        return str(call.inputs["family"])

    def read(self, call: Call) -> Properties | None:
        arn = call.outputs.get("arn", call.id)
        try:
            answer = call.client.describe_task_definition(taskDefinition=arn, include=["TAGS"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ClientException":
                return None
            raise
        found = answer["taskDefinition"]
        if found["status"] == "INACTIVE":
            return None
        arn = found["taskDefinitionArn"]
        # Its containers need no look: a revision never changes.
        told = {key: found[key] for key in self.optional if found.get(key)}
        return {
            **told,
            "tagsAll": tag_map(answer.get("tags"), key="key", value="value"),
            "family": found["family"],
            "arn": arn,
            "arnWithoutRevision": arn.rsplit(":", 1)[0],
            "revision": found["revision"],
        }

    def update(self, call: Call) -> None:
        call.retag("resourceArn", call.outputs["arn"], tag_list(call.tags, key="key", value="value"))

    def delete(self, call: Call) -> None:
        if not call.inputs.get("skipDestroy"):
            call.client.deregister_task_definition(taskDefinition=call.outputs["arn"])
