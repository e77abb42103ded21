"""A connection asks who botocore asks, as whom botocore asks, and fails as botocore fails."""

from __future__ import annotations

import io
import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, NoCredentialsError
from botocore.session import Session
from localcloud.http_api.sigv4 import SignedRequest, verify

from headwater.storage.clients import Clients, error_code, new_session
from headwater.storage.environment import CLIENTS
from headwater.storage.http.connection import Connection, connection
from tests.unit.registry.cases import mocked_aws

ODD_KEYS = [
    "a b/c",
    "ü/ß",
    "a/../b",
    "%2e%2E",
    "x#y?z",
    "plus+and&amp;",
    "//lead",
    "a\u2028b",
    "tab\tnew\nline",
    "k" * 1024,
]


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class Service:
    """Answers in AWS's place, in order; keeps what it was asked."""

    def __init__(self, *answers: tuple[int, Mapping[str, str], bytes] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []
        self.paused: list[float] = []

    def __call__(self, event_name: str, request: Any, **_: Any) -> AWSResponse:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return AWSResponse(request.url, answer[0], answer[1], _Raw(answer[2]))

    def connection(self, service: str, session: Callable[[], Session] | None = None, **options: Any) -> Connection:
        clients = Clients(session or (lambda: signed_in("eu-west-1")), **options)
        made = Connection(service, clients, pause=self.paused.append)
        clients(service).meta.events.register_first("before-send", self)
        return made


def signed_in(region: str) -> Session:
    session = new_session(region)
    session.set_credentials("AKIDEXAMPLE", "a-secret", "a-token")
    return session


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)


@pytest.fixture
def _cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with mocked_aws(monkeypatch):
        yield


@pytest.mark.usefixtures("_cloud")
def test_any_key_that_s3_takes_is_written_and_read() -> None:
    s3, wire = CLIENTS("s3"), connection("s3", CLIENTS)
    s3.create_bucket(Bucket="lake")
    for number, key in enumerate(ODD_KEYS):
        wire.request("PutObject", "PUT", "lake", key, body=b"%d" % number, headers={"content-type": "text/plain"})
    assert {entry["Key"] for entry in s3.list_objects_v2(Bucket="lake")["Contents"]} == set(ODD_KEYS)
    for number, key in enumerate(ODD_KEYS):
        answer = wire.request("GetObject", "GET", "lake", key)
        assert (answer.body, answer.headers["content-type"]) == (b"%d" % number, "text/plain")
    assert wire is connection("s3", CLIENTS)


@pytest.mark.usefixtures("_cloud")
def test_dynamodb_answers_in_json_and_refuses_with_its_own_errors() -> None:
    wire = connection("dynamodb", CLIENTS)
    key = [{"AttributeName": "id", "KeyType": "HASH"}]
    described = wire.call("CreateTable", {
        "TableName": "t", "KeySchema": key, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    })  # fmt: skip
    assert described["TableDescription"]["TableName"] == "t"
    wire.call("PutItem", {"TableName": "t", "Item": {"id": {"S": "1"}, "n": {"N": "2.50"}}})
    found = wire.call("BatchGetItem", {"RequestItems": {"t": {"Keys": [{"id": {"S": "1"}}, {"id": {"S": "2"}}]}}})
    assert found["Responses"] == {"t": [{"id": {"S": "1"}, "n": {"N": "2.50"}}]}
    refused = {"TableName": "t", "Item": {"id": {"S": "1"}}, "ConditionExpression": "attribute_not_exists(id)"}
    with pytest.raises(CLIENTS("dynamodb").exceptions.ConditionalCheckFailedException) as caught:
        wire.call("PutItem", refused)
    with pytest.raises(ClientError) as theirs:
        CLIENTS("dynamodb").put_item(**refused)
    assert str(caught.value) == str(theirs.value)
    writes = [{"Put": refused}]
    with pytest.raises(ClientError) as caught:
        wire.call("TransactWriteItems", {"TransactItems": writes})
    assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == ["ConditionalCheckFailed"]


@pytest.mark.usefixtures("_cloud")
def test_s3_refuses_with_its_own_codes() -> None:
    s3, wire = CLIENTS("s3"), connection("s3", CLIENTS)
    s3.create_bucket(Bucket="lake")
    for operation, method, call in (("GetObject", "GET", s3.get_object), ("HeadObject", "HEAD", s3.head_object)):
        with pytest.raises(ClientError) as ours:
            wire.request(operation, method, "lake", "none")
        with pytest.raises(ClientError) as theirs:
            call(Bucket="lake", Key="none")
        assert str(ours.value) == str(theirs.value)
        assert error_code(ours.value) in {"NoSuchKey", "404"}
        assert ours.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "cn-north-1"])
@pytest.mark.parametrize("bucket", ["lake", "la.ke", "a-bucket-of-ours"])
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
        {"AWS_ENDPOINT_URL_S3": "https://s3.local:9000/base"},
    ],
    ids=lambda variables: "".join(variables) or "plain",
)
def test_a_bucket_is_asked_where_botocore_asks(
    region: str, bucket: str, variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if region == "cn-north-1" and "AWS_USE_FIPS_ENDPOINT" in variables:
        pytest.skip("China has no FIPS endpoints")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    answer = (200, {"content-length": "0"}, b"")
    service = Service(answer, answer)
    wire = service.connection("s3", lambda: signed_in(region))
    wire.request("HeadObject", "HEAD", bucket, "a b/ü+c", query=[("versionId", "v/1")])
    wire._client.head_object(Bucket=bucket, Key="a b/ü+c", VersionId="v/1")
    ours, theirs = service.asked
    assert ours.url == theirs.url
    scopes = [str(request.headers["authorization"]).partition("/")[2].partition(",")[0] for request in (ours, theirs)]
    assert scopes[0].split("/")[1:] == scopes[1].split("/")[1:]
    assert str(theirs.headers["X-Amz-Security-Token"]).strip("b'") == ours.headers["x-amz-security-token"] == "a-token"


def test_what_may_pass_is_tried_again_a_bounded_number_of_times() -> None:
    passing: list[tuple[int, Mapping[str, str], bytes] | Exception] = [
        (503, {}, b"<Error><Code>SlowDown</Code><Message>Please</Message></Error>"),
        (500, {}, b""),
        EndpointConnectionError(endpoint_url="https://x"),
        (400, {}, b'{"__type": "com.amazon#ThrottlingException", "message": "Rate exceeded"}'),
    ]
    service = Service(*passing, (200, {}, b"whole"))
    assert service.connection("s3").request("GetObject", "GET", "lake", "k").body == b"whole"
    assert len(service.paused) == 4
    # Throttles wait for a second and more, anything else twenty times less.
    assert all(0 <= pause <= most for pause, most in zip(service.paused, (1, 0.1, 0.2, 8), strict=True))
    assert len({str(request.url) for request in service.asked}) == 1
    service = Service(*[(503, {}, b"")] * 9)
    with pytest.raises(ClientError, match="503") as caught:
        service.connection("s3").request("HeadObject", "HEAD", "lake", "k")
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 4
    assert len(service.asked) == 5


def test_many_failures_use_up_what_retries_there_are() -> None:
    service = Service(*[(503, {}, b"")] * 1000)
    wire = service.connection("s3")
    for _ in range(60):
        with pytest.raises(ClientError):
            wire.request("HeadObject", "HEAD", "lake", "k")
    assert len(service.paused) == 35  # 500 tokens, 14 a retry


def test_of_several_each_is_answered_refused_or_tried_again_by_itself() -> None:
    answers = [(200, {}, b"a"), (503, {}, b""), (404, {}, b""), (200, {}, b"d"), (200, {}, b"b")]
    service = Service(*answers)
    asked = [(key, [("versionId", key)]) for key in "abcd"]
    found = service.connection("s3").request_all("GetObject", "GET", "lake", asked)
    assert [one if isinstance(one, Exception) else one.body for one in found[:2]] == [b"a", b"b"]
    assert isinstance(found[2], ClientError)
    assert error_code(found[2]) == "404"
    assert not isinstance(found[3], ClientError)
    assert found[3].body == b"d"
    assert [request.url[-1] for request in service.asked] == ["a", "b", "c", "d", "b"]
    service = Service(*[ConnectionClosedError(endpoint_url="https://x")] * 5)
    with pytest.raises(ConnectionClosedError):
        service.connection("s3").request_all("GetObject", "GET", "lake", asked[:1])


@pytest.mark.parametrize("together", [False, True])
def test_a_refused_connection_is_tried_again(together: bool, serving: Callable[..., Any]) -> None:
    server, paused = serving(), []
    server.close()
    clients = Clients(lambda: signed_in("eu-west-1"), endpoint_url=f"http://127.0.0.1:{server.port}")
    wire = Connection("s3", clients, pause=paused.append)

    def ask() -> object:
        if together:
            return wire.request_all("HeadObject", "HEAD", "lake", [("k", [])])
        return wire.request("HeadObject", "HEAD", "lake", "k")

    with pytest.raises(EndpointConnectionError):
        ask()
    assert len(paused) == 4


@pytest.mark.parametrize("together", [False, True])
def test_a_connection_speaks_to_a_real_server(together: bool, serving: Callable[..., Any]) -> None:
    signed: list[SignedRequest] = []

    def script(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        first, *lines = head.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        signed.append(SignedRequest(method, path, query, headers, b""))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    server = serving(script, script)
    wire = Connection("s3", Clients(lambda: signed_in("eu-west-1"), endpoint_url=f"http://127.0.0.1:{server.port}"))
    asked = [("a-key", [("versionId", "1")]), ("b-key", [("versionId", "2")])]
    if together:
        found = wire.request_all("GetObject", "GET", "lake", asked)
    else:
        found = [wire.request("GetObject", "GET", "lake", key, query=query) for key, query in asked]
    assert [one.body for one in found if not isinstance(one, ClientError)] == [b"ok", b"ok"]
    assert sorted(f"{one.path}?{one.query}" for one in signed) == ["/lake/a-key?versionId=1", "/lake/b-key?versionId=2"]
    for one in signed:
        # As the local cloud checks them: it stands on AWS's own test suite.
        assert verify(one, {"AKIDEXAMPLE": "a-secret"}.get, service="s3", normalise=False) == "AKIDEXAMPLE"


def test_what_is_refused_is_not_tried_again() -> None:
    service = Service((403, {"x-amz-request-id": "R1"}, b"<Error><Code>AccessDenied</Code></Error>"))
    with pytest.raises(ClientError) as caught:
        service.connection("s3").request("GetObject", "GET", "lake", "k")
    assert error_code(caught.value) == "AccessDenied"
    assert caught.value.response["ResponseMetadata"]["RequestId"] == "R1"


def test_an_expired_token_is_tried_again_only_with_another_one() -> None:
    expired = (400, {}, b"<Error><Code>ExpiredToken</Code><Message>Expired</Message></Error>")
    session = signed_in("eu-west-1")
    service = Service(expired, (200, {}, b""))
    wire = service.connection("s3", lambda: session)

    class Renewed(Credentials):
        def get_frozen_credentials(self) -> Any:
            token = f"token-{len(service.asked)}"
            return Credentials(self.access_key, self.secret_key, token).get_frozen_credentials()

    session._credentials = Renewed("AKIDEXAMPLE", "a-secret")
    wire.request("HeadObject", "HEAD", "lake", "k")
    assert [request.headers["x-amz-security-token"] for request in service.asked] == ["token-0", "token-1"]
    service = Service(expired)
    with pytest.raises(ClientError, match="ExpiredToken"):
        service.connection("s3").request("GetObject", "GET", "lake", "k")


def test_a_bucket_in_another_region_is_found_once() -> None:
    moved = (301, {"x-amz-bucket-region": "ap-south-1"}, b"<Error><Code>PermanentRedirect</Code></Error>")
    service = Service(moved, (200, {}, b"1"), (200, {}, b"2"))
    wire = service.connection("s3")
    assert [wire.request("GetObject", "GET", "lake", "k").body for _ in range(2)] == [b"1", b"2"]
    refused = (400, {"x-amz-bucket-region": "ap-south-1"}, b"<Error><Code>InvalidRequest</Code></Error>")
    service.answers.append(refused)
    with pytest.raises(ClientError, match="InvalidRequest"):
        wire.request("GetObject", "GET", "lake", "k")  # it is where the bucket is: nothing to follow
    hosts = [request.url.split("/")[2] for request in service.asked]
    assert hosts == ["lake.s3.eu-west-1.amazonaws.com", *["lake.s3.ap-south-1.amazonaws.com"] * 3]
    assert "/ap-south-1/s3/" in service.asked[1].headers["authorization"]


def test_an_answer_that_isnt_what_dynamodb_sent_is_asked_for_again() -> None:
    damaged, whole = (200, {"x-amz-crc32": "1"}, b'{"a": 1}'), (200, {"x-amz-crc32": "2745614147"}, b"{}")
    service = Service(damaged, whole)
    assert service.connection("dynamodb").call("ListTables", {}) == {}
    assert len(service.asked) == 2


def test_who_has_no_credentials_is_told_so() -> None:
    session = new_session("eu-west-1")
    session.get_component("credential_provider").providers.clear()
    with pytest.raises(NoCredentialsError):
        Service().connection("dynamodb", lambda: session).call("ListTables", {})


def test_neither_logs_nor_errors_hold_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service = Service(*[ConnectionClosedError(endpoint_url="https://x")] * 5)
    with pytest.raises(ConnectionClosedError) as caught:
        service.connection("s3").request("GetObject", "GET", "lake", "k")
    said = caplog.text + repr(caught.value)
    assert "k" in service.asked[0].url
    for secret in ("a-secret", "a-token", "Signature="):
        assert secret not in said


def test_behind_a_proxy_botocore_carries_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    clients = Clients(lambda: signed_in("eu-west-1"))
    wire = Connection("dynamodb", clients, pause=lambda _: None)
    wire._tries = 1
    with pytest.raises(Exception, match="proxy"):
        wire.call("ListTables", {})
