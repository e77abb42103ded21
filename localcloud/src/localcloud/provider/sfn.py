"""Step Functions state machines."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.provider.resource import Call, Name, Resource
from localcloud.provider.shape import tag_list, tag_map
from localcloud.provider.values import Properties


class StateMachine(Resource, kind="aws:sfn/stateMachine:StateMachine"):
    service = "stepfunctions"
    name = Name(limit=80)
    required = ("definition", "roleArn")
    optional = ("loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")
    defaults: ClassVar = {"type": "STANDARD", "publish": False}
    replace = ("name", "type")
    documents = ("definition",)
    tagged = True

    def create(self, call: Call) -> str:
        made = call.client.create_state_machine(
            name=call.inputs["name"],
            type=call.inputs["type"],
            tags=tag_list(call.tags, key="key", value="value"),
            **self._settings(call),
        )
        return str(made["stateMachineArn"])

    def read(self, call: Call) -> Properties:
        found = call.client.describe_state_machine(stateMachineArn=call.id)
        return {
            "arn": call.id,
            "name": found["name"],
            "status": found["status"],
            "type": found["type"],
            "definition": found["definition"],
            "roleArn": found["roleArn"],
            "creationDate": found["creationDate"].isoformat(),
            "tracingConfiguration": found.get("tracingConfiguration"),
            "loggingConfiguration": _told_logging(found.get("loggingConfiguration") or {}),
            "tagsAll": tag_map(
                call.client.list_tags_for_resource(resourceArn=call.id)["tags"], key="key", value="value"
            ),
        }

    def update(self, call: Call) -> None:
        call.client.update_state_machine(stateMachineArn=call.id, **self._settings(call))
        call.retag("resourceArn", call.id, tag_list(call.tags, key="key", value="value"))

    def delete(self, call: Call) -> None:
        call.client.delete_state_machine(stateMachineArn=call.id)

    @staticmethod
    def _settings(call: Call) -> dict[str, Any]:
        settings = call.get("definition", "roleArn", "tracingConfiguration", "encryptionConfiguration")
        logging = call.inputs.get("loggingConfiguration")
        if logging:
            settings["loggingConfiguration"] = {
                key: logging[key] for key in ("level", "includeExecutionData") if key in logging
            }
            if logging.get("logDestination"):
                group = {"cloudWatchLogsLogGroup": {"logGroupArn": logging["logDestination"]}}
                settings["loggingConfiguration"]["destinations"] = [group]
        elif call.old.get("loggingConfiguration"):
            settings["loggingConfiguration"] = {"level": "OFF"}
        return settings


def _told_logging(found: Properties) -> Properties | None:
    """The logging in Pulumi's spelling, which knows one destination; None if nothing is logged."""
    if not found or (found.get("level", "OFF") == "OFF" and not found.get("destinations")):
        return None
    told: Properties = {key: found[key] for key in ("level", "includeExecutionData") if key in found}
    for destination in found.get("destinations") or ():
        told["logDestination"] = destination["cloudWatchLogsLogGroup"]["logGroupArn"]
    return told
