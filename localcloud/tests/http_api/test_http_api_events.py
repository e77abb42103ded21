"""The event that a function gets from an HTTP API, and the answers that it may give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from localcloud.account import ACCESS_KEY, SECRET_KEY

from .conftest import INTERNAL, Api


def test_the_event_is_payload_format_2(api: Api) -> None:
    answer = api(
        "PUT",
        "/echo/a%20b?x=1&x=2&y=%C3%A4+b&z",
        '{"a": "ä"}'.encode(),
        headers={"Content-Type": "application/json", "X-Custom": "Yes", "Cookie": "a=1; b=2", "User-Agent": "me"},
    )
    event = answer.json()
    context = event.pop("requestContext")
    headers = event.pop("headers")
    assert event == {
        "version": "2.0",
        "routeKey": "ANY /echo/{id}",
        "rawPath": "/echo/a%20b",
        "rawQueryString": "x=1&x=2&y=%C3%A4+b&z",
        "cookies": ["a=1", "b=2"],
        "queryStringParameters": {"x": "1,2", "y": "ä b", "z": ""},
        "pathParameters": {"id": "a b"},
        "body": '{"a": "ä"}',
        "isBase64Encoded": False,
    }
    assert headers["x-custom"] == "Yes"
    assert headers["x-forwarded-proto"] == "http"
    assert "cookie" not in headers
    assert all(name == name.lower() for name in headers)
    assert context["http"] == {
        "method": "PUT",
        "path": "/echo/a%20b",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "me",
    }
    assert (context["apiId"], context["stage"], context["routeKey"]) == (api.id, "$default", "ANY /echo/{id}")
    assert context["requestId"] == answer.headers["apigw-requestid"]
    assert context["accountId"] == api.cloud.account_id
    assert isinstance(context["timeEpoch"], int)
    assert "authorizer" not in context


def test_a_binary_body_arrives_as_base64(api: Api) -> None:
    event = api("POST", "/echo/1", b"\x00\xff", headers={"Content-Type": "application/octet-stream"}).json()
    assert (event["body"], event["isBase64Encoded"]) == ("AP8=", True)


def test_without_a_body_there_is_no_body_field(api: Api) -> None:
    assert "body" not in api("GET", "/echo/1").json()


@pytest.mark.parametrize(
    ("returned", "body"),
    [({"a": 1}, b'{"a":1}'), ("hello", b"hello"), ([1, "x"], b'[1,"x"]'), (3, b"3"), (True, b"true"), (None, b"null")],
)
def test_an_answer_without_a_status_code_is_the_body(api: Api, returned: Any, body: bytes) -> None:
    answer = api.send(returned)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/json", body)


def test_an_answer_with_a_status_code_decides_everything(api: Api) -> None:
    answer = api.send(
        {
            "statusCode": 201,
            "headers": {"X-Number": 5, "Content-Type": "text/csv"},
            "cookies": ["a=1", "b=2; Secure"],
            "body": "AAE=",
            "isBase64Encoded": True,
        }
    )
    assert (answer.status, answer.body) == (201, b"\x00\x01")
    assert answer.headers["x-number"] == "5"
    assert answer.headers["content-type"] == "text/csv"
    assert answer.cookies == ["a=1", "b=2; Secure"]


@pytest.mark.parametrize(
    "malformed",
    [
        {"statusCode": "ok"},
        {"statusCode": 42},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": []}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)
def test_a_malformed_answer_is_an_internal_error(api: Api, malformed: Any) -> None:
    answer = api.send(malformed)
    assert (answer.status, answer.json()) == (500, INTERNAL)


def test_a_function_that_fails_is_an_internal_error_without_details(api: Api) -> None:
    answer = api("GET", "/fail")
    assert (answer.status, answer.json()) == (500, INTERNAL)


def test_a_function_that_takes_longer_than_the_integration_allows_is_unavailable(api: Api) -> None:
    api.client.update_integration(
        ApiId=api.id, IntegrationId=api.target.removeprefix("integrations/"), TimeoutInMillis=50
    )
    answer = api("GET", "/slow")
    assert (answer.status, answer.json()) == (503, {"message": "Service Unavailable"})


def test_a_body_over_ten_megabytes_is_too_large(api: Api) -> None:
    answer = api("POST", "/echo/1", b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status, answer.json()) == (413, {"message": "Request Entity Too Large"})
    assert api("GET", "/echo/1").status == 200


ORACLE = Path(__file__).parents[4] / "shared" / "oracles" / "lambda-payloads"


@pytest.mark.skipif(not ORACLE.exists(), reason="the oracle isn't on this machine")
def test_the_event_has_the_shape_of_the_documented_sample(make: Callable[[], Api]) -> None:
    api = make()
    api.stage(StageVariables={"a": "b"})
    api.route("POST /echo/{id}", AuthorizationType="AWS_IAM")
    ours = api(
        "POST",
        "/echo/1?a=1",
        b"{}",
        signer=(ACCESS_KEY, SECRET_KEY),
        headers={"Cookie": "a=1", "Content-Type": "text/x"},
    ).json()
    sample = json.loads((ORACLE / "powertools" / "apiGatewayProxyV2IamEvent.json").read_text())
    open_ended = {"headers", "queryStringParameters", "pathParameters", "stageVariables", "cognitoIdentity"}

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: "…" if key in open_ended else shape(each) for key, each in value.items()}
        return type(value).__name__ if value is not None else "str"

    wanted = shape(sample)
    assert shape(ours) == wanted
