"""The public route: what its function answers to whom, and what it writes into its log."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.handlers.monitoring import feedback
from headwater.monitoring.feedback.store import FeedbackStore
from headwater.routes import FEEDBACK
from headwater.serving.feedback.tokens import Signer
from headwater.storage.environment import CLIENTS
from headwater.storage.signing import KeyStore
from headwater.storage.table import Table
from tests.contract import held
from tests.unit.handlers.serving.cases import Context, post
from tests.unit.registry.cases import TABLE, make_table, mocked_aws

KEY = "/headwater/headwater/dev/feedback-key"
ID = "8f0c1d6e-6b1e-4c57-9a1e-0d2b4c5f6a7b.0"
PATH = FEEDBACK.url(id=ID)


@pytest.fixture(autouse=True)
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    environment = feedback.Settings.environment(registry_table=TABLE, feedback_key=KEY)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with mocked_aws(monkeypatch):
        make_table()
        feedback.service.cache_clear()  # type: ignore[attr-defined]
        yield


def token(asked: datetime | None = None) -> str:
    at = asked or datetime.now(UTC)
    return Signer(KeyStore(KEY, CLIENTS), timedelta(days=30)).tokens("delays", ID.partition(".")[0], at, 1)[0]


def ask(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = held(event, feedback.handler(event, Context()))  # type: ignore[arg-type]
    assert answer["headers"] == {"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"}
    return answer["statusCode"], json.loads(answer["body"])


def test_feedback_is_kept_and_sending_it_again_is_answered_the_same() -> None:
    event = post(PATH, {"token": token(), "verdict": "wrong", "corrected": 12.5, "author": "ann"})
    status, answer = ask(event)
    assert (status, answer["prediction_id"], answer["sequence"]) == (200, ID, 1)
    assert ask(event) == (status, answer)
    assert datetime.fromisoformat(answer["received_at"]).tzinfo is not None
    assert "T" in answer["received_at"]
    place = FeedbackStore(Table(TABLE, CLIENTS)).place(ID)
    assert place is not None
    (kept,) = FeedbackStore(Table(TABLE, CLIENTS)).of_prediction(*place, ID)
    assert (kept.model, kept.corrected, kept.author) == ("delays", 12.5, "ann")


def test_a_body_in_base64_or_of_any_content_type_is_read() -> None:
    # A form that sends text/plain needs no preflight.
    body = json.dumps({"token": token(), "verdict": "right"})
    event = post(PATH, base64.b64encode(body.encode()).decode()) | {"isBase64Encoded": True}
    event["headers"] = {"content-type": "text/plain"}
    assert ask(event)[0] == 200
    assert ask(post(PATH, "%%%") | {"isBase64Encoded": True})[0] == 400


@pytest.mark.parametrize(("body", "status", "reason"), [
    ({"verdict": "right"}, 400, "InvalidFeedback"),
    ({"token": "v1.delays.1.2.1." + "A" * 22, "verdict": "right"}, 403, "TokenRefused"),
    ("{", 400, "InvalidFeedback"),
    ("x" * 8193, 413, "FeedbackTooLarge"),
])  # fmt: skip
def test_what_is_refused_has_a_reason_and_leaves_nothing(body: Any, status: int, reason: str) -> None:
    # nyay-setu #878: a feedback endpoint took any text of any length from anybody.
    found, answer = ask(post(PATH, body))
    assert (found, answer["reason"]) == (status, reason)
    assert CLIENTS("dynamodb").scan(TableName=TABLE)["Count"] == 0


def test_without_a_key_no_token_is_genuine_and_none_is_made() -> None:
    made = token()
    CLIENTS("ssm").delete_parameter(Name=KEY)
    assert ask(post(PATH, {"token": made, "verdict": "right"}))[0] == 403
    assert CLIENTS("ssm").describe_parameters()["Parameters"] == []


def test_expired_tokens_and_those_of_other_predictions_are_refused_alike() -> None:
    old = token(datetime.now(UTC) - timedelta(days=31))
    other = FEEDBACK.url(id=ID.replace(".0", ".1"))
    refused = [
        ask(post(PATH, {"token": old, "verdict": "right"})),
        ask(post(other, {"token": token(), "verdict": "x"})),
    ]
    assert {status for status, _ in refused} == {403}
    assert refused[0][1] == refused[1][1]


def test_a_browser_is_told_that_any_page_may_send_feedback() -> None:
    event = post(PATH, "")
    event["requestContext"]["http"]["method"] = "OPTIONS"
    answer = feedback.handler(event, Context())  # type: ignore[arg-type]
    assert (answer["statusCode"], answer["body"]) == (204, "")
    assert answer["headers"]["Access-Control-Allow-Origin"] == "*"
    assert answer["headers"]["Access-Control-Allow-Headers"] == "content-type"
    # Cookies and signatures aren't what lets a page send it, so no page is told to send them.
    assert "Access-Control-Allow-Credentials" not in answer["headers"]


def test_reading_the_route_records_nothing() -> None:
    # ThumbGate #3744: whoever fetches links in advance left feedback.
    for method in ("GET", "HEAD"):
        event = post(PATH, {"token": token(), "verdict": "right"})
        event["requestContext"]["http"]["method"] = method
        assert feedback.handler(event, Context())["statusCode"] == 403  # type: ignore[arg-type]
    assert CLIENTS("dynamodb").scan(TableName=TABLE)["Count"] == 0


def test_neither_comments_nor_authors_nor_tokens_nor_keys_are_logged(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    made = token()
    secret = json.loads(CLIENTS("ssm").get_parameter(Name=KEY, WithDecryption=True)["Parameter"]["Value"])["key"]
    body = {
        "token": made,
        "verdict": "right",
        "comment": "my address is",
        "author": "ann@home",
        "corrected": "her name",
    }
    ask(post(PATH, body))
    ask(post(PATH, {**body, "token": made[:-1] + ("A" if made[-1] != "A" else "B")}))
    ask(post(PATH, {**body, "colour": "red"}))
    ask(post(PATH, {**body, "comment": "my address is" * 400}))
    logged = capsys.readouterr().out + "".join(f"{record.getMessage()}{vars(record)}" for record in caplog.records)
    assert "feedback taken" in logged
    for secret_text in ("my address", "ann@home", "her name", made.rpartition(".")[2], secret):
        assert secret_text not in logged


def test_an_unexpected_failure_says_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    CLIENTS("dynamodb").delete_table(TableName=TABLE)
    status, answer = ask(post(PATH, {"token": token(), "verdict": "right"}))
    assert (status, answer["reason"]) == (500, "InternalError")
    assert "Table" not in answer["message"]
