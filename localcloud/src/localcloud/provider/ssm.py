"""SSM parameters."""

from __future__ import annotations

from typing import ClassVar

from localcloud.provider.resource import Call, CheckFailure, Name, Resource
from localcloud.provider.shape import capitals, renamed, tag_list, tag_map
from localcloud.provider.values import Properties


class Parameter(Resource, kind="aws:ssm/parameter:Parameter"):
    service = "ssm"
    name = Name(limit=2048)
    required = ("type",)
    optional = ("value", "insecureValue", "description", "keyId", "allowedPattern", "overwrite")
    defaults: ClassVar = {"tier": "Standard", "dataType": "text"}
    replace = ("name", "dataType")
    recomputed = ("version",)
    tagged = True

    def problems(self, inputs: Properties) -> list[CheckFailure]:
        if ("value" in inputs) == ("insecureValue" in inputs):
            return [CheckFailure("value", "a parameter needs either `value` or `insecure_value`")]
        return []

    def create(self, call: Call) -> str:
        self._put(call, overwrite=bool(call.inputs.get("overwrite")))
        call.keep(call.inputs["name"])
        if call.tags:
            call.client.add_tags_to_resource(ResourceType="Parameter", ResourceId=call.id, Tags=tag_list(call.tags))
        return call.id

    def _put(self, call: Call, *, overwrite: bool) -> None:
        names = capitals("name", "type", "description", "keyId", "allowedPattern", "tier", "dataType")
        value = call.inputs.get("value", call.inputs.get("insecureValue"))
        call.client.put_parameter(**renamed(call.inputs, names), Value=value, Overwrite=overwrite)

    def read(self, call: Call) -> Properties:
        found = call.client.get_parameter(Name=call.id, WithDecryption=True)["Parameter"]
        key = "insecureValue" if "insecureValue" in call.inputs else "value"
        about = [{"Key": "Name", "Option": "Equals", "Values": [call.id]}]
        described = call.client.describe_parameters(ParameterFilters=about)["Parameters"]
        more: Properties = described[0] if described else {}
        tags = call.client.list_tags_for_resource(ResourceType="Parameter", ResourceId=call.id)["TagList"]
        return {
            "description": more.get("Description") or None,
            "tier": more.get("Tier", "Standard"),
            "dataType": found.get("DataType", "text"),
            "tagsAll": tag_map(tags),
            "name": found["Name"],
            "arn": found["ARN"],
            "type": found["Type"],
            "version": found["Version"],
            key: found["Value"],
        }

    def update(self, call: Call) -> None:
        self._put(call, overwrite=True)
        if call.tags:
            call.client.add_tags_to_resource(ResourceType="Parameter", ResourceId=call.id, Tags=tag_list(call.tags))
        if call.removed_tags():
            keys = call.removed_tags()
            call.client.remove_tags_from_resource(ResourceType="Parameter", ResourceId=call.id, TagKeys=keys)

    def delete(self, call: Call) -> None:
        call.client.delete_parameter(Name=call.id)
