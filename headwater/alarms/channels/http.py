"""One POST to an address that a project named: bounded in time, never redirected, never into a private network."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from headwater.alarms.errors import InvalidWebhook, NotificationFailed

TIMEOUT = 5.0
"""Seconds for each step of a request."""
MOST_BYTES = 65_536
_AGAIN = {408, 425, 429}


@dataclass(frozen=True)
class Address:
    """Where to POST. Its path may hold a secret (chat programs do that), so only the host is ever named.

    Parameters
    ----------
    url : str
        The address.
    allow_private : bool
        Whether it may be without TLS, and in a private network.
    """

    url: str
    allow_private: bool = False

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError:
            raise InvalidWebhook("the webhook's address can't be read") from None
        schemes = {"https", "http"} if self.allow_private else {"https"}
        if not parts.hostname or parts.scheme not in schemes or parts.username is not None or port == 0:
            host = parts.hostname or "?"
            raise InvalidWebhook(
                f"the webhook on host {host!r} has scheme {parts.scheme!r}, expected an https:// address"
            )

    @property
    def host(self) -> str:
        """The host, which may be named."""
        return urlsplit(self.url).hostname or "?"


def post(address: Address, body: Any, headers: Mapping[str, str] | None = None, *, timeout: float = TIMEOUT) -> Any:
    """POST a JSON document, once; the answer's JSON, None if it is none.

    Raises
    ------
    NotificationFailed
        No answer within the time, or another one than 2xx. An answer of 3xx, or of 4xx other than 408, 425 and 429,
        is final.
    """
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    parts = urlsplit(address.url)
    sent = {
        "Content-Type": "application/json",
        "User-Agent": "headwater-alarms",
        "Connection": "close",
        **(headers or {}),
    }
    connection = _connect(address, timeout)
    try:
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), content, sent)
        with connection.getresponse() as answer:
            said = _read(answer, time.monotonic() + timeout)
    except (OSError, http.client.HTTPException) as error:
        words = str(error) or type(error).__name__
        raise NotificationFailed(f"{address.host}: {words}") from error
    finally:
        connection.close()
    if 200 <= answer.status < 300:
        return _json(said)
    raise NotificationFailed(
        f"{address.host}: HTTP {answer.status}"
        + (" (redirects aren't followed)" if 300 <= answer.status < 400 else ""),
        final=answer.status < 500 and answer.status not in _AGAIN,
        retry_after=_seconds(answer.headers.get("Retry-After")),
    )


def _read(answer: http.client.HTTPResponse, until: float) -> bytes:
    said = b""
    while len(said) < MOST_BYTES and time.monotonic() < until and (more := answer.read1(MOST_BYTES - len(said))):
        said += more
    return said


def _json(said: bytes) -> Any:
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return None


def _seconds(given: str | None) -> float:
    """Seconds of a ``Retry-After``: a number of them, or a date."""
    if not given:
        return 0.0
    try:
        return (
            max(0.0, float(given))
            if given.strip().isdigit()
            else parsedate_to_datetime(given).timestamp() - time.time()
        )
    except (ValueError, OverflowError):
        return 0.0


def _connect(address: Address, timeout: float) -> http.client.HTTPConnection:
    """A connection to an address that was looked at: what its name means a moment later counts no more."""
    parts = urlsplit(address.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(address.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotificationFailed(f"{address.host}: {error}") from error
    ip = str(found[0][4][0])
    for entry in found:
        if not address.allow_private and not _is_public(str(entry[4][0])):
            raise NotificationFailed(
                f"{address.host}: {entry[4][0]} is an address of a private network; allow_private allows it", final=True
            )
    if parts.scheme == "http":
        return _pinned(http.client.HTTPConnection(address.host, port, timeout=timeout), ip)
    return _pinned(http.client.HTTPSConnection(address.host, port, timeout=timeout, context=_tls()), ip)


def _pinned(connection: http.client.HTTPConnection, ip: str) -> http.client.HTTPConnection:
    def create(address: tuple[str, int], *args: Any) -> socket.socket:
        return socket.create_connection((ip, address[1]), *args)

    connection._create_connection = create  # type: ignore[attr-defined]
    return connection


def _is_public(ip: str) -> bool:
    address = ipaddress.ip_address(ip.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return (mapped or address).is_global and not address.is_multicast


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
