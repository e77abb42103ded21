"""The deployed predict function as API Gateway sees it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.handlers.serving import predict
from headwater.registry.service import Registry
from headwater.storage.environment import CLIENTS
from tests.contract import DOCUMENT, held
from tests.unit.handlers.serving.cases import Context, get, post
from tests.unit.serving.cases import leave_run, online, trained

PATH = "/models/delays/predictions"
B6 = {"instances": [{"carrier": "B6", "distance": 1.0}]}


@pytest.fixture
def serving(registry: Registry) -> Registry:
    """Version 1 in production."""
    registry.register(leave_run())
    registry.promote("delays", alias="production", to=1, expected=None)
    return registry


def ask(event: dict[str, Any], request_id: str = "request-1") -> tuple[int, dict[str, Any]]:
    answer = held(event, predict.handler(event, Context(request_id)))  # type: ignore[arg-type]
    assert answer["headers"]["Content-Type"] == "application/json"
    return answer["statusCode"], json.loads(answer["body"])


def logged() -> list[dict[str, Any]]:
    """The prediction log's objects."""
    keys = [entry["Key"] for entry in CLIENTS("s3").list_objects_v2(Bucket="predictions").get("Contents", [])]
    return [json.loads(CLIENTS("s3").get_object(Bucket="predictions", Key=key)["Body"].read()) for key in keys]


def metrics(printed: str, name: str) -> list[dict[str, Any]]:
    """The EMF documents among what a function printed that hold the metric."""
    documents = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return [document for document in documents if "_aws" in document and name in document]


def put_online(carrier: str, event_time: datetime, rate_6h: float) -> None:
    key, values = online(carrier, event_time, rate_6h=rate_6h)
    item = {name: {"B": value} for name, value in values.items()}
    CLIENTS("dynamodb").put_item(TableName="features", Item={"pk": {"S": key}, **item})


def test_a_prediction_comes_with_what_made_it_and_is_logged(
    serving: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    put_online("B6", datetime.now(UTC) - timedelta(hours=1), 1.5)
    status, answer = ask(post(PATH, B6))
    prediction = answer["predictions"][0]
    expected = trained().probability(B6["instances"][0], {"delays.rate_6h": 1.5})
    assert status == 200
    assert (answer["model"], answer["version"], answer["alias"], answer["request_id"]) == (
        "delays", 1, "production", "request-1")  # fmt: skip
    assert prediction["probability"] == pytest.approx(expected, abs=1e-5)
    assert prediction["missing_features"] == ["delays.rate_24h"]
    assert prediction["feature_age_seconds"] == pytest.approx(3600, abs=60)
    entry = logged()[0]
    assert entry["request_id"] == "request-1"
    assert entry["predictions"][0]["inputs"] == B6["instances"][0]
    (counted,) = metrics(capsys.readouterr().out, "Predictions")
    assert (counted["model"], counted["service"], counted["version"], counted["run_id"]) == (
        "delays", "serving", 1, "run-1")  # fmt: skip
    assert counted["MissingFeatures"] == [1.0]
    assert counted["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Headwater"


def test_a_base64_body_is_read_too(serving: Registry) -> None:
    event = post(PATH, base64.b64encode(json.dumps(B6).encode()).decode()) | {"isBase64Encoded": True}
    assert ask(event)[0] == 200
    assert ask(event | {"body": "%"})[0] == 400


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        ("{", "InvalidBody", "the body is not JSON"),
        ("", "InvalidBody", "the body is not JSON"),
        ({"instances": [{"carrier": "B6"}] * 101}, "InvalidBody", "101 instances, expected a list of 1 to 100"),
        ({"instances": [{"carrier": "B6", "distance": "far"}]}, "InvalidBody", "instance 0: distance: 'far'"),
        ('{"instances": [{"carrier": "B6", "distance": NaN}]}', "InvalidBody", "NaN is no JSON value"),
        ('{"instances": [{"carrier": "\\ud800"}]}', "InvalidBody", "instance 0: carrier"),
        ('{"instances": [{"carrier": "\ud800"}]}', "InvalidBody", "instance 0: carrier"),
    ],
)
def test_a_malformed_request_is_a_400_in_words(serving: Registry, body: Any, reason: str, message: str) -> None:
    status, answer = ask(post(PATH, body))
    assert (status, answer["reason"], answer["request_id"]) == (400, reason, "request-1")
    assert message in answer["message"]
    assert logged() == []


def test_a_body_that_is_too_long_is_a_413(serving: Registry) -> None:
    assert ask(post(PATH, " " * 300_000))[0] == 413


def test_an_unknown_model_is_a_404_that_names_no_other(serving: Registry) -> None:
    for event in (post("/models/wine/predictions", B6), post(PATH, B6, alias="canary"), get("/models/wine")):
        status, answer = ask(event)
        assert (status, answer["reason"]) == (404, "UnknownModel")
    assert "delays" not in ask(post("/models/wine/predictions", B6))[1]["message"]


def test_an_unknown_path_is_a_404_of_the_same_shape(serving: Registry) -> None:
    assert ask(get("/")) == (
        404, {"reason": "NotFound", "message": "there is no GET /", "request_id": "request-1"})  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PATH),
        ("POST", "/models/delays"),
        ("DELETE", "/models/delays"),
        ("GET", "/models/"),
        ("GET", "/models/delays/"),
        ("POST", f"{PATH}/1"),
        ("POST", f"/v1{PATH}"),
    ],
)
def test_a_path_with_the_wrong_method_and_one_that_is_almost_right_are_unknown(
    serving: Registry, method: str, path: str
) -> None:
    event = post(path, B6)
    event["requestContext"]["http"]["method"] = method
    status, answer = ask(event)
    assert (status, answer["reason"], answer["message"]) == (404, "NotFound", f"there is no {method} {path}")
    assert logged() == []


def test_an_event_without_query_headers_or_body_is_answered_in_words(serving: Registry) -> None:
    # API Gateway leaves out what a request doesn't have.
    event = post(PATH, B6)
    for absent in ("queryStringParameters", "headers"):
        del event[absent]
    assert ask(event)[0] == 200
    del event["body"]
    assert ask(event)[0] == 400


def test_a_name_that_can_be_none_is_an_unknown_model(serving: Registry) -> None:
    for path, query in ((PATH.replace("delays", "%64elays"), {}), (PATH, {"alias": ""}), (PATH, {"alias": "a,b"})):
        assert ask(post(path, B6, **query))[1]["reason"] == "UnknownModel"


def test_each_request_is_counted_once_and_under_its_own_version(
    serving: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.register(leave_run("run-2", seed=1))
    serving.promote("delays", alias="staging", to=2, expected=None)
    for number, alias in enumerate(("production", "staging", "production")):
        ask(post(PATH, {"instances": B6["instances"] * (number + 1)}, alias=alias), f"request-{number}")
    counted = metrics(capsys.readouterr().out, "Predictions")
    assert [(line["request_id"], line["version"], line["run_id"], line["Predictions"]) for line in counted] == [
        ("request-0", 1, "run-1", [1]), ("request-1", 2, "run-2", [2]), ("request-2", 1, "run-1", [3])]  # fmt: skip
    for line in counted:
        (described,) = line["_aws"]["CloudWatchMetrics"]
        assert sorted(described["Dimensions"][0]) == ["model", "service"]
        assert {entry["Name"]: entry["Unit"] for entry in described["Metrics"]} == {
            "Predictions": "Count", "MissingFeatures": "Count", "Latency": "Milliseconds"}  # fmt: skip
        assert abs(line["_aws"]["Timestamp"] / 1000 - datetime.now(UTC).timestamp()) < 60


def test_the_card_is_that_of_the_version_that_serves(serving: Registry) -> None:
    status, card = ask(get("/models/delays"))
    assert (status, card["version"], card["metrics"]) == (200, 1, {"roc_auc": 0.72})


def test_a_promotion_and_an_alias_in_the_query_choose_the_version(serving: Registry) -> None:
    serving.register(leave_run("run-2", seed=1))
    serving.promote("delays", alias="staging", to=2, expected=None)
    assert ask(post(PATH, B6, alias="staging"))[1]["version"] == 2
    assert ask(post(PATH, B6))[1]["version"] == 1
    serving.promote("delays", alias="production", to=2, expected=1)
    assert ask(post(PATH, B6))[1]["version"] == 2


def test_a_corrupted_artifact_is_a_500_without_internals_and_the_log_says_why(
    serving: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    serving.register(leave_run("run-2", graph=b"corrupted"))
    serving.promote("delays", alias="production", to=2, expected=1)
    status, answer = ask(post(PATH, B6))
    assert (status, answer["reason"]) == (500, "InternalError")
    assert "s3://" not in json.dumps(answer)
    assert "has sha256" in caplog.text


def test_an_unexpected_error_is_a_500_without_internals_and_its_stack_is_logged(
    serving: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    item = {"pk": "MODEL#delays", "sk": "VERSION#00000001", "document": '{"secret": 1}'}
    CLIENTS("dynamodb").put_item(TableName="registry", Item={name: {"S": value} for name, value in item.items()})
    status, answer = ask(post(PATH, B6))
    assert (status, answer["reason"], answer["request_id"]) == (500, "InternalError", "request-1")
    assert "secret" not in json.dumps(answer)
    assert "Traceback" in caplog.text
    assert "secret" in caplog.text


def test_a_prediction_log_that_fails_is_counted_and_breaks_no_prediction(
    serving: Registry, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    CLIENTS("s3").delete_bucket(Bucket="predictions")
    assert ask(post(PATH, B6))[0] == 200
    assert metrics(capsys.readouterr().out, "PredictionLogFailures")
    assert "the prediction log failed" in caplog.text
    assert "NoSuchBucket" in caplog.text


def test_a_registry_that_is_down_is_a_503_when_cold_and_served_from_memory_when_warm(
    serving: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(post(PATH, B6, alias="production"))[0] == 200
    CLIENTS("dynamodb").delete_table(TableName="registry")
    status, answer = ask(post(PATH, {**B6, "features": [{}]}))
    assert (status, answer["version"]) == (200, 1)
    assert metrics(capsys.readouterr().out, "StaleAliases")
    status, answer = ask(post(PATH, B6, alias="staging"))
    assert (status, answer["reason"], answer["message"]) == (503, "RegistryUnavailable", "try again in a moment")


def test_the_api_describes_itself(serving: Registry) -> None:
    assert ask(get("/openapi.json")) == (200, DOCUMENT)
    assert ask(post("/openapi.json", B6))[0] == 404


def test_the_looked_up_views_are_explained_as_described(serving: Registry) -> None:
    put_online("B6", datetime.now(UTC) - timedelta(hours=1), 1.5)
    for body in ({**B6, "explain": True}, {**B6, "explain": True, "features": [{}]}):
        assert ask(post(PATH, body))[0] == 200


def test_every_setting_that_the_function_needs_is_declared() -> None:
    assert set(predict.Settings.environment(
        registry_table="r", features_table="f", artifacts_bucket="a", predictions_bucket="p")) == {
        "HEADWATER_REGISTRY_TABLE", "HEADWATER_FEATURES_TABLE", "HEADWATER_ARTIFACTS_BUCKET",
        "HEADWATER_PREDICTIONS_BUCKET"}  # fmt: skip
