"""The local cloud's one door: every AWS API call comes in here, and goes to an emulator of ours or to moto.

Moto's backends are plain Python objects that lose updates under concurrency (DynamoDB transactions most of all), so one
lock stands round its dispatch. An emulator's own answer is given outside that lock: a Lambda invocation may last
minutes and calls back.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Request, Response

from localcloud import refusals
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


class Dispatcher:
    """The WSGI application: tries each emulator's answer in turn, then moto under the lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._moto = DomainDispatcherApplication(_backend_app)
        self._answers: list[Answer] = []
        self.kept: Callable[[ApiCall], None] = lambda _: None
        """Told of each call before its answer leaves; what it raises fails the call."""

    def add(self, answer: Answer) -> None:
        """Let ``answer`` see each call before moto does."""
        self._answers.append(answer)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = parse(environ)
        for answer in self._answers:
            if (response := answer(call)) is not None:
                return (self._unkept(call) or response)(environ, start_response)
        told: list[tuple[str, list[tuple[str, str]]]] = []
        with self.lock:
            body = list(self.moto(environ, lambda status, headers, *_: told.append((status, headers))))
            failed = self._unkept(call)
        if failed is not None:
            return failed(environ, start_response)
        start_response(*told[-1])
        return body

    def _unkept(self, call: ApiCall) -> Response | None:
        """The failure to answer instead, if what the call changed can't be kept."""
        try:
            self.kept(call)
        except Exception as error:
            return refusals.not_kept(call, error)
        return None

    def moto(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Moto's answer, under the lock; what moto lacks is answered as AWS answers an unknown operation."""
        # The look at the body for the operation's name, and an emulator that passed, have read the input.
        environ["wsgi.input"].seek(0)
        status, headers = "", list[tuple[str, str]]()

        def noted(new_status: str, new_headers: list[tuple[str, str]], *_: object) -> None:
            nonlocal status, headers
            status, headers = new_status, new_headers

        try:
            with self.lock:
                parts = list(self._moto(environ, noted))
        except Exception as error:
            return refusals.failure(_again(environ), error)(environ, start_response)
        if refusals.is_without_route(status, headers, parts):
            return refusals.unknown_operation(_again(environ))(environ, start_response)
        start_response(status, headers)
        return parts


def _again(environ: dict[str, Any]) -> ApiCall:
    """The call once more, after moto has read its body."""
    environ["wsgi.input"].seek(0)
    for cached in [name for name in environ if name.startswith("werkzeug.")]:
        del environ[cached]
    return parse(environ)


def _backend_app(service: Any) -> Any:
    if service is None:
        raise NotImplementedError("moto has no such service")
    return create_backend_app(service)


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
