"""HTTP APIs from the client's side: real sockets, real functions, real signatures."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from localcloud.account import ACCESS_KEY, SECRET_KEY
from localcloud.cloud import Cloud
from localcloud.http_api import HttpApis

# Answers with the event, or does what the event's body says.
SOURCE = """
import json, time
def handler(event, context):
    if event["routeKey"] == "POST /answer":
        return json.loads(event["body"])
    if event["routeKey"] == "GET /fail":
        raise ValueError("on purpose")
    if event["routeKey"] == "GET /slow":
        time.sleep(5)
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}
"""
FORMAT = "$context.httpMethod $context.routeKey $context.status $context.integrationErrorMessage $context.unheard"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: list[str]

    def json(self) -> Any:
        return json.loads(self.body)


class Api:
    """An HTTP API with one function behind all its routes."""

    def __init__(self, cloud: Cloud, function: str, http: urllib3.PoolManager) -> None:
        self.cloud, self._http = cloud, http
        self.client = cloud.client("apigatewayv2")
        made = self.client.create_api(Name="test", ProtocolType="HTTP")
        self.id, self.endpoint = made["ApiId"], made["ApiEndpoint"]
        self._function = function
        self.target = self.integration()

    def integration(self, **more: Any) -> str:
        made = self.client.create_integration(
            ApiId=self.id,
            IntegrationType="AWS_PROXY",
            IntegrationUri=self._function,
            PayloadFormatVersion="2.0",
            **more,
        )
        return f"integrations/{made['IntegrationId']}"

    def route(self, *keys: str, target: str = "", **more: Any) -> None:
        for key in keys:
            self.client.create_route(ApiId=self.id, RouteKey=key, Target=target or self.target, **more)

    def stage(self, name: str = "$default", **more: Any) -> None:
        self.client.create_stage(ApiId=self.id, StageName=name, AutoDeploy=True, **more)

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        signer: tuple[str, str] | None = None,
        headers: Any = None,
    ) -> Answer:
        request = AWSRequest(method, self.endpoint + path, data=body, headers=dict(headers or {}))
        if signer:
            SigV4Auth(Credentials(*signer), "execute-api", "us-east-1").add_auth(request)
        response = self._http.request(method, self.endpoint + path, body=body, headers=dict(request.headers.items()))
        return Answer(response.status, response.headers, response.data, response.headers.getlist("set-cookie"))

    def send(self, answer: Any) -> Answer:
        """What the client sees when the function returns ``answer``."""
        return self("POST", "/answer", json.dumps(answer).encode(), headers={"content-type": "application/json"})


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> Iterator[str]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", SOURCE)
    name = f"behind-http-{uuid.uuid4().hex[:8]}"
    role = cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client = cloud.client("lambda")
    made = client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": buffer.getvalue()},
        Timeout=30,
    )
    client.add_permission(
        FunctionName=name,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{cloud.region}:{cloud.account_id}:*/*/*",
    )
    yield made["FunctionArn"]
    client.delete_function(FunctionName=name)


@pytest.fixture
def make(cloud: Cloud, function: str) -> Iterator[Callable[[], Api]]:
    made: list[Api] = []
    with urllib3.PoolManager(timeout=60, retries=False) as http:

        def create() -> Api:
            made.append(Api(cloud, function, http))
            return made[-1]

        yield create
    for api in made:
        with suppress(api.client.exceptions.NotFoundException):
            api.client.delete_api(ApiId=api.id)


@pytest.fixture
def api(make: Callable[[], Api]) -> Api:
    """With the default stage and the routes that `SOURCE` knows."""
    created = make()
    created.stage()
    created.route("POST /answer", "GET /fail", "GET /slow", "ANY /echo/{id}", "GET /files/{proxy+}")
    return created


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
    assert (answer.status, answer.json()) == (500, {"message": "Internal Server Error"})


def test_a_function_that_fails_is_an_internal_error_without_details(api: Api) -> None:
    answer = api("GET", "/fail")
    assert (answer.status, answer.json()) == (500, {"message": "Internal Server Error"})


def test_a_function_that_takes_longer_than_the_integration_allows_is_unavailable(api: Api) -> None:
    api.client.update_integration(
        ApiId=api.id, IntegrationId=api.target.removeprefix("integrations/"), TimeoutInMillis=50
    )
    answer = api("GET", "/slow")
    assert (answer.status, answer.json()) == (503, {"message": "Service Unavailable"})


def test_a_throttled_function_is_unavailable(cloud: Cloud, api: Api, function: str) -> None:
    client = cloud.client("lambda")
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    answer = api("GET", "/echo/1")
    client.delete_function_concurrency(FunctionName=function)
    assert (answer.status, answer.json()) == (503, {"message": "Service Unavailable"})


def test_without_a_route_or_a_stage_nothing_is_found(make: Callable[[], Api]) -> None:
    api = make()
    api.route("GET /echo/{id}")
    for path in ("/echo/1", "/"):
        answer = api("GET", path)
        assert (answer.status, answer.json()) == (404, {"message": "Not Found"})
    api.stage()
    assert api("GET", "/echo/1").status == 200
    assert api("POST", "/echo/1").status == 404


def test_a_named_stage_is_a_prefix_and_has_variables(make: Callable[[], Api]) -> None:
    api = make()
    api.route("GET /echo/{id}")
    api.stage("prod", StageVariables={"colour": "blue"})
    event = api("GET", "/prod/echo/7").json()
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/prod/echo/7"
    assert (event["pathParameters"], event["stageVariables"]) == ({"id": "7"}, {"colour": "blue"})
    assert event["requestContext"]["stage"] == "prod"
    assert api("GET", "/echo/7").status == 404


def test_a_body_over_ten_megabytes_is_too_large(api: Api) -> None:
    answer = api("POST", "/echo/1", b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status, answer.json()) == (413, {"message": "Request Entity Too Large"})
    assert api("GET", "/echo/1").status == 200


def test_iam_routes_take_signed_requests_only_and_tell_the_function_who_it_was(
    cloud: Cloud, make: Callable[[], Api]
) -> None:
    api = make()
    api.stage()
    api.route("POST /echo/{id}", AuthorizationType="AWS_IAM")
    for signer in (None, (ACCESS_KEY, "wrong"), ("AKIAUNKNOWN000000000", SECRET_KEY)):
        answer = api("POST", "/echo/1", b"{}", signer=signer)
        assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})
    event = api("POST", "/echo/a%20b?q=%2F", b"{}", signer=(ACCESS_KEY, SECRET_KEY)).json()
    identity = event["requestContext"]["authorizer"]["iam"]
    assert set(identity) == {
        "accessKey",
        "accountId",
        "callerId",
        "cognitoIdentity",
        "principalOrgId",
        "userArn",
        "userId",
    }
    assert identity["accessKey"] == ACCESS_KEY
    assert identity["userArn"] == f"arn:aws:iam::{cloud.account_id}:root"


def test_a_role_may_invoke_what_its_policies_allow(cloud: Cloud, make: Callable[[], Api]) -> None:
    api = make()
    api.stage()
    api.route("GET /echo/{id}", "GET /files/{proxy+}", AuthorizationType="AWS_IAM")
    iam, name = cloud.client("iam"), f"caller-{uuid.uuid4().hex[:8]}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    variables = cloud.credentials_for(role)
    signer = (variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    assert api("GET", "/echo/1", signer=signer).status == 403
    arn = f"arn:aws:execute-api:{cloud.region}:{cloud.account_id}:{api.id}/$default/GET/echo/*"
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn}],
    }
    iam.put_role_policy(RoleName=name, PolicyName="call", PolicyDocument=json.dumps(document))
    answer = api("GET", "/echo/1", signer=signer)
    assert answer.status == 200
    assert f":assumed-role/{name}/" in answer.json()["requestContext"]["authorizer"]["iam"]["userArn"]
    assert api("GET", "/files/1", signer=signer).status == 403


def test_a_function_that_does_not_let_the_api_in_is_an_internal_error(cloud: Cloud, api: Api, function: str) -> None:
    client = cloud.client("lambda")
    policy = json.loads(client.get_policy(FunctionName=function)["Policy"])
    [statement] = policy["Statement"]
    client.remove_permission(FunctionName=function, StatementId="api")
    answer = api("GET", "/echo/1")
    client.add_permission(
        FunctionName=function,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=next(iter(statement["Condition"].values()))["AWS:SourceArn"],
    )
    assert (answer.status, answer.json()) == (500, {"message": "Internal Server Error"})
    assert api("GET", "/echo/1").status == 200


def test_a_stage_can_be_throttled_and_changed_later(api: Api) -> None:
    settings = {"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 2}
    api.client.update_stage(ApiId=api.id, StageName="$default", DefaultRouteSettings=settings)
    statuses = [api("GET", "/echo/1").status for _ in range(3)]
    assert statuses == [200, 200, 429]
    # Each route has a bucket of its own.
    refused = api("GET", "/echo/1")
    assert (refused.status, refused.json()) == (429, {"message": "Too Many Requests"})
    assert api("GET", "/files/1").status == 200


def test_access_logs_and_metrics_are_written(cloud: Cloud, api: Api) -> None:
    group = f"/http/{api.id}"
    arn = f"arn:aws:logs:{cloud.region}:{cloud.account_id}:log-group:{group}"
    api.client.update_stage(
        ApiId=api.id, StageName="$default", AccessLogSettings={"DestinationArn": arn, "Format": FORMAT}
    )
    for path in ("/echo/1", "/fail", "/nowhere"):
        api("GET", path)
    cloud.emulator(HttpApis).flush_logs()
    logs = cloud.client("logs")
    [stream] = logs.describe_log_streams(logGroupName=group)["logStreams"]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
    assert [event["message"] for event in events["events"]] == [
        "GET ANY /echo/{id} 200 - -",
        "GET GET /fail 500 The Lambda function returned: on purpose -",
        "GET - 404 - -",
    ]
    for dimensions in ({"ApiId": api.id}, {"ApiId": api.id, "Stage": "$default"}):
        assert {name: total(cloud, name, dimensions) for name in ("Count", "4xx", "5xx")} == {
            "Count": 3,
            "4xx": 1,
            "5xx": 1,
        }
        assert total(cloud, "Latency", dimensions) >= total(cloud, "IntegrationLatency", dimensions) - 2


def total(cloud: Cloud, metric: str, dimensions: dict[str, str]) -> float:
    answer = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/ApiGateway",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=cloud.clock.now() - timedelta(days=1),
        EndTime=cloud.clock.now() + timedelta(minutes=1),
        Period=172800,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in answer["Datapoints"]))


def test_cors_is_answered_by_the_api_itself(api: Api) -> None:
    api.client.update_api(
        ApiId=api.id,
        CorsConfiguration={
            "AllowOrigins": ["https://a.example"],
            "AllowMethods": ["GET"],
            "AllowHeaders": ["x"],
            "MaxAge": 5,
        },
    )
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    preflight = api("OPTIONS", "/anything", headers=asked)
    assert (preflight.status, preflight.body) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == "https://a.example"
    assert preflight.headers["access-control-allow-methods"] == "GET"
    assert preflight.headers["access-control-max-age"] == "5"
    assert api("GET", "/echo/1", headers=asked).headers["access-control-allow-origin"] == "https://a.example"
    assert "access-control-allow-origin" not in api("GET", "/echo/1", headers={"Origin": "https://b.example"}).headers


def test_answers_about_the_api_name_its_local_address_and_deletion_closes_the_port(
    make: Callable[[], Api],
) -> None:
    api = make()
    assert api.endpoint.startswith("http://127.0.0.1:")
    assert api.client.get_api(ApiId=api.id)["ApiEndpoint"] == api.endpoint
    assert api.endpoint in [each["ApiEndpoint"] for each in api.client.get_apis()["Items"]]
    other = make()
    other.client.delete_api(ApiId=other.id)
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        other("GET", "/")


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
