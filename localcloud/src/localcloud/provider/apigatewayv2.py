"""API Gateway v2: HTTP APIs."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.provider.resource import Call, Name, Resource
from localcloud.provider.shape import camel, pascal, renamed
from localcloud.provider.values import Properties


def _arn(call: Call, path: str) -> str:
    return f"arn:{call.aws.partition}:apigateway:{call.aws.region}::{path}"


class Api(Resource, kind="aws:apigatewayv2/api:Api"):
    service = "apigatewayv2"
    name = Name(limit=128, unique=False)
    required = ("protocolType",)
    optional = ("description", "corsConfiguration", "version")
    defaults: ClassVar = {
        "disableExecuteApiEndpoint": False,
        "routeSelectionExpression": "$request.method $request.path",
    }
    replace = ("protocolType",)
    tagged = True

    def create(self, call: Call) -> str:
        arguments = pascal(call.get("name", *self.required, *self.optional, *self.defaults))
        return str(call.client.create_api(**arguments, Tags=call.tags)["ApiId"])

    def read(self, call: Call) -> Properties:
        found = call.client.get_api(ApiId=call.id)
        return {
            "name": found["Name"],
            "protocolType": found["ProtocolType"],
            "description": found.get("Description") or None,
            "version": found.get("Version") or None,
            "corsConfiguration": camel(found["CorsConfiguration"]) if found.get("CorsConfiguration") else None,
            "disableExecuteApiEndpoint": found.get("DisableExecuteApiEndpoint", False),
            "routeSelectionExpression": found.get("RouteSelectionExpression"),
            "tagsAll": found.get("Tags", {}),
            # What answers there is the cloud's to say: on the laptop it is a port of this machine.
            "apiEndpoint": found["ApiEndpoint"],
            "arn": _arn(call, f"/apis/{call.id}"),
            "executionArn": call.aws.arn("execute-api", call.id),
        }

    def update(self, call: Call) -> None:
        arguments = pascal(call.get("name", *self.optional, *self.defaults))
        if call.old.get("corsConfiguration") and not call.inputs.get("corsConfiguration"):
            call.client.delete_cors_configuration(ApiId=call.id)
        call.client.update_api(ApiId=call.id, **arguments)
        call.retag("ResourceArn", _arn(call, f"/apis/{call.id}"), call.tags)

    def delete(self, call: Call) -> None:
        call.client.delete_api(ApiId=call.id)


class Integration(Resource, kind="aws:apigatewayv2/integration:Integration"):
    service = "apigatewayv2"
    required = ("apiId", "integrationType")
    optional = (
        "integrationUri", "integrationMethod", "description", "credentialsArn", "requestParameters", "connectionId",
        "timeoutMilliseconds", "integrationSubtype",
    )  # fmt: skip
    defaults: ClassVar = {"connectionType": "INTERNET", "payloadFormatVersion": "1.0"}
    replace = ("apiId", "integrationType", "integrationSubtype")

    def create(self, call: Call) -> str:
        return str(call.client.create_integration(**self._arguments(call))["IntegrationId"])

    def read(self, call: Call) -> Properties:
        found = call.client.get_integration(ApiId=call.inputs["apiId"], IntegrationId=call.id)
        keys = (
            "IntegrationType", "IntegrationUri", "IntegrationMethod", "PayloadFormatVersion", "TimeoutInMillis",
            "ConnectionType", "CredentialsArn", "Description", "IntegrationSubtype", "RequestParameters",
        )  # fmt: skip
        read = camel({key: found[key] for key in keys if found.get(key)}, keep=("RequestParameters",))
        if "timeoutInMillis" in read:
            read["timeoutMilliseconds"] = read.pop("timeoutInMillis")
        return read  # type: ignore[no-any-return]

    def update(self, call: Call) -> None:
        call.client.update_integration(IntegrationId=call.id, **self._arguments(call))

    def delete(self, call: Call) -> None:
        call.client.delete_integration(ApiId=call.inputs["apiId"], IntegrationId=call.id)

    def _arguments(self, call: Call) -> dict[str, Any]:
        given = call.get(*self.required, *self.optional, *self.defaults)
        timeout = given.pop("timeoutMilliseconds", None)
        spelled: dict[str, Any] = pascal(given, keep=("requestParameters",))
        return {**spelled, **({"TimeoutInMillis": timeout} if timeout else {})}


class Route(Resource, kind="aws:apigatewayv2/route:Route"):
    service = "apigatewayv2"
    required = ("apiId", "routeKey")
    optional = ("target", "operationName", "authorizerId", "authorizationScopes")
    defaults: ClassVar = {"authorizationType": "NONE", "apiKeyRequired": False}
    replace = ("apiId",)

    def create(self, call: Call) -> str:
        return str(call.client.create_route(**self._arguments(call))["RouteId"])

    def read(self, call: Call) -> Properties:
        found = call.client.get_route(ApiId=call.inputs["apiId"], RouteId=call.id)
        read: Properties = camel(
            {key: found[key] for key in ("RouteKey", "Target", "AuthorizationType", "ApiKeyRequired") if key in found}
        )
        return read

    def update(self, call: Call) -> None:
        call.client.update_route(RouteId=call.id, **self._arguments(call))

    def delete(self, call: Call) -> None:
        call.client.delete_route(ApiId=call.inputs["apiId"], RouteId=call.id)

    def _arguments(self, call: Call) -> dict[str, Any]:
        arguments: dict[str, Any] = pascal(call.get(*self.required, *self.optional, *self.defaults))
        return arguments


class Stage(Resource, kind="aws:apigatewayv2/stage:Stage"):
    service = "apigatewayv2"
    name = Name(limit=128)
    required = ("apiId",)
    optional = (
        "accessLogSettings", "defaultRouteSettings", "deploymentId", "description", "stageVariables", "routeSettings",
    )  # fmt: skip
    defaults: ClassVar = {"autoDeploy": False}
    replace = ("apiId", "name")
    within = ("apiId",)
    tagged = True

    def create(self, call: Call) -> str:
        call.client.create_stage(**self._arguments(call), Tags=call.tags)
        return str(call.inputs["name"])

    def read(self, call: Call) -> Properties:
        api = call.inputs["apiId"]
        found = call.client.get_stage(ApiId=api, StageName=call.id)
        endpoint = call.client.get_api(ApiId=api)["ApiEndpoint"]
        return {
            "name": call.id,
            "arn": _arn(call, f"/apis/{api}/stages/{call.id}"),
            "executionArn": call.aws.arn("execute-api", f"{api}/{call.id}"),
            "invokeUrl": f"{endpoint}/" if call.id == "$default" else f"{endpoint}/{call.id}",
            "autoDeploy": found.get("AutoDeploy", False),
            "description": found.get("Description") or None,
            "stageVariables": found.get("StageVariables") or None,
            "accessLogSettings": camel(found["AccessLogSettings"]) if found.get("AccessLogSettings") else None,
            "defaultRouteSettings": camel(found["DefaultRouteSettings"]) if found.get("DefaultRouteSettings") else None,
            "tagsAll": found.get("Tags", {}),
        }

    def update(self, call: Call) -> None:
        # Moto has no UpdateStage. Nothing hangs on a stage, so it is made anew under its name.
        call.client.delete_stage(ApiId=call.inputs["apiId"], StageName=call.id)
        self.create(call)

    def delete(self, call: Call) -> None:
        call.client.delete_stage(ApiId=call.inputs["apiId"], StageName=call.id)

    def _arguments(self, call: Call) -> dict[str, Any]:
        names = {"apiId": "ApiId", "name": "StageName", "autoDeploy": "AutoDeploy", "description": "Description"}
        names |= {"deploymentId": "DeploymentId", "stageVariables": "StageVariables"}
        arguments = renamed(call.inputs, names)
        arguments |= pascal(call.get("accessLogSettings", "defaultRouteSettings"))
        if call.inputs.get("routeSettings"):
            arguments["RouteSettings"] = {
                setting["routeKey"]: pascal({key: value for key, value in setting.items() if key != "routeKey"})
                for setting in call.inputs["routeSettings"]
            }
        return arguments
