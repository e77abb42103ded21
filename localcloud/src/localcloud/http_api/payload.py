"""Payload format 2.0: the event that a function gets, and what its answer means.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

_TEXT_TYPES = ("application/json", "application/javascript", "application/xml")


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A request as it came over the wire."""

    method: str
    path: str
    """Stage included, still percent-encoded."""
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    source_ip: str
    protocol: str = "HTTP/1.1"

    def header(self, name: str) -> str:
        """The header's values, joined by commas; empty if there is none."""
        return ",".join(value for key, value in self.headers if key.lower() == name)


@dataclass(frozen=True, kw_only=True)
class Handling:
    """What API Gateway knows of a request by the time it calls the function."""

    request: HttpRequest
    account_id: str
    api_id: str
    domain_name: str
    stage: str
    route_key: str
    request_id: str
    time: datetime
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    iam: Mapping[str, Any] | None = None
    """``requestContext.authorizer.iam`` of a route with AWS_IAM."""


@dataclass
class HttpResponse:
    """What goes back to the client."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


class MalformedAnswerError(Exception):
    """The function answered with what isn't a response."""


def message(status: int, text: str) -> HttpResponse:
    """An answer of API Gateway's own."""
    return HttpResponse(status, json.dumps({"message": text}).encode(), [("content-type", "application/json")])


def event(handling: Handling) -> dict[str, Any]:
    """The event for the function."""
    request = handling.request
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in request.headers:
        key = name.lower()
        if key == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";") if cookie.strip()]
        else:
            headers[key] = f"{headers[key]},{value}" if key in headers else value
    built: dict[str, Any] = {
        "version": "2.0",
        "routeKey": handling.route_key,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": _context(handling),
        "isBase64Encoded": False,
    }
    if cookies:
        built["cookies"] = cookies
    if parameters := _query_parameters(request.query):
        built["queryStringParameters"] = parameters
    if handling.path_parameters:
        built["pathParameters"] = dict(handling.path_parameters)
    if handling.stage_variables:
        built["stageVariables"] = dict(handling.stage_variables)
    if request.body:
        text = _text(request)
        built["isBase64Encoded"] = text is None
        built["body"] = base64.b64encode(request.body).decode() if text is None else text
    return built


def _context(handling: Handling) -> dict[str, Any]:
    request = handling.request
    context: dict[str, Any] = {
        "accountId": handling.account_id,
        "apiId": handling.api_id,
        "domainName": handling.domain_name,
        "domainPrefix": handling.domain_name.partition(".")[0],
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent"),
        },
        "requestId": handling.request_id,
        "routeKey": handling.route_key,
        "stage": handling.stage,
        "time": f"{handling.time:%d/%b/%Y:%H:%M:%S} +0000",
        "timeEpoch": int(handling.time.timestamp() * 1000),
    }
    if handling.iam is not None:
        context["authorizer"] = {"iam": dict(handling.iam)}
    return context


def _query_parameters(query: str) -> dict[str, str]:
    joined: dict[str, str] = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            name, value = unquote_plus(name), unquote_plus(value)
            joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _text(request: HttpRequest) -> str | None:
    """The body if it is text; None if the function gets it as base64."""
    media_type = request.header("content-type").partition(";")[0].strip().lower()
    textual = not media_type or media_type.startswith("text/") or media_type in _TEXT_TYPES
    if not (textual or media_type.endswith(("+json", "+xml"))):
        return None
    try:
        return request.body.decode()
    except UnicodeDecodeError:
        return None


def response(payload: bytes) -> HttpResponse:
    """The HTTP response that a function's answer stands for.

    An answer without ``statusCode`` is the body itself, as JSON.

    Raises
    ------
    MalformedAnswerError
        A field has a type that it can't have; API Gateway answers 500.
    """
    try:
        answer = json.loads(payload or b"null")
    except ValueError as error:
        raise MalformedAnswerError(str(error)) from error
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = answer if isinstance(answer, str) else json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
        return HttpResponse(200, body.encode(), [("content-type", "application/json")])
    headers = answer.get("headers") or {}
    cookies = answer.get("cookies") or []
    if not isinstance(headers, dict) or not isinstance(cookies, list):
        raise MalformedAnswerError("headers must be an object and cookies an array")
    pairs = [(str(name).lower(), _plain(value)) for name, value in headers.items()]
    if all(name != "content-type" for name, _ in pairs):
        pairs.append(("content-type", "text/plain;charset=UTF-8"))
    pairs += [("set-cookie", str(cookie)) for cookie in cookies]
    return HttpResponse(_status(answer["statusCode"]), _body(answer), pairs)


def _status(value: Any) -> int:
    try:
        status = int(value)
    except (TypeError, ValueError):
        raise MalformedAnswerError(f"statusCode {value!r} is no number") from None
    if not 100 <= status <= 599:
        raise MalformedAnswerError(f"statusCode {status} is no HTTP status")
    return status


def _body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedAnswerError("body must be a string")
    if not answer.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise MalformedAnswerError(f"body isn't base64: {error}") from error


def _plain(value: Any) -> str:
    if isinstance(value, dict | list):
        raise MalformedAnswerError("a header's value must be a string")
    return json.dumps(value) if isinstance(value, bool) else str(value)
