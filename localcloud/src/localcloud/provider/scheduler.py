"""EventBridge Scheduler: schedules and their groups."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.provider.resource import Call, Name, Resource
from localcloud.provider.shape import camel, capitals, pascal, renamed, tag_list, tag_map
from localcloud.provider.values import Properties


class ScheduleGroup(Resource, kind="aws:scheduler/scheduleGroup:ScheduleGroup"):
    service = "scheduler"
    name = Name(limit=64)
    replace = ("name",)
    tagged = True

    def create(self, call: Call) -> str:
        call.client.create_schedule_group(Name=call.inputs["name"], Tags=tag_list(call.tags))
        return str(call.inputs["name"])

    def read(self, call: Call) -> Properties:
        found = call.client.get_schedule_group(Name=call.id)
        dates = {name: found[key].isoformat() for name, key in _DATES.items() if key in found}
        tags = tag_map(call.client.list_tags_for_resource(ResourceArn=found["Arn"])["Tags"])
        return {"name": call.id, "arn": found["Arn"], "state": found["State"], "tagsAll": tags, **dates}

    def update(self, call: Call) -> None:
        call.retag("ResourceArn", call.outputs["arn"], tag_list(call.tags))

    def delete(self, call: Call) -> None:
        call.client.delete_schedule_group(Name=call.id)


_DATES = {"creationDate": "CreationDate", "lastModificationDate": "LastModificationDate"}
_SCHEDULE = capitals(
    "name",
    "groupName",
    "scheduleExpression",
    "scheduleExpressionTimezone",
    "state",
    "description",
    "startDate",
    "endDate",
    "kmsKeyArn",
    "actionAfterCompletion",
)


class Schedule(Resource, kind="aws:scheduler/schedule:Schedule"):
    service = "scheduler"
    name = Name(limit=64)
    required = ("flexibleTimeWindow", "scheduleExpression", "target")
    optional = ("description", "startDate", "endDate", "kmsKeyArn", "actionAfterCompletion")
    defaults: ClassVar = {"groupName": "default", "scheduleExpressionTimezone": "UTC", "state": "ENABLED"}
    replace = ("name", "groupName")
    within = ("groupName",)

    def create(self, call: Call) -> str:
        call.client.create_schedule(**self._arguments(call))
        return f"{call.inputs['groupName']}/{call.inputs['name']}"

    def read(self, call: Call) -> Properties:
        found = call.client.get_schedule(**self._key(call.id))
        read = {name: found[key] for name, key in _SCHEDULE.items() if key in found and not name.endswith("Date")}
        window: Properties = camel(found["FlexibleTimeWindow"])
        return {**read, "arn": found["Arn"], "flexibleTimeWindow": window, "target": _told_target(found["Target"])}

    def update(self, call: Call) -> None:
        call.client.update_schedule(**self._arguments(call))

    def delete(self, call: Call) -> None:
        call.client.delete_schedule(**self._key(call.id))

    @staticmethod
    def _key(identity: str) -> dict[str, str]:
        group, _, name = identity.partition("/")
        return {"GroupName": group, "Name": name}

    @staticmethod
    def _arguments(call: Call) -> dict[str, Any]:
        target = pascal(
            {key: value for key, value in call.inputs["target"].items() if key != "ecsParameters"},
        )
        if "EventbridgeParameters" in target:
            target["EventBridgeParameters"] = target.pop("EventbridgeParameters")
        if "ecsParameters" in call.inputs["target"]:
            given = call.inputs["target"]["ecsParameters"]
            target["EcsParameters"] = pascal(
                {key: value for key, value in given.items() if key != "networkConfiguration"}
            )
            network = given.get("networkConfiguration")
            if network:
                public = "ENABLED" if network.get("assignPublicIp") else "DISABLED"
                wanted = {"Subnets": network["subnets"], "SecurityGroups": network.get("securityGroups") or []}
                target["EcsParameters"]["NetworkConfiguration"] = {
                    "awsvpcConfiguration": {**wanted, "AssignPublicIp": public}
                }
        return {
            **renamed(call.inputs, _SCHEDULE),
            "FlexibleTimeWindow": pascal(call.inputs["flexibleTimeWindow"]),
            "Target": target,
        }


def _told_target(found: Properties) -> Properties:
    """The target in Pulumi's spelling."""
    target: Properties = camel({key: value for key, value in found.items() if key != "EcsParameters"})
    if "eventBridgeParameters" in target:
        target["eventbridgeParameters"] = target.pop("eventBridgeParameters")
    if "EcsParameters" in found:
        given = found["EcsParameters"]
        target["ecsParameters"] = camel({key: value for key, value in given.items() if key != "NetworkConfiguration"})
        network = given.get("NetworkConfiguration", {}).get("awsvpcConfiguration")
        if network:
            public = network.get("AssignPublicIp") == "ENABLED"
            target["ecsParameters"]["networkConfiguration"] = {
                "subnets": network["Subnets"],
                "securityGroups": network.get("SecurityGroups") or [],
                "assignPublicIp": public,
            }
    return target
