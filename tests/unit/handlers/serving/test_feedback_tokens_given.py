"""The predict function gives feedback tokens to requests that ask for them, and to no others."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from headwater.handlers.serving import predict
from headwater.registry.service import Registry
from headwater.serving.feedback.tokens import Verifier
from headwater.storage.environment import CLIENTS
from headwater.storage.signing import KeyStore
from tests.unit.handlers.serving.cases import Context, post
from tests.unit.handlers.serving.test_predict import B6, PATH, ask, logged, metrics
from tests.unit.serving.cases import leave_run

KEY = "/headwater/headwater/dev/feedback-key"
TWO = {"instances": [{"carrier": "B6"}, {"carrier": "AA"}]}
# A request of before there were tokens, and what was answered to it, byte by byte.
BEFORE = (
    '{"model":"delays","version":1,"alias":"production","request_id":"request-1","predictions":[{"probability":%s,'
    '"missing_features":["delays.rate_6h","delays.rate_24h"],"feature_age_seconds":null}]}'
)


@pytest.fixture
def in_production(registry: Registry) -> Registry:
    """Version 1 serves."""
    registry.register(leave_run())
    registry.promote("delays", alias="production", to=1, expected=None)
    return registry


@pytest.fixture(autouse=True)
def with_a_key(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_FEEDBACK_KEY", KEY)
    predict.signer.cache_clear()


def test_each_prediction_gets_a_token_of_its_own_that_verifies(
    in_production: Registry,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, answer = ask(post(PATH, {**TWO, "feedback": True}), "r-1")
    assert status == 200
    tokens = [prediction["feedback_token"] for prediction in answer["predictions"]]
    verifier = Verifier(KeyStore(KEY, CLIENTS))
    for number, token in enumerate(tokens):
        held = verifier.verify(token, f"r-1.{number}")
        assert held is not None
        assert held.model == "delays"
        assert verifier.verify(token, f"r-1.{1 - number}") is None
    (counted,) = metrics(capsys.readouterr().out, "FeedbackAsked")
    assert (counted["FeedbackAsked"], counted["model"], counted["service"]) == ([2], "delays", "serving")


def test_without_the_flag_the_answer_is_byte_by_byte_what_it_was(
    in_production: Registry,
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = post(PATH, {"instances": [{"carrier": "B6", "distance": 1.0}], "features": [{}]})
    for body in (event, post(PATH, {"instances": B6["instances"], "features": [{}], "feedback": False})):
        answer: dict[str, Any] = predict.handler(body, Context("request-1"))  # type: ignore[arg-type]
        number = json.dumps(json.loads(answer["body"])["predictions"][0]["probability"])
        assert answer["body"] == BEFORE % number
    # Nobody made a key, or asked for one.
    assert CLIENTS("ssm").describe_parameters()["Parameters"] == []
    assert predict.signer.cache_info().currsize == 0
    assert metrics(capsys.readouterr().out, "FeedbackAsked") == []


def test_tokens_are_neither_in_the_prediction_log_nor_in_the_function_s(
    in_production: Registry,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, answer = ask(post(PATH, {**TWO, "feedback": True}))
    (record,) = logged()
    printed = json.dumps(record) + capsys.readouterr().out + "".join(str(vars(entry)) for entry in caplog.records)
    for prediction in answer["predictions"]:
        assert prediction["feedback_token"] not in printed
        assert prediction["feedback_token"].rpartition(".")[2] not in printed
    _, plain = ask(post(PATH, TWO), "request-2")
    assert {frozenset(one["predictions"][0]) for one in logged()} == {frozenset(record["predictions"][0])}
    assert "feedback_token" not in json.dumps(plain)


def test_a_key_that_can_not_be_had_costs_the_tokens_and_not_the_predictions(
    in_production: Registry,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(*_: Any, **__: Any) -> None:
        raise CLIENTS("ssm").exceptions.ClientError(
            {"Error": {"Code": "AccessDeniedException", "Message": ""}}, "GetParameter"
        )

    monkeypatch.setattr(KeyStore, "newest", denied)
    status, answer = ask(post(PATH, {**TWO, "feedback": True}))
    assert (status, [prediction["feedback_token"] for prediction in answer["predictions"]]) == (200, [None, None])
    (counted,) = metrics(capsys.readouterr().out, "FeedbackTokenFailures")
    assert counted["FeedbackTokenFailures"] == [2.0]


def test_a_stack_without_a_key_says_that_it_gives_no_tokens(
    in_production: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HEADWATER_FEEDBACK_KEY")
    status, answer = ask(post(PATH, {**TWO, "feedback": True}))
    assert (status, answer["reason"]) == (400, "InvalidBody")
    assert "gives no feedback tokens" in answer["message"]


@pytest.mark.parametrize("given", ["yes", 1, None, []])
def test_the_flag_is_true_or_false(in_production: Registry, given: Any) -> None:
    status, answer = ask(post(PATH, {**TWO, "feedback": given}))
    assert (status, answer["message"].startswith("feedback: ")) == (400, True)


def test_what_is_loaded_without_the_flag_has_nothing_of_feedback() -> None:
    script = (
        "import sys, headwater.handlers.serving.predict; "
        "sys.exit(', '.join(name for name in sys.modules if 'feedback' in name) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
