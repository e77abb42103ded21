"""HTTP as clients speak it to the dispatcher: open connections, chunks, heads without bodies, failures."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from localcloud.serving import Server, read_body
from localcloud.testing import fixed_port


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Echoes the body; some paths do as they are called."""
    if environ["PATH_INFO"] == "/unread":
        start_response("200 OK", [])
        return [b"ignored you"]
    body = read_body(environ)
    if environ["PATH_INFO"] == "/broken":
        raise ValueError("on purpose")
    if environ["PATH_INFO"] == "/empty":
        start_response("204 No Content", [])
        return []
    start_response("200 OK", [("X-Length", environ["CONTENT_LENGTH"])])
    return [body[:2], body[2:]]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = Server(application, name="test")
    yield started
    started.close()


@pytest.fixture
def connection(server: Server) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    opened.connect()
    yield opened
    opened.close()


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None, **more: Any
) -> tuple[int, bytes]:
    connection.request(method, path, body, **more)
    response = connection.getresponse()
    return response.status, response.read()


def test_one_connection_serves_many_requests(connection: http.client.HTTPConnection) -> None:
    before = connection.sock
    for text in (b"one", b"", b"x" * 1_000_000):
        assert ask(connection, "POST", "/", text) == (200, text)
    assert ask(connection, "POST", "/empty", b"x") == (204, b"")
    assert ask(connection, "HEAD", "/", b"x") == (200, b"")
    assert ask(connection, "GET", "/") == (200, b"")
    assert connection.sock is before


def test_a_body_in_chunks_is_joined(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "POST", "/", iter([b"ab", b"cd"]), encode_chunked=True) == (200, b"abcd")
    assert ask(connection, "POST", "/", b"next") == (200, b"next")


def test_a_body_that_was_not_read_is_not_taken_for_the_next_request(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/unread", b"GET /broken HTTP/1.1\r\n\r\n")
    response = connection.getresponse()
    assert response.read() == b"ignored you"
    assert response.headers["Connection"] == "close"


def test_a_failure_inside_is_an_answer_and_the_server_goes_on(
    connection: http.client.HTTPConnection, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(connection, "GET", "/broken")[0] == 500
    assert "on purpose" in caplog.text
    assert ask(connection, "POST", "/", b"x") == (200, b"x")


def test_a_client_that_waits_for_leave_to_send_gets_it(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw, raw.makefile("rb") as stream:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        raw.sendall(b"hi")
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"


def test_a_client_that_asks_for_it_is_disconnected(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/", headers={"Connection": "close"})
    response = connection.getresponse()
    assert response.headers["Connection"] == "close"
    response.read()


def test_closing_ends_open_connections_and_frees_the_port() -> None:
    server = Server(application, fixed_port(), name="test")
    idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    assert ask(idle, "GET", "/") == (200, b"")
    server.close()
    assert idle.sock.recv(1) == b""
    idle.close()
    Server(application, server.port, name="test").close()
