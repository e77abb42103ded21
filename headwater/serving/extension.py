"""An internal Lambda extension: code of the function's own process that Lambda lets run on after the response.

Lambda's Extensions API, version 2020-01-01: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
An environment is frozen only when the runtime and every extension have asked for the next event, while the response
goes to the caller as soon as the runtime posts it:
https://aws.amazon.com/blogs/compute/running-code-after-returning-a-response-from-an-aws-lambda-function/
"""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import suppress

_API = "/2020-01-01/extension"


class ExtensionRefused(Exception):
    """Lambda answered the extension with an error."""


class Extension:
    """One internal extension; it hears of invocations (an internal one can't ask for shutdowns).

    Parameters
    ----------
    name : str
        Unique among the function's extensions.
    runtime_api : str
        ``host:port`` of the Runtime API: what Lambda sets as AWS_LAMBDA_RUNTIME_API.
    """

    def __init__(self, name: str, runtime_api: str) -> None:
        self.name = name
        # No time-out: an answer comes with the next event, which may be hours away in a frozen environment.
        self._connection = http.client.HTTPConnection(runtime_api)
        self._id = ""

    def register(self) -> None:
        """Make Lambda wait for this extension from now on; only possible during init."""
        body = json.dumps({"events": ["INVOKE"]})
        headers = {"Lambda-Extension-Name": self.name, "Content-Type": "application/json"}
        answer = self._ask("POST", "register", headers, body)
        self._id = answer.headers["Lambda-Extension-Identifier"] or ""
        if not self._id:
            self.close()
            raise ExtensionRefused(f"extension {self.name!r} was registered without an identifier")

    def wait_for_invocation(self) -> None:
        """Say that all work is done, and return when the next invocation begins."""
        self._ask("GET", "event/next", {"Lambda-Extension-Identifier": self._id})

    def close(self) -> None:
        """Drop the connection; a thread that waits on it gets an `OSError`."""
        if self._connection.sock is not None:
            with suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _ask(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> http.client.HTTPResponse:
        try:
            self._connection.request(method, f"{_API}/{path}", body or None, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            # The next request opens a new connection.
            self._connection.close()
            raise
        if answer.status != 200:
            self._connection.close()
            raise ExtensionRefused(f"{method} {path}: {answer.status} {content[:500].decode(errors='replace')}")
        return answer
