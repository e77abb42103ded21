"""EMR Serverless applications."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.provider.resource import Call, Name, Resource
from localcloud.provider.values import Properties

_SETTINGS = (
    "architecture", "maximumCapacity", "autoStartConfiguration", "autoStopConfiguration", "networkConfiguration",
    "imageConfiguration", "monitoringConfiguration", "interactiveConfiguration",
)  # fmt: skip


class Application(Resource, kind="aws:emrserverless/application:Application"):
    service = "emr-serverless"
    name = Name(limit=64, unique=False)
    required = ("releaseLabel", "type")
    optional = (
        "maximumCapacity", "autoStartConfiguration", "autoStopConfiguration", "networkConfiguration",
        "imageConfiguration", "monitoringConfiguration", "interactiveConfiguration",
    )  # fmt: skip
    defaults: ClassVar = {"architecture": "X86_64"}
    replace = ("name", "type", "releaseLabel")
    tagged = True

    def create(self, call: Call) -> str:
        made = call.client.create_application(
            type=call.inputs["type"].upper(),
            name=call.inputs["name"],
            releaseLabel=call.inputs["releaseLabel"],
            tags=call.tags,
            **self._settings(call),
        )
        return str(made["applicationId"])

    def read(self, call: Call) -> Properties:
        found = call.client.get_application(applicationId=call.id)["application"]
        told = {key: found.get(key) for key in _SETTINGS}
        monitoring = dict(found.get("monitoringConfiguration") or {})
        if "cloudWatchLoggingConfiguration" in monitoring:
            monitoring["cloudwatchLoggingConfiguration"] = monitoring.pop("cloudWatchLoggingConfiguration")
        return told | {
            "monitoringConfiguration": monitoring or None,
            "arn": found["arn"],
            "name": found["name"],
            # Whatever was given, AWS says Spark.
            "type": call.inputs.get("type", found["type"]),
            "releaseLabel": found["releaseLabel"],
            "tagsAll": found.get("tags") or {},
        }

    def update(self, call: Call) -> None:
        if call.changed(*_SETTINGS):
            self._stop(call)
            call.client.update_application(applicationId=call.id, **self._settings(call))
        call.retag("resourceArn", call.outputs["arn"], call.tags)

    def delete(self, call: Call) -> None:
        self._stop(call)
        call.client.delete_application(applicationId=call.id)

    @staticmethod
    def _stop(call: Call) -> None:
        """An application that is started can be neither changed nor deleted."""
        if call.client.get_application(applicationId=call.id)["application"]["state"] == "STARTED":
            call.client.stop_application(applicationId=call.id)

    @staticmethod
    def _settings(call: Call) -> dict[str, Any]:
        settings = call.get(*_SETTINGS)
        monitoring = dict(settings.get("monitoringConfiguration") or {})
        if "cloudwatchLoggingConfiguration" in monitoring:
            monitoring["cloudWatchLoggingConfiguration"] = monitoring.pop("cloudwatchLoggingConfiguration")
            settings["monitoringConfiguration"] = monitoring
        return settings
