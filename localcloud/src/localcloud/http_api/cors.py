"""CORS as an HTTP API answers it itself.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.http_api.payload import HttpRequest, HttpResponse


def preflight(configuration: Mapping[str, Any], request: HttpRequest) -> HttpResponse | None:
    """The answer to a preflight request; None if ``request`` isn't one."""
    origin = request.header("origin")
    if request.method != "OPTIONS" or not origin or not request.header("access-control-request-method"):
        return None
    response = HttpResponse(204)
    if _allows(configuration, origin):
        response.headers = _common(configuration, origin)
        for key, header in (("allowMethods", "methods"), ("allowHeaders", "headers")):
            if values := configuration.get(key):
                response.headers.append((f"access-control-allow-{header}", ",".join(values)))
        if configuration.get("maxAge") is not None:
            response.headers.append(("access-control-max-age", str(configuration["maxAge"])))
    return response


def decorate(configuration: Mapping[str, Any], request: HttpRequest, response: HttpResponse) -> None:
    """Put the API's CORS headers on ``response``; the function's own are dropped."""
    response.headers = [pair for pair in response.headers if not pair[0].lower().startswith("access-control-")]
    origin = request.header("origin")
    if origin and _allows(configuration, origin):
        response.headers += _common(configuration, origin)
        if values := configuration.get("exposeHeaders"):
            response.headers.append(("access-control-expose-headers", ",".join(values)))


def _allows(configuration: Mapping[str, Any], origin: str) -> bool:
    origins = configuration.get("allowOrigins") or ()
    return "*" in origins or origin in origins


def _common(configuration: Mapping[str, Any], origin: str) -> list[tuple[str, str]]:
    anyone = "*" in (configuration.get("allowOrigins") or ())
    headers = [("access-control-allow-origin", "*" if anyone else origin)]
    if not anyone:
        headers.append(("vary", "origin"))
    if configuration.get("allowCredentials"):
        headers.append(("access-control-allow-credentials", "true"))
    return headers
