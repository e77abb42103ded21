"""Lean requests are signed as AWS and botocore sign, reach the place that botocore would, and succeed or say nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import botocore.auth
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from headwater import aws
from headwater.signed import Signed, sign, signing_key, stamp

SUITE = Path(__file__).parents[3] / "shared" / "oracles" / "sigv4" / "cases.jsonl"
CASES = [json.loads(line) for line in SUITE.read_text().splitlines()] if SUITE.exists() else []


@pytest.mark.skipif(not CASES, reason="the oracle isn't on this machine")
@pytest.mark.parametrize("case", [case for case in CASES if case["kind"] == "header"], ids=lambda case: case["name"])
def test_signatures_are_those_of_awss_suite(case: dict[str, Any]) -> None:
    """From the suite's canonical parts: how a request is brought into that form is tested beside botocore."""
    method, path, query, *told, names, payload = case["canonical_request"].split("\n")
    headers = dict(line.split(":", 1) for line in told if line)
    context = case["context"]
    day = headers["x-amz-date"][:8]
    key = signing_key(context["credentials"]["secret_access_key"], day, context["region"], context["service"])
    scope = f"{day}/{context['region']}/{context['service']}/aws4_request"
    assert sign(key, scope, method, path, query, headers, payload) == (names, case["signature"])


def listen(service: str, monkeypatch: pytest.MonkeyPatch, **config: Any) -> tuple[Signed, list[AWSPreparedRequest]]:
    """A way to a service that keeps what it would send."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", config.pop("region", "eu-west-1"))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(aws, "CONFIG", aws.CONFIG.merge(Config(**config)))
    sent: list[AWSPreparedRequest] = []
    clients = aws.Clients()

    def keep(request: AWSPreparedRequest, **_: Any) -> None:
        sent.append(request)
        raise EndpointConnectionError(endpoint_url=request.url)

    clients(service).meta.events.register_first("before-send", keep)
    with aws.using(clients):
        return Signed(service), sent


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(key=KEYS, version=KEYS, prefix=KEYS)
def test_a_request_is_signed_as_botocore_signs_it(key: str, version: str, prefix: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        signed, sent = listen("s3", patch)
        parameters = [("versionId", version), ("prefix", prefix), ("versions", "")]
        assert signed.get("GetObject", "bucket", key, parameters, {"x-amz-checksum-mode": "ENABLED"}) is None
        (request,) = sent
        parts = urlsplit(request.url)
        assert parts.netloc == "bucket.s3.eu-west-1.amazonaws.com"
        assert parts.path == "/" + quote(key, safe="/-_.~")
        theirs = AWSRequest(
            "GET", request.url, headers={k: v for k, v in request.headers.items() if k not in ("host", "authorization")}
        )
        moment = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        theirs.context["timestamp"] = request.headers["x-amz-date"]
        signer = S3SigV4Auth(Credentials("AKIATEST", "secret"), "s3", "eu-west-1")
        patch.setattr(botocore.auth, "get_current_datetime", lambda **_: moment.replace(tzinfo=None))
        signer.add_auth(theirs)
        assert request.headers["authorization"] == theirs.headers["Authorization"]


def test_a_body_is_signed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    signed, sent = listen("dynamodb", monkeypatch)
    assert signed.call("BatchGetItem", "DynamoDB_20120810.BatchGetItem", b'{"a": 1}') is None
    (request,) = sent
    assert request.url == "https://dynamodb.eu-west-1.amazonaws.com/"
    headers = {name: value for name, value in request.headers.items() if name not in ("authorization", "content-length")}
    assert headers["x-amz-security-token"] == "token"
    day = headers["x-amz-date"][:8]
    names, signature = sign(
        signing_key("secret", day, "eu-west-1", "dynamodb"), f"{day}/eu-west-1/dynamodb/aws4_request", "POST", "/", "",
        headers, sha256(b'{"a": 1}').hexdigest(),
    )  # fmt: skip
    assert request.headers["authorization"].endswith(f"SignedHeaders={names}, Signature={signature}")
    assert request.headers["content-length"] == "8"


@pytest.mark.parametrize(
    ("config", "bucket", "url"),
    [
        ({}, "lake", "https://lake.s3.eu-west-1.amazonaws.com/k"),
        ({}, "lake.with.dots", "https://s3.eu-west-1.amazonaws.com/lake.with.dots/k"),
        ({"s3": {"addressing_style": "path"}}, "lake", "https://s3.eu-west-1.amazonaws.com/lake/k"),
        ({"use_dualstack_endpoint": True}, "lake", "https://lake.s3.dualstack.eu-west-1.amazonaws.com/k"),
        ({"region": "cn-north-1"}, "lake", "https://lake.s3.cn-north-1.amazonaws.com.cn/k"),
    ],
)
def test_a_request_goes_where_botocore_s_would_go(
    config: dict[str, Any], bucket: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed, sent = listen("s3", monkeypatch, **config)
    signed.get("HeadObject", bucket, "k")
    with pytest.raises(EndpointConnectionError):
        signed._client.head_object(Bucket=bucket, Key="k")
    assert {request.url for request in sent} == {url}
    assert {request.method for request in sent} == {"HEAD"}


def test_an_endpoint_of_one_s_own_is_asked_by_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with aws.using(aws.Clients()):
        signed = Signed("s3")
    # Nobody listens there: no answer, and the caller asks through botocore.
    assert signed.get("GetObject", "lake", "k") is None
    assert signed._place("lake") == ("127.0.0.1:9", "/lake/")


def test_a_lost_answer_and_missing_credentials_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    signed, _ = listen("s3", monkeypatch)

    def drop(request: AWSPreparedRequest, **_: Any) -> None:
        raise ConnectionClosedError(endpoint_url=request.url)

    signed._client.meta.events.register_first("before-send", drop)
    assert signed.get("GetObject", "lake", "k") is None
    signed._credentials = None
    assert signed.get("GetObject", "lake", "k") is None


def test_times_are_written_as_aws_writes_them() -> None:
    assert stamp(int(datetime(2026, 11, 1, 12, 0, 5, tzinfo=UTC).timestamp())) == "20261101T120005Z"
