"""Lambda: functions and what calls them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any, ClassVar

from localcloud.provider.resource import Call, CheckFailure, Name, ProviderError, Put, Resource
from localcloud.provider.shape import camel, capitals, pascal, renamed
from localcloud.provider.values import ARCHIVE, Asset, Properties

_CONFIGURATION = capitals("runtime", "role", "handler", "description", "timeout", "memorySize", "layers") | {
    "name": "FunctionName",
    "kmsKeyArn": "KMSKeyArn",
}
_NESTED = ("ephemeralStorage", "tracingConfig", "deadLetterConfig", "loggingConfig", "snapStart", "environment")
_TOLD = {
    "ephemeralStorage": "EphemeralStorage",
    "tracingConfig": "TracingConfig",
    "deadLetterConfig": "DeadLetterConfig",
    "loggingConfig": "LoggingConfig",
}
_CODE = ("code", "s3Bucket", "s3Key", "s3ObjectVersion", "imageUri", "sourceCodeHash")


class Function(Resource, kind="aws:lambda/function:Function"):
    service = "lambda"
    name = Name(limit=64)
    required = ("role",)
    optional = (*_CONFIGURATION, *_NESTED, *_CODE, "architectures", "vpcConfig", "imageConfig")
    defaults: ClassVar = {
        "memorySize": 128,
        "timeout": 3,
        "packageType": "Zip",
        "publish": False,
        "reservedConcurrentExecutions": -1,
        "skipDestroy": False,
    }
    replace = ("name", "packageType")
    recomputed = ("lastModified", "codeSha256", "sourceCodeSize", "version", "qualifiedArn", "qualifiedInvokeArn")
    tagged = True

    def problems(self, inputs: Properties) -> list[CheckFailure]:
        if not any(name in inputs for name in ("code", "s3Bucket", "imageUri")):
            return [CheckFailure("code", "a function needs `code`, `s3_bucket` and `s3_key`, or `image_uri`")]
        missing = [name for name in ("handler", "runtime") if name not in inputs and inputs["packageType"] == "Zip"]
        return [CheckFailure(name, f"a function from a zip needs {name!r}") for name in missing]

    def create(self, call: Call) -> str:
        name: str = call.inputs["name"]
        call.client.create_function(
            **self._configuration(call),
            **renamed(
                call.inputs, {"packageType": "PackageType", "architectures": "Architectures", "publish": "Publish"}
            ),
            Code=_code(call),
            Tags=call.tags,
        )
        call.keep(name)
        self._reserve(call)
        return name

    def _configuration(self, call: Call) -> dict[str, Any]:
        arguments = renamed(call.inputs, _CONFIGURATION)
        arguments |= pascal(call.get(*_NESTED), keep=("variables",))
        if "vpcConfig" in call.inputs:
            arguments["VpcConfig"] = pascal(call.inputs["vpcConfig"])
        if "imageConfig" in call.inputs:
            names = {"commands": "Command", "entryPoints": "EntryPoint", "workingDirectory": "WorkingDirectory"}
            arguments["ImageConfig"] = renamed(call.inputs["imageConfig"], names)
        return arguments

    def _reserve(self, call: Call) -> None:
        reserved = call.inputs["reservedConcurrentExecutions"]
        if reserved >= 0:
            call.client.put_function_concurrency(FunctionName=call.id, ReservedConcurrentExecutions=reserved)
        elif call.old.get("reservedConcurrentExecutions", -1) >= 0:
            call.client.delete_function_concurrency(FunctionName=call.id)

    def read(self, call: Call) -> Properties:
        found = call.client.get_function(FunctionName=call.id)
        configuration = found["Configuration"]
        arn = configuration["FunctionArn"]
        invoke = f"arn:{call.aws.partition}:apigateway:{call.aws.region}:lambda:path/2015-03-31/functions"
        version = configuration.get("Version", "$LATEST")
        read = {
            name: configuration[api]
            for name, api in _CONFIGURATION.items()
            if configuration.get(api) not in (None, "", []) and name != "layers"
        }
        environment = configuration.get("Environment", {}).get("Variables")
        told: Properties = {name: camel(configuration[api]) for name, api in _TOLD.items() if configuration.get(api)}
        gone = {name: None for name in (*_TOLD, "description") if name not in {**read, **told}}
        return {
            **gone,
            **read,
            **told,
            "environment": {"variables": environment} if environment else None,
            "packageType": configuration.get("PackageType", "Zip"),
            "reservedConcurrentExecutions": found.get("Concurrency", {}).get("ReservedConcurrentExecutions", -1),
            "tagsAll": found.get("Tags", {}),
            "architectures": configuration.get("Architectures", ["x86_64"]),
            "arn": arn,
            "invokeArn": f"{invoke}/{arn}/invocations",
            "qualifiedArn": f"{arn}:{version}",
            "qualifiedInvokeArn": f"{invoke}/{arn}:{version}/invocations",
            "version": version,
            "lastModified": configuration["LastModified"],
            "codeSha256": configuration["CodeSha256"],
            "sourceCodeHash": call.inputs.get("sourceCodeHash", configuration["CodeSha256"]),
            "sourceCodeSize": configuration["CodeSize"],
        }

    def update(self, call: Call) -> None:
        if call.changed(*_CODE, "architectures"):
            architectures = renamed(call.inputs, {"architectures": "Architectures"})
            call.client.update_function_code(FunctionName=call.id, **_code(call), **architectures)
        reset: dict[str, Any] = {
            "Description": "",
            "Environment": {"Variables": {}},
            "TracingConfig": {"Mode": "PassThrough"},
            "EphemeralStorage": {"Size": 512},
            "DeadLetterConfig": {},
            "Layers": [],
            "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
        }
        gone = {key: value for key, value in reset.items() if key[0].lower() + key[1:] in call.old}
        if call.changed(*_CONFIGURATION, *_NESTED, "vpcConfig", "imageConfig"):
            call.client.update_function_configuration(**{**gone, **self._configuration(call)})
        self._reserve(call)
        if call.inputs["publish"]:
            call.client.publish_version(FunctionName=call.id)
        call.retag("Resource", call.outputs["arn"], call.tags)

    def delete(self, call: Call) -> None:
        if not call.inputs.get("skipDestroy"):
            call.client.delete_function(FunctionName=call.id)


def _code(call: Call) -> dict[str, Any]:
    if "imageUri" in call.inputs:
        return {"ImageUri": call.inputs["imageUri"]}
    if "s3Bucket" in call.inputs:
        return renamed(call.inputs, {"s3Bucket": "S3Bucket", "s3Key": "S3Key", "s3ObjectVersion": "S3ObjectVersion"})
    return {"ZipFile": zipped(call.inputs["code"])}


def zipped(code: Asset) -> bytes:
    """The archive as a zip; one that is a zip already is taken as it is."""
    if code.kind != ARCHIVE:
        raise ProviderError("`code` must be an archive")
    if code.assets is None and code.file().is_file():
        return code.contents()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        _pack(archive, code, "")
    return packed.getvalue()


def _pack(archive: zipfile.ZipFile, asset: Asset, name: str) -> None:
    if asset.assets is not None:
        for key, inner in asset.assets.items():
            _pack(archive, inner, f"{name}/{key}" if name else key)
    elif asset.text is None and asset.file().is_dir():
        folder = asset.file()
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(file, str(Path(name) / file.relative_to(folder)))
    else:
        archive.writestr(name, asset.contents())


class Alias(Put, kind="aws:lambda/alias:Alias"):
    service = "lambda"
    name = Name(limit=128)
    required = ("functionName", "functionVersion")
    optional = ("description", "routingConfig")
    replace = ("name", "functionName")

    def identity(self, call: Call) -> str:
        return call.aws.arn("lambda", f"function:{_short(call.inputs['functionName'])}:{call.inputs['name']}")

    def put(self, call: Call) -> None:
        names = {"functionVersion": "FunctionVersion", "description": "Description"}
        routing = call.inputs.get("routingConfig")
        arguments = {**renamed(call.inputs, names), **_alias_key(self.identity(call))}
        if routing:
            arguments["RoutingConfig"] = {"AdditionalVersionWeights": routing["additionalVersionWeights"]}
        (call.client.update_alias if call.old else call.client.create_alias)(**arguments)

    def read(self, call: Call) -> Properties:
        found = call.client.get_alias(**_alias_key(call.id))
        invoke = f"arn:{call.aws.partition}:apigateway:{call.aws.region}:lambda:path/2015-03-31/functions"
        return {
            "arn": found["AliasArn"],
            "name": found["Name"],
            "functionVersion": found["FunctionVersion"],
            "invokeArn": f"{invoke}/{found['AliasArn']}/invocations",
        }

    def delete(self, call: Call) -> None:
        call.client.delete_alias(**_alias_key(call.id))


def _alias_key(arn: str) -> dict[str, str]:
    function, name = arn.split(":")[-2:]
    return {"FunctionName": function, "Name": name}


def _short(function: str) -> str:
    """A function's name, whether it was given or its ARN."""
    return function.split(":function:")[-1].split(":")[0]


class Permission(Resource, kind="aws:lambda/permission:Permission"):
    service = "lambda"
    name = Name("statementId", limit=100)
    required = ("action", "function", "principal")
    optional = ("sourceArn", "sourceAccount", "principalOrgId", "qualifier", "eventSourceToken")
    replace = (*required, *optional, "statementId")
    within = ("function", "qualifier")

    def create(self, call: Call) -> str:
        names = capitals(
            "statementId", "action", "principal", "sourceArn", "sourceAccount", "qualifier", "eventSourceToken"
        ) | {"function": "FunctionName", "principalOrgId": "PrincipalOrgID"}
        call.client.add_permission(**renamed(call.inputs, names))
        return str(call.inputs["statementId"])

    def read(self, call: Call) -> Properties | None:
        if "function" not in call.inputs:
            raise ProviderError("a permission can't be read without its function")
        qualifier = renamed(call.inputs, {"qualifier": "Qualifier"})
        policy = json.loads(call.client.get_policy(FunctionName=call.inputs["function"], **qualifier)["Policy"])
        found = next((statement for statement in policy["Statement"] if statement["Sid"] == call.id), None)
        if found is None:
            return None
        principal = found["Principal"]
        named = next(iter(principal.values())) if isinstance(principal, dict) else principal
        condition = found.get("Condition") or {}
        return {
            "statementId": call.id,
            "action": found["Action"],
            "principal": named,
            "sourceArn": (condition.get("ArnLike") or condition.get("ArnEquals") or {}).get("AWS:SourceArn"),
            "sourceAccount": (condition.get("StringEquals") or {}).get("AWS:SourceAccount"),
        }

    def delete(self, call: Call) -> None:
        qualifier = renamed(call.inputs, {"qualifier": "Qualifier"})
        call.client.remove_permission(FunctionName=call.inputs["function"], StatementId=call.id, **qualifier)


class Invocation(Resource, kind="aws:lambda/invocation:Invocation"):
    """One call of a function, made when the resource is; its answer is the output ``result``.

    Unless ``lifecycleScope`` is CRUD, nothing is called when the resource goes, and any change calls anew.
    """

    schema_version = 1
    service = "lambda"
    required = ("functionName", "input")
    optional = ("triggers",)
    defaults: ClassVar = {"lifecycleScope": "CREATE_ONLY", "qualifier": "$LATEST", "terraformKey": "tf"}
    documents = ("input",)
    replace = ("functionName", "qualifier", "input", "triggers")
    shared = True  # a call can't be taken back

    def problems(self, inputs: Properties) -> list[CheckFailure]:
        if inputs["lifecycleScope"] != "CREATE_ONLY":
            return [CheckFailure("lifecycleScope", "the local AWS provider knows CREATE_ONLY: the default")]
        return []

    def create(self, call: Call) -> str:
        answer = call.client.invoke(
            FunctionName=call.inputs["functionName"],
            Payload=call.inputs["input"].encode(),
            Qualifier=call.inputs["qualifier"],
        )
        result = answer["Payload"].read().decode()
        if answer.get("FunctionError"):
            raise ProviderError(f"the function {_short(call.inputs['functionName'])} failed: {_cause(result)}")
        call.outputs = {"result": result}
        digest = hashlib.md5(call.inputs["input"].encode(), usedforsecurity=False).hexdigest()
        return f"{_short(call.inputs['functionName'])}_{call.inputs['qualifier']}_{digest}"

    def read(self, call: Call) -> Properties:
        # Nothing in the cloud remembers a call: its answer lives in the state alone, on AWS too.
        return {"result": call.outputs.get("result", "")}

    def update(self, call: Call) -> None:
        """What can change in place (the scope) has no effect on a call that was made."""

    def delete(self, call: Call) -> None:
        """A call can't be taken back."""


def _cause(answer: str) -> str:
    try:
        told = json.loads(answer)
        return f"{told.get('errorType', 'Error')}: {told.get('errorMessage', answer)}"
    except (ValueError, AttributeError):
        return answer[:500]
