"""Connections to addresses that a project named: bounded in time, never into a private network unless that is allowed.

A name is resolved once, looked at, and connected to as resolved: what it means a moment later counts no more. Nobody
here follows a redirect.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit


class AddressRefused(Exception):
    """The address can't be read, has the wrong scheme or leads into a private network; asking again can't help."""


class NoConnection(Exception):
    """The host has no address right now."""


@dataclass(frozen=True)
class Address:
    """An address. Its path may hold a secret (chat programs do that), so only the host is ever named.

    Parameters
    ----------
    url : str
        The address.
    allow_private : bool
        Whether it may be without TLS, and in a private network.

    Raises
    ------
    AddressRefused
        It can't be read, names a user or a password, or has another scheme.
    """

    url: str
    allow_private: bool = False

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError:
            raise AddressRefused("address can't be read") from None
        schemes = {"https", "http"} if self.allow_private else {"https"}
        if not parts.hostname or parts.scheme not in schemes or parts.username is not None or port == 0:
            host = parts.hostname or "?"
            raise AddressRefused(f"address on host {host!r} has scheme {parts.scheme!r}, expected an https:// address")

    @property
    def host(self) -> str:
        """The host, which may be named."""
        return urlsplit(self.url).hostname or "?"

    @property
    def target(self) -> str:
        """Path and query, as a request names them."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        return parts.scheme, self.host, parts.port or (443 if parts.scheme == "https" else 80)


def connect(address: Address, timeout: float) -> http.client.HTTPConnection:
    """A connection to an address that was looked at, with ``timeout`` seconds for each step.

    Raises
    ------
    AddressRefused
        The address is one of a private network.
    NoConnection
        The host's name can't be resolved.
    """
    scheme, host, port = address.origin
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NoConnection(f"{host}: {error}") from error
    for entry in found:
        if not address.allow_private and not _is_public(str(entry[4][0])):
            raise AddressRefused(f"{host}: {entry[4][0]} is an address of a private network; allow_private allows it")
    ip = str(found[0][4][0])
    if scheme == "http":
        return _pinned(http.client.HTTPConnection(host, port, timeout=timeout), ip)
    return _pinned(http.client.HTTPSConnection(host, port, timeout=timeout, context=_tls()), ip)


def retry_after(given: str | None, now: Callable[[], float] = time.time) -> float:
    """Seconds of a ``Retry-After``: a number of them, or a date; 0 without one."""
    if not given:
        return 0.0
    try:
        seconds = float(given) if given.strip().isdigit() else parsedate_to_datetime(given).timestamp() - now()
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, seconds)


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
