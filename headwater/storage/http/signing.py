"""AWS Signature Version 4, the signing side: what goes into the Authorization header.

Specification: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
_RESERVED = re.compile(r"[^A-Za-z0-9_.~-]")
_RESERVED_OR_SLASH = re.compile(r"[^A-Za-z0-9_.~/-]")


class _Escapes(dict[str, str]):
    def __missing__(self, character: str) -> str:
        return self.setdefault(character, quote(character, safe=""))


_escapes = _Escapes()


class Credentials(Protocol):
    """Credentials at one moment, botocore's frozen credentials."""

    @property
    def access_key(self) -> str: ...

    @property
    def secret_key(self) -> str: ...

    @property
    def token(self) -> str | None: ...


class Signer:
    """Signs requests to one service in one region.

    Parameters
    ----------
    service : str
        As the signature names it, such as ``"s3"``.
    region : str
    """

    def __init__(self, service: str, region: str) -> None:
        self._service, self._region = service, region
        self._is_s3 = service == "s3"

    def sign(
        self,
        credentials: Credentials,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        body: bytes,
        at: float | None = None,
    ) -> None:
        """Add to ``headers`` what makes the request one of the credentials' owner's.

        Parameters
        ----------
        credentials : Credentials
        method : str
        path : str
            As it goes over the wire: percent-encoded.
        query : str
            As `canonical_query` writes it.
        headers : dict of str to str
            All that are to be signed, ``host`` among them; lower-case names. If the body's hash is there, it is taken.
        body : bytes
        at : float, optional
            Seconds since 1970; now by default.
        """
        date = _date(int(time.time() if at is None else at))
        payload_hash = headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
        headers["x-amz-date"] = date
        if self._is_s3:
            headers["x-amz-content-sha256"] = payload_hash
        else:
            path = canonical_path(path)
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        canonical, signed = canonical_request(method, path, query, headers.items(), payload_hash)
        scope = f"{date[:8]}/{self._region}/{self._service}/aws4_request"
        headers["authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={signed}, "
            f"Signature={signature(credentials.secret_key, date, scope, canonical)}"
        )


def canonical_request(
    method: str, path: str, query: str, headers: Iterable[tuple[str, str]], payload_hash: str
) -> tuple[str, str]:
    """The text that is signed, and the names of the headers in it. Headers of one name are joined in their order."""
    values: dict[str, str] = {}
    for name, value in headers:
        name, value = name.lower(), " ".join(value.split())
        values[name] = f"{values[name]},{value}" if name in values else value
    names = sorted(values)
    signed = ";".join(names)
    lines = "\n".join([f"{name}:{values[name]}" for name in names])
    return f"{method}\n{path}\n{query}\n{lines}\n\n{signed}\n{payload_hash}", signed


def canonical_path(path: str, *, normalise: bool = True) -> str:
    """A path as every service but S3 signs it: without ``.``, ``..`` and ``//``, and encoded once more."""
    if normalise:
        parts: list[str] = []
        for part in path.split("/"):
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        path = "/" + "/".join(parts) + ("/" if parts and path.endswith("/") else "")
    return escaped_path(path)


def escaped_path(path: str) -> str:
    """A path percent-encoded but for its slashes; three times as fast as the standard library's `quote`."""
    return _RESERVED_OR_SLASH.sub(_escape, path)


def _escape(found: re.Match[str]) -> str:
    return _escapes[found[0]]


def canonical_query(parameters: Iterable[tuple[str, str]]) -> str:
    """Parameters in the order and encoding in which they are signed; may be sent like that."""
    encoded = [(_RESERVED.sub(_escape, name), _RESERVED.sub(_escape, value)) for name, value in parameters]
    return "&".join([f"{name}={value}" for name, value in sorted(encoded)])


def signature(secret: str, date: str, scope: str, canonical: str) -> str:
    """The signature of a canonical request.

    Parameters
    ----------
    secret : str
    date : str
        Such as ``20260101T120000Z``.
    scope : str
        ``<day>/<region>/<service>/aws4_request``.
    canonical : str
    """
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    begun, ended = (state.copy() for state in _key(secret, scope))
    begun.update(f"{ALGORITHM}\n{date}\n{scope}\n{hashed}".encode())
    ended.update(begun.digest())
    return ended.hexdigest()


@lru_cache(maxsize=16)
def _key(secret: str, scope: str) -> tuple[hashlib._Hash, hashlib._Hash]:
    """The two states that HMAC (RFC 2104) begins with for one key; `hmac` makes them anew for each text."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    block = key.ljust(64, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in block)), hashlib.sha256(bytes(byte ^ 0x5C for byte in block))


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
