"""A request's instances get their features, their prediction and a record of both."""

from __future__ import annotations

from datetime import timedelta

import pytest

from headwater.features.errors import OnlineStoreBusy
from headwater.json_values import dumps
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.serving.errors import InvalidBody, UnknownModel
from headwater.serving.models import ServingModels
from headwater.serving.service import Serving
from tests.unit.serving.cases import NOW, Online, body, leave_run, online, trained


@pytest.fixture
def store() -> Online:
    return Online([online("B6", NOW - timedelta(hours=1), rate_6h=1.5, rate_24h=0.5),
                   online("AA", NOW - timedelta(days=2), rate_6h=1.0, rate_24h=1.0)])  # fmt: skip


@pytest.fixture
def serving(registry: Registry, artifacts: ArtifactStore, store: Online) -> Serving:
    registry.register(leave_run())
    registry.promote("delays", alias="production", to=1, expected=None)
    return Serving(ServingModels(registry, artifacts), store, now=lambda: NOW)


def test_an_answer_names_what_gave_it(serving: Serving) -> None:
    answer = serving.predict("delays", body({"carrier": "B6"}), request_id="r-1").body
    prediction = answer.pop("predictions")[0]
    assert answer == {"model": "delays", "version": 1, "alias": "production", "request_id": "r-1"}
    expected = trained().probability({"carrier": "B6"}, {"delays.rate_6h": 1.5, "delays.rate_24h": 0.5})
    assert prediction == {
        "probability": pytest.approx(expected, abs=1e-5),
        "missing_features": [],
        "feature_age_seconds": 3600.0,
    }


def test_entities_never_seen_and_values_too_old_are_missing_and_still_answered(serving: Serving, store: Online) -> None:
    answer = serving.predict("delays", body({"carrier": "ZZ"}, {"carrier": "AA"}, {"carrier": "B6"}), request_id="r-1")
    missing = [prediction["missing_features"] for prediction in answer.body["predictions"]]
    assert missing == [["delays.rate_6h", "delays.rate_24h"]] * 2 + [[]]
    assert [p["feature_age_seconds"] for p in answer.body["predictions"]] == [None, None, 3600.0]
    assert answer.missing_features == 4
    assert store.reads == 1, "all instances in one round trip"
    expected = trained().probability({"carrier": "ZZ"})
    assert answer.body["predictions"][0]["probability"] == pytest.approx(expected, abs=1e-5)


def test_a_value_that_became_known_after_as_of_is_missing(serving: Serving) -> None:
    before = (NOW - timedelta(hours=2)).isoformat()
    answer = serving.predict("delays", body({"carrier": "B6"}, as_of=before), request_id="r-1").body
    assert answer["predictions"][0]["missing_features"] == ["delays.rate_6h", "delays.rate_24h"]


def test_as_of_makes_an_old_value_fresh(serving: Serving) -> None:
    as_of = (NOW - timedelta(days=1, hours=12)).isoformat()
    answer = serving.predict("delays", body({"carrier": "AA"}, as_of=as_of), request_id="r-1").body
    assert answer["predictions"][0]["feature_age_seconds"] == 12 * 3600


def test_a_value_of_the_very_moment_is_not_known_yet(serving: Serving) -> None:
    moment = NOW - timedelta(hours=1)
    for as_of, known in ((moment, False), (moment + timedelta(microseconds=1), True)):
        answer = serving.predict("delays", body({"carrier": "B6"}, as_of=as_of.isoformat()), request_id="r-1").body
        assert bool(answer["predictions"][0]["missing_features"]) is not known


def test_the_log_has_each_digit_that_was_sent(serving: Serving) -> None:
    instances = b'[{"carrier":9007199254740993.0,"distance":0.1234567890123456789},{"carrier":true,"distance":true}]'
    features = b'[{"delays.rate_6h":0.10000000000000000001},{"delays.rate_6h":9007199254740993}]'
    sent = b'{"instances":' + instances + b',"features":' + features + b"}"
    record = serving.predict("delays", sent, request_id="r-1").record
    text = dumps(record.document())
    for fields in (instances, features):
        for field in fields.decode().strip("[]").replace("},{", "}#{").split("#"):
            assert field.strip("{}") in text


def test_given_features_replace_the_look_up(serving: Serving, store: Online) -> None:
    features = {"delays.rate_6h": 0.25}
    answer = serving.predict("delays", body({"carrier": "B6"}, features=[features]), request_id="r-1")
    assert store.reads == 0
    prediction = answer.body["predictions"][0]
    assert prediction["probability"] == pytest.approx(trained().probability({"carrier": "B6"}, features), abs=1e-5)
    assert prediction["missing_features"] == ["delays.rate_24h"]
    assert prediction["feature_age_seconds"] is None
    assert answer.record.document()["features_from"] == "request"


def test_the_record_holds_what_went_in_and_what_came_out(serving: Serving) -> None:
    record = serving.predict("delays", body({"carrier": "B6", "distance": None}), request_id="r-1").record
    assert record.key == "delays/date=2013-05-01/hour=12/r-1.json"
    document = record.document()
    assert document["run_id"] == "run-1"
    assert document["data_version"] == "d" * 64
    assert document["received_at"] == document["as_of"] == "2013-05-01T12:00:00+00:00"
    logged = document["predictions"][0]
    assert logged["inputs"] == {"carrier": "B6", "distance": None}
    assert logged["features"] == {"delays.rate_6h": 1.5, "delays.rate_24h": 0.5}
    assert 0 < logged["probability"] < 1


def test_explained_answers_and_the_log_tell_found_missing_and_expired_apart(serving: Serving) -> None:
    asked = ({"carrier": "B6"}, {"carrier": "AA"}, {"carrier": "ZZ"})
    expected = [
        {"delays": {"status": "FOUND", "age_seconds": 3600.0}},
        {"delays": {"status": "EXPIRED", "age_seconds": 2 * 86_400.0}},
        {"delays": {"status": "MISSING", "age_seconds": None}},
    ]
    explained = serving.predict("delays", body(*asked, explain=True), request_id="r-1")
    assert [prediction["views"] for prediction in explained.body["predictions"]] == expected
    plain = serving.predict("delays", body(*asked, explain=False), request_id="r-2")
    assert all("views" not in prediction for prediction in plain.body["predictions"])
    for record in (explained.record, plain.record):
        assert [prediction["views"] for prediction in record.document()["predictions"]] == expected
    given = serving.predict("delays", body(asked[0], features=[{}], explain=True), request_id="r-3")
    assert (given.body["predictions"][0]["views"], given.record.document()["predictions"][0]["views"]) == ({}, {})


def test_a_malformed_instance_is_refused_before_anything_is_looked_up(serving: Serving, store: Online) -> None:
    with pytest.raises(InvalidBody, match="instance 1: distance: 'far'"):
        serving.predict("delays", body({"carrier": "B6"}, {"carrier": "B6", "distance": "far"}), request_id="r-1")
    assert store.reads == 0


def test_throttled_reads_are_an_error_that_may_be_tried_again(
    registry: Registry, artifacts: ArtifactStore, serving: Serving
) -> None:
    class Throttled(Online):
        def read(self, keys: object, attributes: object) -> dict[str, dict[str, bytes]]:
            raise OnlineStoreBusy("keys stayed unprocessed")

    with pytest.raises(OnlineStoreBusy) as busy:
        Serving(ServingModels(registry, artifacts), Throttled()).predict(
            "delays", body({"carrier": "B6"}), request_id="r"
        )
    assert busy.value.http_status == 503


@pytest.mark.parametrize("name", ["", "../x", "Delays", "a" * 100, "delays#1"])
def test_what_cannot_be_a_name_is_not_looked_up(serving: Serving, name: str) -> None:
    with pytest.raises(UnknownModel):
        serving.predict(name, body({"carrier": "B6"}), request_id="r-1")
    with pytest.raises(UnknownModel):
        serving.predict("delays", body({"carrier": "B6"}), request_id="r-1", alias=name)


def test_the_card_says_what_serves(serving: Serving) -> None:
    card = serving.card("delays")
    assert card["version"] == 1
    assert card["metrics"] == {"roc_auc": 0.72}
    assert [entry["name"] for entry in card["inputs"]] == ["carrier", "distance"]
    assert card["features"][0] == {
        "name": "delays.rate_6h", "kind": "number", "entity": ["carrier"], "ttl_seconds": 86_400.0,
    }  # fmt: skip
