"""AWS Signature Version 4, the verifying side.

Specification: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

_ALGORITHM = "AWS4-HMAC-SHA256"
_SKEW = timedelta(minutes=15)
_LONGEST_EXPIRY = 604_800
_UNSIGNED = "UNSIGNED-PAYLOAD"


class SignatureRefusedError(Exception):
    """The request isn't signed, or not by whom it says."""


@dataclass(frozen=True)
class SignedRequest:
    """What the signature covers, as it came over the wire."""

    method: str
    path: str
    """Still percent-encoded."""
    query: str
    """Still percent-encoded, without the question mark."""
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class _Claim:
    access_key: str
    date: str
    scope: tuple[str, ...]
    signed_headers: tuple[str, ...]
    signature: str
    in_query: bool


def verify(
    request: SignedRequest,
    secret_of: Callable[[str], str | None],
    *,
    now: datetime | None = None,
    service: str | None = None,
    normalise: bool = True,
) -> str:
    """Who signed ``request``.

    Parameters
    ----------
    request : SignedRequest
        The request.
    secret_of : callable
        The secret of an access key id, or None if there is no such key.
    now : datetime or None
        The time (UTC) to judge expiry by; real time by default, since that is what clients sign with.
    service : str or None
        The service that the signature must be for; any by default.
    normalise : bool
        Whether ``.`` and ``..`` in the path are resolved; every service but S3 does.

    Returns
    -------
    str
        The access key id.

    Raises
    ------
    SignatureRefusedError
        There is no signature, it is malformed, too old, by an unknown key, or doesn't match.
    """
    claim = _claim_of(request)
    _check_time(request, claim, now or datetime.now(UTC))
    if len(claim.scope) != 4 or claim.scope[0] != claim.date[:8] or claim.scope[3] != "aws4_request":
        raise SignatureRefusedError(f"credential scope {'/'.join(claim.scope)} is malformed")
    if service is not None and claim.scope[2] != service:
        raise SignatureRefusedError(f"signed for {claim.scope[2]!r}, not for {service!r}")
    if "host" not in claim.signed_headers:
        raise SignatureRefusedError("the host header must be signed")
    secret = secret_of(claim.access_key)
    if secret is None:
        raise SignatureRefusedError(f"unknown access key {claim.access_key}")
    payload_hash = _payload_hash(request, claim)
    # Some clients add the token after they signed (documented for a few services).
    for token_signed in (True, False) if claim.in_query else (True,):
        canonical = _canonical(request, claim, payload_hash, normalise=normalise, token_signed=token_signed)
        if hmac.compare_digest(_signature(canonical, claim, secret), claim.signature):
            return claim.access_key
    raise SignatureRefusedError("the signature doesn't match")


def _claim_of(request: SignedRequest) -> _Claim:
    headers = {name.lower(): value for name, value in request.headers}
    authorization = headers.get("authorization", "")
    if authorization.startswith(_ALGORITHM):
        fields = dict(re.findall(r"(Credential|SignedHeaders|Signature)=([^,\s]+)", authorization))
        date = headers.get("x-amz-date", "")
        in_query = False
    else:
        parameters = dict(_parameters(request.query))
        if parameters.get("X-Amz-Algorithm") != _ALGORITHM:
            raise SignatureRefusedError("the request isn't signed")
        fields = {name: parameters.get(f"X-Amz-{name}", "") for name in ("Credential", "SignedHeaders", "Signature")}
        date = parameters.get("X-Amz-Date", "")
        in_query = True
    access_key, *scope = fields.get("Credential", "").split("/")
    if not access_key or not fields.get("SignedHeaders") or not fields.get("Signature"):
        raise SignatureRefusedError("the signature is incomplete")
    signed = tuple(fields["SignedHeaders"].lower().split(";"))
    return _Claim(access_key, date, tuple(scope), signed, fields["Signature"], in_query)


def _check_time(request: SignedRequest, claim: _Claim, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(claim.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise SignatureRefusedError("the date of the signature is malformed") from None
    if not claim.in_query:
        if abs(now - signed_at) > _SKEW:
            raise SignatureRefusedError(f"signed at {claim.date}, more than 15 minutes from now")
        return
    expires = dict(_parameters(request.query)).get("X-Amz-Expires", "")
    if not expires.isdigit() or int(expires) > _LONGEST_EXPIRY:
        raise SignatureRefusedError("X-Amz-Expires must be 0 to 604800 seconds")
    if not signed_at - _SKEW <= now <= signed_at + timedelta(seconds=int(expires)):
        raise SignatureRefusedError("the signed address has expired")


def _payload_hash(request: SignedRequest, claim: _Claim) -> str:
    digest = hashlib.sha256(request.body).hexdigest()
    declared = next((value for name, value in request.headers if name.lower() == "x-amz-content-sha256"), "")
    if not declared or (claim.in_query and "x-amz-content-sha256" not in claim.signed_headers):
        return digest
    if declared not in (digest, _UNSIGNED):
        raise SignatureRefusedError("x-amz-content-sha256 isn't the hash of the body")
    return declared


def _canonical(request: SignedRequest, claim: _Claim, payload_hash: str, *, normalise: bool, token_signed: bool) -> str:
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(name.lower(), []).append(re.sub(r"\s+", " ", value.strip()))
    if missing := [name for name in claim.signed_headers if name not in values]:
        raise SignatureRefusedError(f"signed headers are missing: {', '.join(missing)}")
    left_out = {"X-Amz-Signature"} if token_signed else {"X-Amz-Signature", "X-Amz-Security-Token"}
    encoded = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in _parameters(request.query)
        if not (claim.in_query and name in left_out)
    )
    path = _without_dots(request.path) if normalise else request.path
    return "\n".join(
        (
            request.method,
            # Encoded once more than it was sent, as every service but S3 has it.
            quote(path or "/", safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in encoded),
            *(f"{name}:{','.join(values[name])}" for name in claim.signed_headers),
            "",
            ";".join(claim.signed_headers),
            payload_hash,
        )
    )


def _signature(canonical: str, claim: _Claim, secret: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in claim.scope:
        key = hmac.digest(key, part.encode(), "sha256")
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((_ALGORITHM, claim.date, "/".join(claim.scope), hashed))
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _parameters(query: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name.replace("+", " ")), unquote(value.replace("+", " "))) for name, _, value in pairs]


def _without_dots(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts) + ("/" if parts and path.endswith("/") else "")
