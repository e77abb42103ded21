"""Lambda: what brings events to a function, and what becomes of asynchronous ones."""

from __future__ import annotations

from typing import Any, ClassVar

from botocore.exceptions import ClientError

from localcloud.provider.resource import Call, Put, Resource, is_missing
from localcloud.provider.shape import camel, capitals, pascal, renamed
from localcloud.provider.values import Properties


class FunctionEventInvokeConfig(Put, kind="aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"):
    service = "lambda"
    required = ("functionName",)
    optional = ("destinationConfig", "maximumEventAgeInSeconds", "qualifier")
    defaults: ClassVar = {"maximumRetryAttempts": 2}
    replace = ("functionName", "qualifier")

    def identity(self, call: Call) -> str:
        qualifier = call.inputs.get("qualifier")
        return f"{call.inputs['functionName']}:{qualifier}" if qualifier else str(call.inputs["functionName"])

    def put(self, call: Call) -> None:
        names = {"maximumEventAgeInSeconds": "MaximumEventAgeInSeconds", "maximumRetryAttempts": "MaximumRetryAttempts"}
        arguments = renamed(call.inputs, names)
        if call.inputs.get("destinationConfig"):
            arguments["DestinationConfig"] = pascal(call.inputs["destinationConfig"])
        if call.old:
            # Moto keeps the first configuration that was put and answers with that one.
            call.client.delete_function_event_invoke_config(**self._key(call))
        call.client.put_function_event_invoke_config(**self._key(call), **arguments)

    def read(self, call: Call) -> Properties:
        found = call.client.get_function_event_invoke_config(**self._key(call))
        names = {"MaximumEventAgeInSeconds": "maximumEventAgeInSeconds", "MaximumRetryAttempts": "maximumRetryAttempts"}
        # AWS tells empty destinations where none were set.
        targets = {key: item for key, item in (found.get("DestinationConfig") or {}).items() if item}
        return {**renamed(found, names), "destinationConfig": camel(targets) if targets else None}

    def delete(self, call: Call) -> None:
        call.client.delete_function_event_invoke_config(**self._key(call))

    @staticmethod
    def _key(call: Call) -> dict[str, str]:
        return renamed(call.inputs, {"functionName": "FunctionName", "qualifier": "Qualifier"})


_MAPPING = capitals(
    "batchSize",
    "bisectBatchOnFunctionError",
    "functionResponseTypes",
    "maximumBatchingWindowInSeconds",
    "maximumRecordAgeInSeconds",
    "maximumRetryAttempts",
    "parallelizationFactor",
    "tumblingWindowInSeconds",
)


class EventSourceMapping(Resource, kind="aws:lambda/eventSourceMapping:EventSourceMapping"):
    service = "lambda"
    required = ("functionName", "eventSourceArn")
    optional = (*_MAPPING, "filterCriteria", "scalingConfig", "destinationConfig", "startingPosition")
    defaults: ClassVar = {"enabled": True}
    replace = ("eventSourceArn", "startingPosition")
    tagged = True

    def create(self, call: Call) -> str:
        source = renamed(call.inputs, {"eventSourceArn": "EventSourceArn", "startingPosition": "StartingPosition"})
        made = call.client.create_event_source_mapping(**source, **self._settings(call), Tags=call.tags)
        return str(made["UUID"])

    def read(self, call: Call) -> Properties:
        found = call.client.get_event_source_mapping(UUID=call.id)
        read = camel({api: found[api] for api in _MAPPING.values() if found.get(api) not in (None, [])})
        return {
            **{name: value for name, value in read.items() if name in call.inputs},
            "uuid": call.id,
            "arn": call.aws.arn("lambda", f"event-source-mapping:{call.id}"),
            "functionArn": found["FunctionArn"],
            "eventSourceArn": found["EventSourceArn"],
            "state": found["State"],
            "enabled": found["State"] in ("Enabled", "Enabling", "Creating"),
        }

    def update(self, call: Call) -> None:
        call.client.update_event_source_mapping(UUID=call.id, **self._settings(call))

    def delete(self, call: Call) -> None:
        try:
            call.client.delete_event_source_mapping(UUID=call.id)
        except ClientError as error:
            if not is_missing(error):
                raise

    @staticmethod
    def _settings(call: Call) -> dict[str, Any]:
        nested = call.get("filterCriteria", "scalingConfig")
        if "destinationConfig" in call.inputs:
            target = call.inputs["destinationConfig"]["onFailure"]["destinationArn"]
            nested["destinationConfig"] = {"onFailure": {"destination": target}}
        names = {**_MAPPING, "functionName": "FunctionName", "enabled": "Enabled"}
        return {**renamed(call.inputs, names), **pascal(nested)}
