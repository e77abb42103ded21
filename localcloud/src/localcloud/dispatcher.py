"""The local cloud's one door: every AWS API call comes in here, and goes to an emulator of ours or to moto.

Moto's backends are plain Python objects that lose updates under concurrency (DynamoDB transactions most of all), so one
lock stands round its dispatch. An emulator's own answer is given outside that lock: a Lambda invocation may last
minutes and calls back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Response

from localcloud import refusals
from localcloud.api_call import Answer, ApiCall, parse


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
