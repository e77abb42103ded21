"""Signatures: AWS's own test suite must be accepted, and refused as soon as anything is changed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from localcloud.http_api.sigv4 import SignatureRefusedError, SignedRequest, verify

SUITE = Path(__file__).parents[4] / "shared" / "oracles" / "sigv4" / "cases.jsonl"
CASES = [json.loads(line) for line in SUITE.read_text().splitlines()] if SUITE.exists() else []


def parse(raw: str) -> SignedRequest:
    head, _, body = raw.partition("\n\n")
    first, *lines = head.split("\n")
    method, rest = first.split(" ", 1)
    target = rest.rpartition(" ")[0]
    path, _, query = target.partition("?")
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith((" ", "\t")):
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}")
        else:
            name, _, value = line.partition(":")
            headers.append((name, value))
    return SignedRequest(method, path, query, headers, body.encode())


def check(case: dict[str, Any], request: SignedRequest) -> str:
    context = case["context"]
    key, secret = context["credentials"]["access_key_id"], context["credentials"]["secret_access_key"]
    moment = datetime.fromisoformat(context["timestamp"].replace("Z", "+00:00"))
    return verify(request, {key: secret}.get, now=moment, normalise=context["normalize"])


@pytest.mark.skipif(not CASES, reason="the oracle isn't on this machine")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_signature_of_awss_suite_is_accepted_and_every_forgery_refused(case: dict[str, Any]) -> None:
    request = parse(case["signed_request"])
    assert check(case, request) == "AKIDEXAMPLE"
    signature = case["signature"]
    forged = signature[:-1] + ("0" if signature[-1] != "0" else "1")
    headers = [(name, value.replace(signature, forged)) for name, value in request.headers]
    forgeries = [
        replace(request, headers=headers, query=request.query.replace(signature, forged)),
        replace(request, path=request.path.rstrip("/") + "/x"),
        replace(request, method="PATCH"),
        replace(request, query=request.query + "&more=1"),
        replace(request, headers=[(n, v + "x") if n.lower() == "host" else (n, v) for n, v in request.headers]),
        replace(request, body=request.body + b"x"),
    ]
    for forgery in forgeries:
        with pytest.raises(SignatureRefusedError):
            check(case, forgery)


CREDENTIALS = Credentials("AKIATEST", "secret")
SECRETS = {"AKIATEST": "secret"}.get


def signed(*, query: bool = False, **options: Any) -> SignedRequest:
    url = "http://127.0.0.1:8080/models/a%20b/predictions?alias=staging&x=%2F"
    request = AWSRequest("POST", url, data=b'{"a": 1}', headers={"Host": "127.0.0.1:8080"} | options)
    signer = SigV4QueryAuth if query else SigV4Auth
    signer(CREDENTIALS, "execute-api", "us-east-1").add_auth(request)
    path, _, parameters = request.url.removeprefix("http://127.0.0.1:8080").partition("?")
    return SignedRequest("POST", path, parameters, list(request.headers.items()), b'{"a": 1}')


def test_what_botocore_signs_in_the_header_is_accepted() -> None:
    assert verify(signed(), SECRETS, service="execute-api") == "AKIATEST"


def test_what_botocore_signs_in_the_address_is_accepted_until_it_expires() -> None:
    # SigV4QueryAuth signs without the body, as for a download.
    request = replace(signed(query=True), body=b"")
    empty = replace(request, body=b"")
    try:
        assert verify(empty, SECRETS) == "AKIATEST"
    except SignatureRefusedError:
        assert verify(replace(request, body=b'{"a": 1}'), SECRETS) == "AKIATEST"
    with pytest.raises(SignatureRefusedError, match="expired"):
        verify(request, SECRETS, now=datetime.now(UTC) + timedelta(days=1))


def test_a_signature_older_than_fifteen_minutes_is_refused() -> None:
    with pytest.raises(SignatureRefusedError, match="15 minutes"):
        verify(signed(), SECRETS, now=datetime.now(UTC) + timedelta(minutes=16))


def test_a_signature_for_another_service_is_refused() -> None:
    with pytest.raises(SignatureRefusedError, match="execute-api"):
        verify(signed(), SECRETS, service="s3")


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(SignatureRefusedError, match="AKIATEST"):
        verify(signed(), lambda _: None)


def test_a_request_without_a_signature_is_refused() -> None:
    with pytest.raises(SignatureRefusedError, match="isn't signed"):
        verify(SignedRequest("GET", "/", "", [("Host", "x")], b""), SECRETS)


def test_an_unsigned_payload_is_accepted_when_the_client_says_so() -> None:
    request = AWSRequest(
        "POST", "http://h/", data=b"one", headers={"Host": "h", "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    )
    SigV4Auth(CREDENTIALS, "execute-api", "us-east-1").add_auth(request)
    assert verify(SignedRequest("POST", "/", "", list(request.headers.items()), b"another"), SECRETS) == "AKIATEST"
