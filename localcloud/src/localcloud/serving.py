"""HTTP for the dispatcher and for HTTP APIs: threads, connections that stay open, one write for each answer.

Werkzeug's own handler closes every connection and then waits another 10 ms for stray bytes. A function that makes ten
calls would open ten connections, so the part that answers is ours.
"""

from __future__ import annotations

import io
import logging
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

_POLL_SECONDS = 0.1
_QUICK_ACKNOWLEDGEMENT: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it

_logger = logging.getLogger(__name__)


class _Connections(ThreadedWSGIServer):
    """Knows its open connections, so that closing it ends the threads that wait on them."""

    daemon_threads = True
    # The connections of a burst wait in line; the usual five would be refused or retried after a second.
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def disconnect(self) -> None:
        with self._lock:
            connections = tuple(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Server:
    """Serves ``application`` on a port of 127.0.0.1 until it is closed; 0 takes a free port."""

    def __init__(self, application: Any, port: int = 0, *, name: str) -> None:
        self._server = _Connections("127.0.0.1", port, application, _RequestHandler)
        self.port = self._server.port
        threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name=name, daemon=True).start()

    def close(self) -> None:
        """Take no more connections and end those that are open."""
        self._server.shutdown()
        self._server.server_close()
        self._server.disconnect()


def read_body(environ: dict[str, Any]) -> bytes:
    """The whole body of a request, kept for whoever reads it next.

    An application must call this (or mark the request as ``localcloud.drained``): only then can the connection be used
    for another request.
    """
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    body = stream.read() if environ.get("wsgi.input_terminated") else stream.read(int(length or 0))
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    # The transfer's chunks are joined by now.
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["localcloud.drained"] = True
    return cast(bytes, body)


class _RequestHandler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, *_: object) -> None:
        """Requests aren't printed."""

    def run_wsgi(self) -> None:
        """Answer one request."""
        if _QUICK_ACKNOWLEDGEMENT is not None and self.headers.get("Content-Length", "0") != "0":
            # A client that sends head and body apart, with Nagle's algorithm on, waits 40 ms for us to acknowledge.
            self.connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACKNOWLEDGEMENT, 1)
        self.environ = environ = self.make_environ()
        status, headers = "500 Internal Server Error", [("Content-Type", "text/plain")]

        def start_response(new_status: str, new_headers: list[tuple[str, str]], _: object = None) -> Any:
            nonlocal status, headers
            status, headers = new_status, list(new_headers)
            return self.wfile.write

        try:
            body = _join(self.server.app(environ, start_response))
        except Exception:
            _logger.exception("%s %s failed", self.command, self.path)
            body = b"the local cloud failed; its log tells why"
            status, headers = "500 Internal Server Error", [("Content-Type", "text/plain")]
        names = {name.lower() for name, _ in headers}
        told_to_close = any(name.lower() == "connection" and value.lower() == "close" for name, value in headers)
        self.close_connection = self.close_connection or told_to_close or not environ.get("localcloud.drained")
        self._send(status, headers, names, body)

    def _send(self, status: str, headers: list[tuple[str, str]], names: set[str], body: bytes) -> None:
        bare = self.command == "HEAD" or status[:1] == "1" or status[:3] in ("204", "304")
        if not bare:
            headers = [pair for pair in headers if pair[0].lower() not in ("content-length", "transfer-encoding")]
            headers.append(("Content-Length", str(len(body))))
        if "date" not in names:
            headers.append(("Date", self.date_time_string()))
        if self.close_connection and "connection" not in names:
            headers.append(("Connection", "close"))
        head = f"HTTP/1.1 {status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
        self.wfile.write(head.encode("latin-1", "replace") + (b"" if bare else body))


def _join(parts: Iterable[bytes]) -> bytes:
    try:
        return b"".join(parts)
    finally:
        if (close := getattr(parts, "close", None)) is not None:
            close()
