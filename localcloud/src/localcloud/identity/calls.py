"""Reads what a call asks for, whatever protocol it came in: the operation's name and its parameters."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any
from urllib.parse import unquote

import botocore.session
from botocore.exceptions import UnknownServiceError

from localcloud.api_call import ApiCall

# Signing names that aren't botocore's service names, among the services that speak REST.
_REST = {
    "lambda": "lambda",
    "xray": "xray",
    "scheduler": "scheduler",
    "apigateway": "apigatewayv2",
    "emr-serverless": "emr-serverless",
}


def operation(call: ApiCall) -> str:
    """Such as ``"RunTask"``; empty if it can't be told."""
    if call.operation:
        return call.operation
    if match := re.fullmatch(r"/service/[^/]+/operation/(\w+)", call.request.path):
        return match[1]
    return _rest(call)[0]


def parameters(call: ApiCall) -> dict[str, Any]:
    """The parameters by the names of the API's model, as far as the body can be read."""
    if call.service in _REST:
        found: dict[str, Any] = {**call.request.args.to_dict(), **_rest(call)[1]}
        # An invocation's body is the function's business.
        return found if _rest(call)[0].startswith("Invoke") else _body(call) | found
    if call.request.mimetype == "application/x-www-form-urlencoded":
        return dict(call.form())
    return _body(call)


def _body(call: ApiCall) -> dict[str, Any]:
    try:
        value = json.loads(call.request.get_data(cache=True) or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path and name of each operation; the most specific path first."""
    try:
        model = botocore.session.get_session().get_service_model(service)
    except UnknownServiceError:
        return []
    routes = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = http["requestUri"].partition("?")[0].rstrip("/") or "/"
        parts = re.split(r"(\{\w+\+?\})", path)
        pattern = "".join(
            (
                # An ARN is quoted, so its slashes aren't the path's; by now they look the same.
                f"(?P<{part.strip('{}+')}>{'.+' if '+' in part or part == '{resourceArn}' else '[^/]+'})"
                if part.startswith("{")
                else re.escape(part)
            )
            for part in parts
        )
        routes.append((http["method"], re.compile(pattern + "/?"), name))
    return sorted(routes, key=lambda route: route[1].pattern.count("(?P"))


def _rest(call: ApiCall) -> tuple[str, dict[str, str]]:
    for method, pattern, name in _routes(_REST.get(call.service, call.service)):
        if method == call.request.method and (match := pattern.fullmatch(call.request.path)):
            return name, {key: unquote(value) for key, value in match.groupdict().items()}
    return "", {}
