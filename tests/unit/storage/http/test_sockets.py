"""Answers over a real connection: whole, in chunks, cut short, malformed, and from a server that hangs up."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError, SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from headwater.storage.http import sockets as module
from headwater.storage.http.sockets import Sockets

HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
Script = Callable[[socket.socket], object]
Server = Any


def asked(connection: socket.socket) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        data += (more := connection.recv(65536))
        if not more:
            return False
    return True


def answering(*answers: bytes) -> Script:
    """Answers request after request on one connection, a few bytes at a time."""

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for answer in answers:
            if not asked(connection):
                return
            for start in range(0, len(answer), 7):
                connection.sendall(answer[start : start + 7])

    return script


def test_a_connection_carries_one_answer_after_another(serving: Callable[..., Server]) -> None:
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Twice: a\r\nx-twice:  b \r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"4;x=y\r\nwiki\r\nA\r\n0123456789\r\n0\r\nx-late: 1\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000,
    ]
    server = serving(answering(*answers))
    client = server.client()
    first = client.exchange(HEAD)
    assert first == (200, {"content-length": "5", "x-twice": "a, b"}, b"hello")
    assert client.exchange(HEAD).body == b""
    assert client.exchange(HEAD).body == b"wiki0123456789"
    assert client.exchange(HEAD).status == 204
    assert client.exchange(HEAD, bodiless=True).status == 404
    assert client.exchange(HEAD).body == b"x" * 100000
    assert server.connections == 1
    client.close()


def test_a_server_that_says_it_closes_is_believed(serving: Callable[..., Server]) -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1"
    endless = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
    old = b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n3"
    server = serving(answering(closing), answering(endless), answering(old))
    client = server.client()
    assert [client.exchange(HEAD).body for _ in range(3)] == [b"1", b"until the end", b"3"]
    assert server.connections == 3


def test_a_connection_that_was_closed_while_idle_is_replaced(
    serving: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_IDLE_UNSEEN", 0.0)
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
    server = serving(answering(whole), answering(whole))
    client = server.client()
    client.exchange(HEAD)
    idle = client._idle[0][0]
    idle.settimeout(5)
    assert idle.recv(1, socket.MSG_PEEK) == b""  # the server has hung up
    assert client.exchange(HEAD).body == b"1"
    assert server.connections == 2
    client.close()


@pytest.mark.parametrize("together", [False, True])
def test_a_request_that_met_a_closed_connection_is_sent_anew(serving: Callable[..., Server], together: bool) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
    server = serving(answering(whole), answering(whole), answering(b""))
    client = server.client()
    assert client.exchange(HEAD).body == b"1"
    # The server hangs up after one answer, and nobody has looked.
    if together:
        assert [getattr(one, "body", None) for one in client.exchange_all([HEAD])] == [b"1"]
    else:
        assert client.exchange(HEAD).body == b"1"
    assert server.connections == 2
    with pytest.raises(ConnectionClosedError):
        client.exchange(HEAD)  # the second one is closed as well, and the third doesn't answer
    assert server.connections == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
    ],
)
def test_an_answer_that_is_cut_short_or_malformed_is_no_answer(serving: Callable[..., Server], answer: bytes) -> None:
    client = serving(answering(answer)).client()
    with pytest.raises(ConnectionClosedError):
        client.exchange(HEAD)
    assert not client._idle


def test_several_requests_are_under_way_together_and_fail_one_by_one(serving: Callable[..., Server]) -> None:
    met = threading.Barrier(module._NEW, timeout=10)

    def numbered(connection: socket.socket) -> None:
        for number in range(9):
            if not asked(connection):
                return
            if number == 0:
                met.wait()  # nobody answers before everybody was asked
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)

    def refusing(connection: socket.socket) -> None:
        asked(connection)
        met.wait()

    server = serving(*[numbered] * (module._NEW - 1), refusing, at_once=True)
    client = server.client()
    found = client.exchange_all([HEAD] * module._NEW)
    assert [type(one) for one in found].count(ConnectionClosedError) == 1
    assert [one.body for one in found if not isinstance(one, Exception)] == [b"0"] * (module._NEW - 1)
    assert len(client._idle) == module._NEW - 1
    client.close()


def test_who_doesnt_answer_in_time_is_given_up(serving: Callable[..., Server]) -> None:
    client = serving(lambda connection: connection.recv(65536) and connection.recv(1)).client(read_timeout=0.05)
    with pytest.raises(ReadTimeoutError):
        client.exchange(HEAD)
    assert not client._idle


def test_nobody_there_and_no_tls_there_are_told_apart(serving: Callable[..., Server]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    options = {"verify": None, "connect_timeout": 5.0, "read_timeout": 5.0}
    with pytest.raises(EndpointConnectionError):
        Sockets(f"http://127.0.0.1:{free}", "127.0.0.1", free, **options).exchange(HEAD)  # type: ignore[arg-type]
    plain = serving(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")).client(verify=True)
    with pytest.raises(SSLError):
        plain.exchange(HEAD)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for ``name`` that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    alternative = x509.DNSName(name) if name == "localhost" else x509.IPAddress(ip_address(name))
    builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
    made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
        key, hashes.SHA256()
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return public, private


def test_tls_is_verified_by_the_given_certificates_and_the_name(
    serving: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_IDLE_UNSEEN", 0.0)
    for folder in ("right", "other"):
        (tmp_path / folder).mkdir()
    public, private = certificate(tmp_path / "right", "127.0.0.1")
    other, other_private = certificate(tmp_path / "other", "localhost")

    def over_tls(public: Path, private: Path, script: Script) -> Script:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(public, private)

        def wrapped(connection: socket.socket) -> None:
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                script(secure)

        return wrapped

    body = b"x" * 100_000
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + body
    answer = answering(whole, whole)
    server = serving(
        over_tls(public, private, answer), over_tls(public, private, answer), over_tls(other, other_private, answer)
    )
    client = server.client(verify=str(public))
    assert client.exchange(HEAD).body == body
    client.close()
    for trusted in (True, str(other)):  # nobody vouches for it; its name is another one
        with pytest.raises(SSLError):
            server.client(verify=trusted).exchange(HEAD)
