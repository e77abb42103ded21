"""Errors as a service's own protocol writes them, so that every client reads the code and the message.

After https://smithy.io/2.0/aws/protocols/index.html, and "Common errors" of each service's API reference.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from moto.core.request import Request
from moto.core.routing import ServiceOperationRouter
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from localcloud.api_call import ApiCall

# Signing names of REST services that aren't botocore's names of the service, or stand for several.
_MODELS = {
    "": ("s3",),
    "access-analyzer": ("accessanalyzer",),
    "airflow": ("mwaa",),
    "aoss": ("opensearchserverless",),
    "apigateway": ("apigatewayv2", "apigateway"),
    "aps": ("amp",),
    "elasticfilesystem": ("efs",),
    "geo": ("location",),
    "mobiletargeting": ("pinpoint",),
    "s3": ("s3", "s3control"),
    "s3express": ("s3",),
    "ses": ("sesv2",),
}
_CBOR = "rpc-v2-cbor"

_logger = logging.getLogger(__name__)


def refusal(call: ApiCall, code: str, message: str, status: int = 400) -> Response:
    """The error ``code`` with ``message`` in the protocol of ``call``."""
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": code}
    match protocol(call):
        case "rest-xml" if call.service == "s3":
            xml = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
            return _xml(call, f"{xml}<RequestId>{request_id}</RequestId></Error>", status)
        case "ec2":
            xml = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
            return _xml(call, f"<Response><Errors>{xml}</Errors><RequestID>{request_id}</RequestID></Response>", status)
        case "query" | "rest-xml":
            xml = f"<Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
            return _xml(call, f"<ErrorResponse>{xml}<RequestId>{request_id}</RequestId></ErrorResponse>", status)
        case "rpc-v2-cbor":
            headers["smithy-protocol"] = _CBOR
            body: Any = _cbor({"__type": code, "message": message})
            return Response(body, status, headers=headers, content_type="application/cbor")
        case "json":
            body = json.dumps({"__type": code, "message": message, "Message": message})
            kind = call.request.mimetype or "application/x-amz-json-1.1"
            return Response(body, status, headers=headers, content_type=kind)
    # As REST services spell it: the code is in the header, the field in small letters or in capitals.
    body = json.dumps({"__type": code, "message": message, "Message": message})
    return Response(body, status, headers=headers, content_type="application/json")


def unknown_operation(call: ApiCall) -> Response:
    """What AWS answers for an operation that it doesn't have, with the names of the service and the operation."""
    service, operation = call.service or "s3", operation_name(call)
    message = f"Unknown operation {operation} of {service}: the local cloud doesn't have it"
    match protocol(call):
        case "query" | "ec2":
            return refusal(call, "InvalidAction", message)
        case "rest-xml":
            return refusal(call, "NotImplemented", message, 501)
        case "rest-json":
            return refusal(call, "UnknownOperationException", message, 404)
    return refusal(call, "UnknownOperationException", message)


def failure(call: ApiCall, error: Exception) -> Response:
    """What a client hears of an exception in moto: an unknown operation, or a failure of the service's own."""
    is_without_target = isinstance(error, KeyError) and error.args == ("HTTP_X_AMZ_TARGET",)
    if is_without_target or isinstance(error, (NotImplementedError, OperationNotFoundError)):
        return unknown_operation(call)
    service, operation = call.service or "s3", operation_name(call)
    _logger.error("%s of %s failed", operation, service, exc_info=error)
    return _internal(call, f"the local cloud failed in {operation} of {service}; its log tells why")


def not_kept(call: ApiCall, error: Exception) -> Response:
    """What a client hears if what its call changed isn't on disk: it may not take it for done."""
    service, operation = call.service or "s3", operation_name(call)
    _logger.error("%s of %s isn't kept", operation, service, exc_info=error)
    said = " ".join(str(error).split())[:500] or type(error).__name__
    return _internal(
        call, f"the local cloud can't keep what {operation} of {service} changed, a restart loses it: {said}"
    )


def _internal(call: ApiCall, message: str) -> Response:
    """A failure of the service's own."""
    return refusal(call, "InternalError" if (call.service or "s3") == "s3" else "InternalFailure", message, 500)


def is_without_route(status: str, headers: Sequence[tuple[str, str]], parts: Sequence[bytes]) -> bool:
    """Whether moto's answer is its web framework's: no operation has that path and method."""
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    return (
        status[:3] in ("404", "405")
        and kind.startswith("text/html")
        and parts[:1] != []
        and parts[0].startswith(b"<!doctype html>")
    )


def protocol(call: ApiCall) -> str:
    """``"json"``, ``"query"``, ``"ec2"``, ``"rest-json"``, ``"rest-xml"`` or ``"rpc-v2-cbor"``."""
    request = call.request
    if request.headers.get("Smithy-Protocol", "") == _CBOR:
        return _CBOR
    if "X-Amz-Target" in request.headers:
        return "json"
    if request.mimetype == "application/x-www-form-urlencoded" or "Action" in request.args:
        return "ec2" if call.service == "ec2" else "query"
    named = {model.metadata["protocol"] for model in _models(call.service)}
    return "rest-xml" if "rest-xml" in named else "rest-json"


def operation_name(call: ApiCall) -> str:
    """The operation that was asked for; its method and path if no model of the service knows them."""
    if call.operation:
        return call.operation
    if match := re.fullmatch(r"/service/[^/]+/operation/(\w+)", call.request.path):
        return match[1]
    if named := call.request.args.get("Action"):
        return named
    for router in _routers(call.service):
        try:
            operation, _ = router.match(Request(call.request.environ.copy()))
            return str(operation.name)
        except (HTTPException, NotImplementedError):
            continue
    return f"{call.request.method} {call.request.path}"


@cache
def _models(service: str) -> tuple[Any, ...]:
    """Moto's models of the services with that signing name."""
    found = []
    for name in _MODELS.get(service, (service,)):
        try:
            found.append(get_service_model(name))
        except UnknownServiceError:
            continue
    return tuple(found)


@cache
def _routers(service: str) -> tuple[ServiceOperationRouter, ...]:
    """What knows their operations by method and path; making one takes a tenth of a second."""
    return tuple(map(ServiceOperationRouter, _models(service)))


def _xml(call: ApiCall, text: str, status: int) -> Response:
    body = "" if call.request.method == "HEAD" else f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'
    return Response(body, status, mimetype="application/xml")


def _cbor(texts: dict[str, str]) -> bytes:
    """A map of texts as CBOR (RFC 8949): major types 5 and 3, each with its length."""
    parts = [_cbor_head(5, len(texts))]
    for text in (part for pair in texts.items() for part in pair):
        encoded = text.encode()
        parts += [_cbor_head(3, len(encoded)), encoded]
    return b"".join(parts)


def _cbor_head(major: int, length: int) -> bytes:
    return bytes([major << 5 | length]) if length < 24 else bytes([major << 5 | 25]) + length.to_bytes(2, "big")
