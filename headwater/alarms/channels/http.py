"""One POST to an address that a project named: bounded in time, never redirected, never into a private network."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headwater.alarms.errors import InvalidWebhook, NotificationFailed
from headwater.storage import outside

TIMEOUT = 5.0
"""Seconds for each step of a request."""
MOST_BYTES = 65_536
_AGAIN = {408, 425, 429}


@dataclass(frozen=True)
class Address(outside.Address):
    """Where to POST; raises `InvalidWebhook` for an address that no webhook may have."""

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
        except outside.AddressRefused as error:
            raise InvalidWebhook(f"the webhook's {error}") from None


def post(address: Address, body: Any, headers: Mapping[str, str] | None = None, *, timeout: float = TIMEOUT) -> Any:
    """POST a JSON document, once; the answer's JSON, None if it is none.

    Raises
    ------
    NotificationFailed
        No answer within the time, or another one than 2xx. An answer of 3xx, or of 4xx other than 408, 425 and 429,
        is final.
    """
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {
        "Content-Type": "application/json",
        "User-Agent": "headwater-alarms",
        "Connection": "close",
        **(headers or {}),
    }
    connection = _connect(address, timeout)
    try:
        connection.request("POST", address.target, content, sent)
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
        retry_after=outside.retry_after(answer.headers.get("Retry-After")),
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


def _connect(address: Address, timeout: float) -> http.client.HTTPConnection:
    try:
        return outside.connect(address, timeout)
    except (outside.AddressRefused, outside.NoConnection) as error:
        raise NotificationFailed(str(error), final=isinstance(error, outside.AddressRefused)) from error
