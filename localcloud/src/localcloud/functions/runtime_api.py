"""The HTTP side of the Lambda Runtime API and Extensions API: one small server for each environment.

Specifications: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html. Written on plain sockets, since a warm
invocation costs two requests and `http.server` takes longer over each than a small handler runs.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from typing import Protocol

RUNTIME, EXTENSION = "/2018-06-01/runtime/", "/2020-01-01/extension/"


@dataclass(frozen=True)
class Answer:
    """What goes back to the process."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Api(Protocol):
    """What an environment answers; the ``next`` calls block, and give None once the environment is closed."""

    def runtime_next(self) -> Answer | None:
        """GET /runtime/invocation/next."""

    def runtime_response(self, request_id: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST /runtime/invocation/{id}/response."""

    def runtime_error(self, request_id: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST /runtime/invocation/{id}/error."""

    def init_error(self, body: bytes) -> Answer:
        """POST /runtime/init/error."""

    def extension_register(self, name: str, body: bytes) -> Answer:
        """POST /extension/register."""

    def extension_next(self, identifier: str) -> Answer | None:
        """GET /extension/event/next."""


class RuntimeServer:
    """Serves one environment's `Api` on a port of its own."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name=f"runtime-api-{self.address}", daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            self._closed = True
            connections = tuple(self._connections)
        for each in (self._listener, *connections):
            # Wakes the thread that blocks on it; that thread closes the connection.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._converse, args=(connection,), name="runtime-api", daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with connection, connection.makefile("rb") as stream:
                while (request := _read(stream, connection)) is not None:
                    if (answer := self._route(*request)) is None:
                        return
                    connection.sendall(_serialise(answer))
        except OSError:
            pass  # the process ended; its watcher knows
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _route(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        api = self._api
        if path.startswith(RUNTIME):
            match method, *path.removeprefix(RUNTIME).split("/"):
                case "GET", "invocation", "next":
                    return api.runtime_next()
                case "POST", "invocation", request_id, "response":
                    return api.runtime_response(request_id, body, headers)
                case "POST", "invocation", request_id, "error":
                    return api.runtime_error(request_id, body, headers)
                case "POST", "init", "error":
                    return api.init_error(body)
        if path.startswith(EXTENSION):
            match method, *path.removeprefix(EXTENSION).split("/"):
                case "POST", "register":
                    return api.extension_register(headers.get("lambda-extension-name", ""), body)
                case "GET", "event", "next":
                    return api.extension_next(headers.get("lambda-extension-identifier", ""))
                case "POST", ("init" | "exit"), "error":
                    return Answer(202, b'{"status":"OK"}')
        return failure(404, "NotFound", f"{method} {path} is no part of the Runtime API")


def failure(status: int, kind: str, message: str) -> Answer:
    """An error in the form of these APIs."""
    return Answer(status, json.dumps({"errorMessage": message, "errorType": kind}).encode())


def _read(stream: BufferedReader, connection: socket.socket) -> tuple[str, str, dict[str, str], bytes] | None:
    if not (first := stream.readline()):
        return None
    method, path, _ = first.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := stream.readline()) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return method, path, headers, stream.read(int(headers.get("content-length", "0")))
    chunks = []
    while size := int(stream.readline().partition(b";")[0], 16):
        chunks.append(stream.read(size))
        stream.readline()
    while (line := stream.readline()) not in (b"\r\n", b"\n", b""):
        # Trailers: how a streaming runtime reports an error after its first bytes.
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return method, path, headers, b"".join(chunks)


def _serialise(answer: Answer) -> bytes:
    """Head and body in one piece: apart, the second may wait 40 ms for the acknowledgement of the first."""
    head = [f"HTTP/1.1 {answer.status} {'OK' if answer.status < 400 else 'Error'}"]
    head += [f"{name}: {value}" for name, value in answer.headers]
    head += ["Content-Type: application/json", f"Content-Length: {len(answer.body)}", "", ""]
    return "\r\n".join(head).encode("latin-1") + answer.body
