"""An HTTP API with a function behind it, and a client that signs its requests if told so."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from localcloud.cloud import Cloud

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
INTERNAL = {"message": "Internal Server Error"}


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


def let_in(cloud: Cloud, function: str) -> None:
    """Allow every API to invoke the function."""
    cloud.client("lambda").add_permission(
        FunctionName=function,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{cloud.region}:{cloud.account_id}:*/*/*",
    )


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
    let_in(cloud, name)
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
