"""Requests to the API are signed, and its errors keep their names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pandas
import pytest
from botocore.session import Session

from headwater.client.api import Api
from headwater.client.errors import PredictionRefused, Unreachable
from headwater.client.predictions import predict, serving_card
from headwater.errors import NotAllowed
from headwater.json_values import NotJson
from headwater.storage.clients import Clients, new_session
from tests.unit.client.fake_api import Fake, answering


def clients(**credentials: str) -> Clients:
    def session() -> Session:
        made = new_session("eu-west-1")
        if credentials:
            made.set_credentials(**credentials)
        return made

    return Clients(session)


@pytest.fixture
def fake() -> Iterator[Fake]:
    with answering() as made:
        yield made


@pytest.fixture
def api(fake: Fake) -> Iterator[Api]:
    made = Api(fake.url, clients(access_key="key", secret_key="secret"), "eu-west-1")
    yield made
    made.close()


def test_a_request_is_signed_for_the_api_and_says_what_the_contract_asks(api: Api, fake: Fake) -> None:
    predict(api, "delays", [{"carrier": "UA"}], as_of=datetime(2013, 5, 1, 8, tzinfo=UTC), alias="staging")
    ((method, path, headers, body),) = fake.asked
    assert (method, path) == ("POST", "/models/delays/predictions?alias=staging")
    assert body == {"instances": [{"carrier": "UA"}], "as_of": "2013-05-01T08:00:00+00:00"}
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
    assert "/eu-west-1/execute-api/aws4_request" in headers["Authorization"]


def test_features_may_come_with_the_request_and_their_look_up_may_be_explained(api: Api, fake: Fake) -> None:
    predict(api, "delays", [{}], features=[{"origin.rate": None}])
    assert fake.asked[0][3] == {"instances": [{}], "features": [{"origin.rate": None}]}
    predict(api, "delays", [{}], explain=True)
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
        predict(api, "delays", given)
    assert not fake.asked


CARD = {
    "model": "delays", "version": 3, "alias": "production", "description": "", "task": "classification",
    "positive": "late", "inputs": [{"name": "carrier", "kind": "category"}],
    "features": [{"name": "origin.rate", "kind": "number", "entity": ["origin"], "ttl_seconds": 3600.0}],
    "metrics": {"roc_auc": 0.7}, "run_id": "r", "data_version": "d", "commits": {}, "artifacts": None,
    "code_version": "c", "created_at": "2013-05-01T08:00:00+00:00", "of_a_newer_stack": 1,
}  # fmt: skip


def test_an_answer_is_typed_and_its_data_is_the_apis_json(api: Api, fake: Fake) -> None:
    looked = {"missing_features": ["origin.rate"], "feature_age_seconds": None}
    said = {
        "model": "delays", "version": 3, "alias": "production", "request_id": "r-1",
        "predictions": [
            {"probability": 0.5, **looked},
            {"value": 2.0, **looked, "views": {"origin": {"status": "EXPIRED", "age_seconds": 61.0}}},
        ],
    }  # fmt: skip
    fake.answer = (200, said)
    answer = predict(api, "delays", [{}, {}], explain=True)
    assert answer.data() == said
    assert [entry.number for entry in answer.predictions] == [0.5, 2.0]
    first, second = (entry.views for entry in answer.predictions)
    assert first is None
    assert second is not None
    assert (second["origin"].status, second["origin"].age_seconds) == ("EXPIRED", 61.0)


def test_a_card_is_asked_for_by_get(api: Api, fake: Fake) -> None:
    fake.answer = (200, CARD)
    card = serving_card(api, "delays")
    assert (card.version, card.inputs[0].name, card.features[0].ttl_seconds) == (3, "carrier", 3600.0)
    assert fake.asked[0][:2] == ("GET", "/models/delays")


@pytest.mark.parametrize(
    ("status", "exit_code"), [(400, 2), (403, 4), (404, 3), (413, 2), (429, 1), (500, 1), (503, 1)]
)  # fmt: skip
def test_the_apis_errors_keep_their_names_and_become_exit_codes(
    api: Api, fake: Fake, status: int, exit_code: int
) -> None:
    fake.answer = (status, {"reason": "InvalidBody", "message": "instance 0: dest is missing", "request_id": "r-1"})
    with pytest.raises(PredictionRefused, match="instance 0: dest is missing") as caught:
        predict(api, "delays", [{}])
    assert (caught.value.reason, caught.value.status, caught.value.exit_code) == ("InvalidBody", status, exit_code)


@pytest.mark.parametrize("said", [b"<html>bad gateway</html>", b"", b"[]", b'{"message":"Forbidden"}'])
def test_an_error_that_is_not_the_apis_own_is_told_all_the_same(api: Api, fake: Fake, said: bytes) -> None:
    fake.answer = (502, said)
    with pytest.raises(PredictionRefused, match=r"\S") as caught:
        predict(api, "delays", [{}])
    assert caught.value.reason == "Http502"


def test_an_api_that_does_not_answer_is_unreachable() -> None:
    api = Api("http://127.0.0.1:1", clients(access_key="key", secret_key="secret"), "eu-west-1")
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:1 doesn't answer"):
        predict(api, "delays", [{}])


def test_without_credentials_nothing_is_sent(fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(NotAllowed, match="no AWS credentials"):
        predict(Api(fake.url, clients(), "eu-west-1"), "delays", [{}])
    assert fake.asked == []
