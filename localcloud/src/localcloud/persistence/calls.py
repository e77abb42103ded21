"""What a call may change: which of moto's services, and whether that must be written before the answer."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.api_call import ApiCall

EVERYTHING = "*"
"""In place of services: the call may have changed any."""

# Signing names that differ from moto's names, and calls that change a second service.
_SERVICES = {
    "lambda": ("awslambda", "sqs", "dynamodb"),
    "states": ("stepfunctions",),
    "monitoring": ("cloudwatch",),
    "apigateway": ("apigatewayv2", "apigateway"),
    "ssm": ("ssm", "kms"),
    "emr-serverless": ("emrserverless",),
    "sts": (),
    "execute-api": (),
    "tagging": (EVERYTHING,),
    "": (EVERYTHING,),
}
_READS = ("Get", "List", "Describe", "BatchGet", "Query", "Scan", "Head", "Lookup", "Filter", "TransactGet", "Select")
_WITHIN_A_SECOND = frozenset({"PutLogEvents", "PutMetricData", "ReceiveMessage", "CreateLogStream", "CreateLogGroup"})
_OF_ROOMS = frozenset({"emr-serverless", "codebuild", ""})


@dataclass(frozen=True)
class Effect:
    """What a call may have changed."""

    services: tuple[str, ...]
    """Moto's packages, such as ``"awslambda"``; or `EVERYTHING`."""
    thorough: bool = False
    """An older version of an object may have changed: the call names one, as ``?tagging&versionId=`` does."""
    emulators: bool = False
    """Emulators of ours keep something about it as well."""
    soon: bool = False
    """It is enough to write it within a second."""


def effect_of(call: ApiCall) -> Effect | None:
    """What ``call`` may have changed; None if it only reads."""
    request = call.request
    if call.operation:
        if call.operation.startswith(_READS):
            return None
    elif request.method in ("GET", "HEAD", "OPTIONS"):
        return None
    if call.service == "lambda" and request.path.endswith(("/invocations", "/invoke-async/", "/invoke-async")):
        return Effect(())  # what the function changes, it changes by calls of its own
    if request.path.startswith("/_localcloud/"):
        return Effect((), emulators=True)
    return Effect(
        services=_SERVICES.get(call.service, (call.service,)),
        # Not any query: AWS's SDK for Go writes `?x-id=PutObject`, and Pulumi puts its state a thousand times.
        thorough="versionId" in request.args,
        emulators=call.service in _OF_ROOMS,
        soon=call.operation in _WITHIN_A_SECOND,
    )
