"""The Invoke operation as HTTP. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Protocol
from urllib.parse import unquote

from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall
from localcloud.context import CloudContext
from localcloud.functions.configuration import look_up
from localcloud.functions.types import (
    ASYNCHRONOUS_PAYLOAD_BYTES,
    SYNCHRONOUS_PAYLOAD_BYTES,
    LambdaError,
    Outcome,
)

_PATH = re.compile(
    r"/(?:2015-03-31/functions/(?P<name>.+)/invocations|2014-11-13/functions/(?P<old>.+)/invoke-async)/?"
)


class Invoker(Protocol):
    """What runs functions."""

    @property
    def invoke(self) -> Callable[..., Outcome]:
        """Run and wait."""

    @property
    def invoke_later(self) -> Callable[..., str]:
        """Queue; answers the request id."""


class InvokeApi:
    """Answers Invoke and InvokeAsync at the dispatcher."""

    def __init__(self, cloud: CloudContext, functions: Invoker) -> None:
        self._cloud = cloud
        self._functions = functions

    def __call__(self, call: ApiCall) -> Response | None:
        """The answer, or None if the call is another one."""
        if call.request.method != "POST" or call.service not in ("lambda", ""):
            return None
        match = _PATH.fullmatch(call.request.path)
        if match is None:
            return None
        try:
            return self._answer(call, unquote(match["name"] or match["old"]), old=match["old"] is not None)
        except LambdaError as error:
            return refusal(error)

    def _answer(self, call: ApiCall, reference: str, *, old: bool) -> Response:
        request = call.request
        qualifier = request.args.get("Qualifier") or request.args.get("qualifier")
        payload = request.get_data(cache=True)
        trace_id = request.headers.get("X-Amzn-Trace-Id", "")
        kind = "Event" if old else request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind == "DryRun":
            look_up(self._cloud, reference, qualifier)
            return Response(b"", 204)
        if kind == "Event":
            request_id = self._functions.invoke_later(reference, payload, qualifier=qualifier, trace_id=trace_id)
            return Response(b"", 202, {"x-amzn-RequestId": request_id})
        outcome = self._functions.invoke(
            reference,
            payload,
            qualifier=qualifier,
            trace_id=trace_id,
            client_context=_decoded(request.headers.get("X-Amz-Client-Context", "")),
        )
        headers = {
            "Content-Type": "application/json",
            "x-amzn-RequestId": outcome.request_id,
            "X-Amz-Executed-Version": outcome.executed_version,
        }
        if outcome.function_error:
            headers["X-Amz-Function-Error"] = outcome.function_error
        if request.headers.get("X-Amz-Log-Type") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log_tail.encode()).decode()
        return Response(outcome.payload, 200, headers)


def check_payload(payload: bytes, *, asynchronous: bool = False) -> None:
    """Refuse what Lambda refuses.

    Raises
    ------
    LambdaError
        It is too large, or isn't JSON.
    """
    limit = ASYNCHRONOUS_PAYLOAD_BYTES if asynchronous else SYNCHRONOUS_PAYLOAD_BYTES
    if len(payload) > limit:
        message = f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
        raise LambdaError(413, "RequestEntityTooLargeException", message)
    try:
        json.loads(payload or b"{}")
    except ValueError as error:
        message = f"Could not parse request body into json: Could not parse payload into json: {error}"
        raise LambdaError(400, "InvalidRequestContentException", message) from error


def refusal(error: LambdaError) -> Response:
    """An error as Lambda's REST protocol has it."""
    # Some of Lambda's errors spell the field in capitals, as its API model says.
    name = "Message" if error.code in ("ResourceNotFoundException", "ServiceException") else "message"
    body = {"Type": "User" if error.status < 500 else "Service", name: error.message} | error.fields
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    return Response(json.dumps(body), error.status, headers)


def _decoded(header: str) -> str:
    try:
        return base64.b64decode(header).decode()
    except ValueError:
        raise LambdaError(400, "InvalidRequestContentException", "Client context must be valid base64 JSON.") from None
