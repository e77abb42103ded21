"""HTTP/1.1 over connections that are kept: a tenth of the work that urllib3 and http.client make of a small answer.

Bulk commits and the predict path's look-ups need that (see `headwater.storage.http`); every other call is botocore's.
Specification: RFC 9112. It speaks to AWS and to what stands for AWS, so it sends no chunks, follows no redirect and
asks for no compression. Errors are botocore's, so that callers needn't know who carried a request.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import time
import weakref
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)
from botocore.exceptions import ConnectionError as UnconnectedError
from botocore.httpsession import get_cert_path
from urllib3.util.wait import wait_for_read

_IDLE_UNSEEN = 1.0
"""Seconds that a connection may be idle without a look whether the other side has closed it."""
_KEPT = 128
_NEW = 4
_BLOCK = 65_536
_LONGEST_HEAD = 262_144


UNANSWERED = (HTTPClientError, UnconnectedError)
"""Botocore's errors if nobody answers; ``Unanswered`` as a type."""
Unanswered = HTTPClientError | UnconnectedError


class Received(NamedTuple):
    """One answer."""

    status: int
    headers: dict[str, str]
    """Lower-case names; values of one name joined by commas."""
    body: bytes


class Malformed(Exception):
    """An answer that isn't HTTP/1.1, or was cut short."""


class Unbegun(Malformed):
    """The connection was lost before the first byte of an answer."""


class _Begun(NamedTuple):
    """A request that was sent."""

    connection: socket.socket
    request: bytes
    is_fresh: bool
    """Whether the connection was made for it."""


class Sockets:
    """Connections to one host, as many as there are exchanges at a time; safe to share among threads.

    Parameters
    ----------
    url : str
        ``http(s)://host:port``; names the host in errors.
    host, port : str, int
    verify : bool, str or None
        For TLS: the file of trusted certificates, True for botocore's; None for no TLS, False for TLS unverified.
    connect_timeout, read_timeout : float
        Seconds.
    """

    def __init__(
        self, url: str, host: str, port: int, *, verify: bool | str | None, connect_timeout: float, read_timeout: float
    ) -> None:
        self._url, self._host, self._port = url, host, port
        self._connect_timeout, self._read_timeout = connect_timeout, read_timeout
        self._tls = None if verify is None else _tls(verify)
        self._idle: deque[tuple[socket.socket, float]] = deque()
        weakref.finalize(self, _close, self._idle)

    def exchange(self, request: bytes, *, bodiless: bool = False) -> Received:
        """Send a request and read its answer.

        Parameters
        ----------
        request : bytes
            Request line, headers, the empty line and the body.
        bodiless : bool
            Whether the answer has no body whatever its headers say: to HEAD.

        Raises
        ------
        EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError, ConnectionClosedError, SSLError
        """
        return self._end(self._begin(request), bodiless)

    def exchange_all(self, requests: Sequence[bytes], *, bodiless: bool = False) -> list[Received | Unanswered]:
        """The answers to several requests, each on a connection of its own; what `exchange` raises stands for one.

        A few new connections are made at a time, for each takes a round trip or three, and those that are free are used
        again: soon there are as many as requests.
        """
        outcomes: list[Received | Unanswered] = []
        while len(outcomes) < len(requests):
            wave = requests[len(outcomes) :][: len(self._idle) + _NEW]
            begun: deque[_Begun | Unanswered] = deque()
            try:
                for request in wave:
                    try:
                        begun.append(self._begin(request))
                    except UNANSWERED as error:
                        begun.append(error)
                while begun:
                    one = begun.popleft()
                    if not isinstance(one, _Begun):
                        outcomes.append(one)
                        continue
                    try:
                        outcomes.append(self._end(one, bodiless))
                    except UNANSWERED as error:
                        outcomes.append(error)
            finally:
                for one in begun:  # what was cut short
                    if isinstance(one, _Begun):
                        one.connection.close()
        return outcomes

    def _begin(self, request: bytes) -> _Begun:
        """Send a request, on a connection that is kept if there is one."""
        while True:
            kept = self._take()
            connection = kept or self._connect()
            try:
                connection.sendall(request)
            except OSError as error:
                connection.close()
                if kept is None or isinstance(error, TimeoutError):
                    raise self._named(error) from error
            except BaseException:
                connection.close()
                raise
            else:
                return _Begun(connection, request, kept is None)

    def _end(self, begun: _Begun, bodiless: bool) -> Received:
        """The answer. If a connection that was kept is lost before it, the server had closed it: it is asked anew."""
        connection = begun.connection
        try:
            answer, reusable = _receive(connection, bodiless)
        except Unbegun as error:
            connection.close()
            if begun.is_fresh:
                raise self._named(error) from error
            return self._end(self._begin(begun.request), bodiless)
        except (OSError, Malformed) as error:
            connection.close()
            raise self._named(error) from error
        except BaseException:
            connection.close()
            raise
        if reusable:
            self._keep(connection)
        else:
            connection.close()
        return answer

    def _named(self, error: Exception) -> HTTPClientError:
        """Botocore's error for an error of a connection."""
        kind = ReadTimeoutError if isinstance(error, TimeoutError) else ConnectionClosedError
        return kind(endpoint_url=self._url, error=error)

    def close(self) -> None:
        """Close what is idle."""
        _close(self._idle)

    def _take(self) -> socket.socket | None:
        """The connection that was used last, if the other side hasn't closed it."""
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - since < _IDLE_UNSEEN or not wait_for_read(connection, timeout=0.0):
                return connection
            connection.close()

    def _keep(self, connection: socket.socket) -> None:
        if len(self._idle) >= _KEPT:
            connection.close()
        else:
            self._idle.append((connection, time.monotonic()))

    def _connect(self) -> socket.socket:
        try:
            connection = socket.create_connection((self._host, self._port), timeout=self._connect_timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._url, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self._url, error=error) from error
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_hostname=self._host)
            connection.settimeout(self._read_timeout)
        except ssl.SSLError as error:
            connection.close()
            raise SSLError(endpoint_url=self._url, error=error) from error
        except TimeoutError as error:
            connection.close()
            raise ConnectTimeoutError(endpoint_url=self._url, error=error) from error
        except OSError as error:
            connection.close()
            raise EndpointConnectionError(endpoint_url=self._url, error=error) from error
        return connection


def _close(idle: deque[tuple[socket.socket, float]]) -> None:
    while idle:
        with contextlib.suppress(IndexError):  # another thread took the last one
            idle.pop()[0].close()


@functools.cache  # to read the authorities takes 15 ms of CPU
def _tls(verify: bool | str) -> ssl.SSLContext:
    trusted = verify if isinstance(verify, str) else get_cert_path(verify)
    context = ssl.create_default_context(cafile=trusted)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _receive(connection: socket.socket, bodiless: bool) -> tuple[Received, bool]:
    """An answer, and whether the connection can carry another."""
    try:
        data = connection.recv(_BLOCK)
    except TimeoutError:
        raise
    except OSError as error:
        raise Unbegun(str(error)) from error
    if not data:
        raise Unbegun("the connection was closed before the answer began")
    while True:
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > _LONGEST_HEAD:
                raise Malformed(f"no end of the headers within {_LONGEST_HEAD:,} bytes")
            data += _some(connection)
        version, status, headers = _parse(data[:end])
        data = data[end + 4 :]
        if status >= 200:
            break  # before it there may be "100 Continue"
    reusable = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    if bodiless or status in (204, 304):
        return Received(status, headers, b""), reusable and not data
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body, data = _chunks(connection, data)
    elif (length := headers.get("content-length")) is not None:
        if not length.isdigit():
            raise Malformed(f"content-length is {length!r}")
        body, data = _exactly(connection, data, int(length))
    else:
        body, data, reusable = _rest(connection, data), b"", False
    return Received(status, headers, body), reusable and not data


def _parse(head: bytes) -> tuple[str, int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise Malformed(f"the answer begins with {first[:40]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return version, int(rest[:3]), headers


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(_BLOCK)
    if not data:
        raise Malformed("the connection was closed before the answer ended")
    return data


def _exactly(connection: socket.socket, data: bytes, length: int) -> tuple[bytes, bytes]:
    """``length`` bytes, and what came after them."""
    if len(data) >= length:
        return data[:length], data[length:]
    body = bytearray(length)
    body[: len(data)] = data
    got, view = len(data), memoryview(body)
    while got < length:
        count = connection.recv_into(view[got:])
        if not count:
            raise Malformed(f"the connection was closed after {got:,} of {length:,} bytes")
        got += count
    return bytes(body), b""


def _chunks(connection: socket.socket, data: bytes) -> tuple[bytes, bytes]:
    """The body that chunks make up, and what came after them."""
    found: list[bytes] = []
    while True:
        line, data = _line(connection, data)
        try:
            length = int(line.partition(b";")[0], 16)
        except ValueError:
            raise Malformed(f"a chunk's length is {line[:40]!r}") from None
        if length == 0:
            break
        chunk, data = _exactly(connection, data, length + 2)
        found.append(chunk[:-2])
    while line:  # trailers, up to an empty line
        line, data = _line(connection, data)
    return b"".join(found), data


def _line(connection: socket.socket, data: bytes) -> tuple[bytes, bytes]:
    while (end := data.find(b"\r\n")) < 0:
        if len(data) > _LONGEST_HEAD:
            raise Malformed(f"no end of the line within {_LONGEST_HEAD:,} bytes")
        data += _some(connection)
    return data[:end], data[end + 2 :]


def _rest(connection: socket.socket, data: bytes) -> bytes:
    found = [data]
    while block := connection.recv(_BLOCK):
        found.append(block)
    return b"".join(found)
