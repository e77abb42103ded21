"""CodeBuild projects."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.provider.resource import Call, Name, Resource
from localcloud.provider.shape import tag_list, tag_map
from localcloud.provider.values import Properties


class Project(Resource, kind="aws:codebuild/project:Project"):
    service = "codebuild"
    name = Name(limit=255)
    required = ("artifacts", "environment", "serviceRole", "source")
    optional = (
        "description",
        "cache",
        "logsConfig",
        "vpcConfig",
        "sourceVersion",
        "concurrentBuildLimit",
        "encryptionKey",
    )
    defaults: ClassVar = {"buildTimeout": 60, "queuedTimeout": 480, "badgeEnabled": False}
    replace = ("name",)
    tagged = True

    def create(self, call: Call) -> str:
        return str(call.client.create_project(**self._arguments(call))["project"]["arn"])

    def read(self, call: Call) -> Properties | None:
        name = call.inputs.get("name", call.id.split("/")[-1])
        found = call.client.batch_get_projects(names=[name])["projects"]
        if not found:
            return None
        project = found[0]
        logs = project.get("logsConfig") or {}
        told = {
            key: logs[api] for api, key in (("cloudWatchLogs", "cloudwatchLogs"), ("s3Logs", "s3Logs")) if api in logs
        }
        return {
            **{key: project[key] for key in ("name", "arn", "serviceRole", "artifacts", "source", "environment")},
            "description": project.get("description") or None,
            "buildTimeout": project["timeoutInMinutes"],
            "queuedTimeout": project["queuedTimeoutInMinutes"],
            "logsConfig": told or None,
            "tagsAll": tag_map(project.get("tags"), key="key", value="value"),
        }

    def update(self, call: Call) -> None:
        call.client.update_project(**self._arguments(call))

    def delete(self, call: Call) -> None:
        call.client.delete_project(name=call.inputs["name"])

    @staticmethod
    def _arguments(call: Call) -> dict[str, Any]:
        arguments = call.get("name", "description", "artifacts", "cache", "serviceRole", "vpcConfig", "sourceVersion",
                             "concurrentBuildLimit", "encryptionKey")  # fmt: skip
        arguments["source"] = dict(call.inputs["source"])
        arguments["environment"] = {
            "imagePullCredentialsType": "CODEBUILD",
            "privilegedMode": False,
            **call.inputs["environment"],
        }
        variables = arguments["environment"].get("environmentVariables")
        if variables:
            typed = [{"type": "PLAINTEXT", **variable} for variable in variables]
            arguments["environment"]["environmentVariables"] = typed
        arguments["timeoutInMinutes"] = call.inputs["buildTimeout"]
        arguments["queuedTimeoutInMinutes"] = call.inputs["queuedTimeout"]
        logs = call.inputs.get("logsConfig") or {}
        spelled = {
            key: {"status": "ENABLED", **logs[given]}
            for given, key in (("cloudwatchLogs", "cloudWatchLogs"), ("s3Logs", "s3Logs"))
            if given in logs
        }
        arguments |= {"logsConfig": spelled} if spelled else {}
        return {**arguments, "tags": tag_list(call.tags, key="key", value="value")}
