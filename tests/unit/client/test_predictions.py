"""Requests to the API are signed, and its errors keep their names."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pandas
import pytest
from botocore.session import Session

from headwater.client.errors import PredictionRefused, Unreachable
from headwater.client.predictions import Api
from headwater.errors import NotAllowed
from headwater.json_values import NotJson
from headwater.storage.clients import Clients, new_session

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""Status, body and, if there are more than its length, headers."""


class Fake:
    """An HTTP API that answers as it is told and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer | Callable[[str, Any], Answer] = (200, {"predictions": []})
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = json.loads(body or b"null")
                fake.asked.append((self.command, self.path, dict(self.headers), asked))
                answer = fake.answer(self.path, asked) if callable(fake.answer) else fake.answer
                status, said, *more = answer
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in dict(*more).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST  # noqa: N815 - the name that http.server calls

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


def clients(**credentials: str) -> Clients:
    def session() -> Session:
        made = new_session("eu-west-1")
        if credentials:
            made.set_credentials(**credentials)
        return made

    return Clients(session)


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def api(fake: Fake) -> Iterator[Api]:
    made = Api(fake.url, clients(access_key="key", secret_key="secret"), "eu-west-1")
    yield made
    made.close()


def test_a_request_is_signed_for_the_api_and_says_what_the_contract_asks(api: Api, fake: Fake) -> None:
    api.predict("delays", [{"carrier": "UA"}], as_of=datetime(2013, 5, 1, 8, tzinfo=UTC), alias="staging")
    ((method, path, headers, body),) = fake.asked
    assert (method, path) == ("POST", "/models/delays/predictions?alias=staging")
    assert body == {"instances": [{"carrier": "UA"}], "as_of": "2013-05-01T08:00:00+00:00"}
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
    assert "/eu-west-1/execute-api/aws4_request" in headers["Authorization"]


def test_features_may_come_with_the_request_and_their_look_up_may_be_explained(api: Api, fake: Fake) -> None:
    api.predict("delays", [{}], features=[{"origin.rate": None}])
    assert fake.asked[0][3] == {"instances": [{}], "features": [{"origin.rate": None}]}
    api.predict("delays", [{}], explain=True)
    assert fake.asked[1][3] == {"instances": [{}], "explain": True}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (pandas.DataFrame({"carrier": ["UA"]}), r'instances: a table, .*frame\.to_dict\("records"\)'),
        ({"carrier": "UA"}, r"instances: one dict, expected a list of mappings"),
        ("UA", r"instances: one str, expected a list of mappings"),
    ],
)
def test_what_is_no_list_of_instances_is_not_sent(api: Api, fake: Fake, given: Any, said: str) -> None:
    with pytest.raises(NotJson, match=said):
        api.predict("delays", given)
    assert not fake.asked


def test_a_card_is_asked_for_by_get(api: Api, fake: Fake) -> None:
    fake.answer = (200, {"model": "delays", "version": 3})
    assert api.card("delays")["version"] == 3
    assert fake.asked[0][:2] == ("GET", "/models/delays")


@pytest.mark.parametrize(
    ("status", "exit_code"), [(400, 2), (403, 4), (404, 3), (413, 2), (429, 1), (500, 1), (503, 1)]
)  # fmt: skip
def test_the_apis_errors_keep_their_names_and_become_exit_codes(
    api: Api, fake: Fake, status: int, exit_code: int
) -> None:
    fake.answer = (status, {"reason": "InvalidBody", "message": "instance 0: dest is missing", "request_id": "r-1"})
    with pytest.raises(PredictionRefused, match="instance 0: dest is missing") as caught:
        api.predict("delays", [{}])
    assert (caught.value.reason, caught.value.status, caught.value.exit_code) == ("InvalidBody", status, exit_code)


@pytest.mark.parametrize("said", [b"<html>bad gateway</html>", b"", b"[]", b'{"message":"Forbidden"}'])
def test_an_error_that_is_not_the_apis_own_is_told_all_the_same(api: Api, fake: Fake, said: bytes) -> None:
    fake.answer = (502, said)
    with pytest.raises(PredictionRefused, match=r"\S") as caught:
        api.predict("delays", [{}])
    assert caught.value.reason == "Http502"


def test_an_api_that_does_not_answer_is_unreachable() -> None:
    api = Api("http://127.0.0.1:1", clients(access_key="key", secret_key="secret"), "eu-west-1")
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:1 doesn't answer"):
        api.predict("delays", [{}])


def test_without_credentials_nothing_is_sent(fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(NotAllowed, match="no AWS credentials"):
        Api(fake.url, clients(), "eu-west-1").predict("delays", [{}])
    assert fake.asked == []
