"""Signatures: AWS's own test suite gives ours, and for S3's rules, which it leaves out, botocore does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from headwater.storage.http.signing import Signer, canonical_path, canonical_query, canonical_request, signature

ORACLES = Path(os.environ.get("HEADWATER_ORACLES", Path(__file__).parents[5] / "shared" / "oracles"))
SUITE = ORACLES / "sigv4" / "cases.jsonl"
CASES = [json.loads(line) for line in SUITE.read_text().splitlines()] if SUITE.exists() else []


def parse(raw: str) -> tuple[str, str, list[tuple[str, str]], list[tuple[str, str]], str]:
    """Method, path, parameters, headers and body of a request as text."""
    head, _, body = raw.partition("\n\n")
    first, *lines = head.split("\n")
    method, _, rest = first.partition(" ")
    path, _, query = rest.rpartition(" ")[0].partition("?")
    parameters = [
        (unquote(name), unquote(value)) for name, _, value in (p.partition("=") for p in query.split("&") if p)
    ]
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith((" ", "\t")):
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line}")
        elif line:
            name, _, value = line.partition(":")
            headers.append((name, value))
    return method, path, parameters, headers, body


@pytest.mark.skipif(not CASES, reason="the oracle isn't on this machine")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_awss_suite_has_our_canonical_request_and_signature(case: dict[str, Any]) -> None:
    method, path, parameters, headers, _ = parse(case["signed_request"])
    left_out = {"X-Amz-Signature"} | ({"X-Amz-Security-Token"} if case["context"].get("omit_session_token") else set())
    signed = set(case["canonical_request"].split("\n")[-2].split(";"))
    canonical, names = canonical_request(
        method,
        canonical_path(path, normalise=case["context"]["normalize"]),
        canonical_query([one for one in parameters if one[0] not in left_out]),
        [one for one in headers if one[0].lower() in signed],
        case["canonical_request"].split("\n")[-1],
    )
    assert canonical == case["canonical_request"]
    assert set(names.split(";")) == signed
    _, date, scope, _ = case["string_to_sign"].split("\n")
    assert signature(case["context"]["credentials"]["secret_access_key"], date, scope, canonical) == case["signature"]


@pytest.mark.skipif(not CASES, reason="the oracle isn't on this machine")
@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        # A signer that hashes every body and signs every token, and takes headers of distinct names.
        if case["kind"] == "header"
        and case["context"]["normalize"]
        and not case["context"].get("omit_session_token")
        and "duplicate" not in case["name"]
        and "value-order" not in case["name"]
        and not case["context"]["sign_body"]
    ],
    ids=lambda case: case["name"],
)
def test_the_signer_writes_the_header_of_awss_suite(case: dict[str, Any]) -> None:
    method, path, parameters, given_headers, body = parse(case["request"] + "\n\n")
    if not parameters:
        _, _, parameters, _, _ = parse(case["signed_request"])
    credentials = case["context"]["credentials"]
    headers = {name.lower(): value for name, value in given_headers}
    Signer("service", "us-east-1").sign(
        Credentials(credentials["access_key_id"], credentials["secret_access_key"], credentials.get("token")),
        method,
        path,
        canonical_query(parameters),
        headers,
        body.strip().encode(),
        at=1440938160,
    )
    assert headers["x-amz-date"] == "20150830T123600Z"
    assert f"Authorization:{headers['authorization']}\n" in case["signed_request"]


@given(
    key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    parameters=st.dictionaries(st.text("abc-%&= é\0", min_size=1, max_size=5), st.text(max_size=10), max_size=3),
    body=st.binary(max_size=20),
    token=st.none() | st.just("token/+="),
)
def test_what_goes_to_s3_is_signed_as_botocore_signs_it(
    key: str, parameters: dict[str, str], body: bytes, token: str | None
) -> None:
    credentials = Credentials("AKIDEXAMPLE", "secret", token)
    path, query = "/lake/" + quote(key, safe="/~"), canonical_query(parameters.items())
    headers = {"host": "s3.eu-west-1.amazonaws.com", "x-amz-checksum-mode": "ENABLED"}
    Signer("s3", "eu-west-1").sign(credentials, "PUT", path, query, headers, body, at=1_700_000_000)
    sent = {name: value for name, value in headers.items() if name != "authorization"}
    request = AWSRequest("PUT", f"https://{headers['host']}{path}" + (f"?{query}" if query else ""), sent, body)
    request.context["timestamp"] = headers["x-amz-date"]
    theirs = S3SigV4Auth(credentials, "s3", "eu-west-1")
    text = theirs.string_to_sign(request, theirs.canonical_request(request))
    assert headers["authorization"].endswith(f"Signature={theirs.signature(text, request)}")
    assert ("x-amz-security-token" in headers) == (token is not None)
