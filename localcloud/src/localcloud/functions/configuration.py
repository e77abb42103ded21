"""What moto knows of a function, as this emulator needs it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from moto.awslambda.exceptions import UnknownAliasException, UnknownFunctionException
from moto.awslambda.models import LambdaBackend, lambda_backends

from localcloud.context import CloudContext
from localcloud.functions.code import unpack
from localcloud.functions.types import Function, LambdaError

_NAME = re.compile(
    r"(?:arn:[^:]+:lambda:(?P<region>[^:]+):\d{12}:function:|\d{12}:function:|function:)?"
    r"(?P<name>[A-Za-z0-9_-]+)(?::(?P<qualifier>[$A-Za-z0-9_-]+))?"
)


def backend_of(cloud: CloudContext) -> LambdaBackend:
    """Moto's Lambda."""
    return lambda_backends[cloud.account_id][cloud.region]


def parse_name(reference: str, qualifier: str | None) -> tuple[str, str | None]:
    """Name and qualifier of ``reference``: a name, a partial or a whole ARN, each with or without a qualifier.

    Raises
    ------
    LambdaError
        It is none of these, or two qualifiers contradict each other.
    """
    match = _NAME.fullmatch(reference)
    if match is None:
        message = f"1 validation error detected: Value '{reference}' at 'functionName' failed to satisfy constraint"
        raise LambdaError(400, "ValidationException", message)
    named = match["qualifier"]
    if named and qualifier and named != qualifier:
        message = "The derived qualifier from the function name does not match the specified qualifier."
        raise LambdaError(400, "InvalidParameterValueException", message)
    return match["name"], named or qualifier


def look_up(cloud: CloudContext, reference: str, qualifier: str | None = None) -> tuple[Function, str]:
    """The function that ``reference`` stands for, and the ARN as the function's context shows it.

    No lock is taken: this is on the path of every invocation, and moto replaces these values as a whole.

    Raises
    ------
    LambdaError
        There is no such function, version or alias.
    """
    name, qualifier = parse_name(reference, qualifier)
    arn = f"arn:aws:lambda:{cloud.region}:{cloud.account_id}:function:{name}"
    try:
        found = backend_of(cloud).get_function(name, qualifier)
    except (UnknownFunctionException, UnknownAliasException, KeyError):
        message = f"Function not found: {arn}:{qualifier or '$LATEST'}"
        raise LambdaError(404, "ResourceNotFoundException", message) from None
    if found.package_type != "Zip":
        message = f"{arn} is a container image; the local cloud runs functions from zips only"
        raise LambdaError(400, "InvalidParameterValueException", message)
    return _describe(cloud, found, arn), f"{arn}:{qualifier}" if qualifier else arn


def exists(cloud: CloudContext, function: Function) -> bool:
    """Whether that version is still there."""
    try:
        backend_of(cloud).get_function(function.name, function.version)
    except (UnknownFunctionException, KeyError):
        return False
    return True


def _describe(cloud: CloudContext, found: Any, arn: str) -> Function:
    folder = cloud.directory / "functions" / "code"
    logging = getattr(found, "logging_config", None) or {}
    latest = backend_of(cloud).get_function(found.function_name, None)
    reserved = latest.reserved_concurrency
    return Function(
        name=found.function_name,
        arn=arn,
        version=str(found.version),
        handler=found.handler or "",
        runtime=found.run_time or "",
        role=found.role,
        memory=int(found.memory_size),
        timeout=float(found.timeout),
        variables=dict(found.environment_vars or {}),
        code=unpack(lambda: found.code_bytes, found.code_sha_256, folder),
        layers=tuple(_layer(cloud, layer["Arn"], folder) for layer in found.layers),
        log_group=logging.get("LogGroup") or f"/aws/lambda/{found.function_name}",
        log_format=logging.get("LogFormat") or "Text",
        reserved_concurrency=None if reserved is None else int(reserved),
        dead_letter_arn=(getattr(found, "dead_letter_config", None) or {}).get("TargetArn", ""),
    )


def _layer(cloud: CloudContext, arn: str, folder: Path) -> Path:
    layer = backend_of(cloud).layers_versions_by_arn(arn)
    if layer is None:
        raise LambdaError(404, "ResourceNotFoundException", f"Layer version {arn} does not exist.")
    return unpack(lambda: layer.code_bytes, layer.code_sha_256, folder)
