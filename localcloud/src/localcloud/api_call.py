"""An AWS API call as the local cloud reads it, whatever protocol it came in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from werkzeug.wrappers import Request, Response

from localcloud.serving import read_body


@dataclass(frozen=True)
class ApiCall:
    """One AWS API call as it came in."""

    service: str
    """The signing name, such as ``"s3"``, ``"lambda"``, ``"states"``, ``"execute-api"``; empty if it isn't signed."""
    operation: str
    """Of the JSON and query protocols, such as ``"RunTask"``; empty for REST services: look at the method and path."""
    access_key: str
    """Who signed it; empty if nobody did."""
    request: Request

    def json(self) -> Any:
        """The body as JSON; an empty body is an empty object."""
        return json.loads(self.request.get_data(cache=True) or b"{}")

    def form(self) -> dict[str, str]:
        """The body of a query-protocol call (SNS, IAM, EC2, ...)."""
        return {key: values[0] for key, values in parse_qs(self.request.get_data(cache=True).decode()).items()}


Answer = Callable[[ApiCall], Response | None]
"""Answers a call, or None to let the next one (at last moto) answer."""


def parse(environ: dict[str, Any]) -> ApiCall:
    """Read who calls what from the SigV4 header and the protocol's own marks.

    The body is read here, once, into ``environ``: emulators and moto each wrap it in a request of their own, and a slow
    uploader must not hold the lock.
    """
    read_body(environ)
    request = Request(environ)
    service = access_key = ""
    scope = request.headers.get("Authorization", "").partition("Credential=")[2].partition(",")[0].split("/")
    if len(scope) >= 5:
        access_key, service = scope[0], scope[-2]
    elif credential := request.args.get("X-Amz-Credential", ""):
        access_key, *_, service, _ = credential.split("/")
    operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    if not operation and request.mimetype == "application/x-www-form-urlencoded":
        operation = parse_qs(request.get_data(cache=True).decode("utf-8", "replace")).get("Action", [""])[0]
    return ApiCall(service=service, operation=operation, access_key=access_key, request=request)
