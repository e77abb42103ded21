"""The function behind ``GET /models/{model}/monitor/...``: documented answers, ETags, refusals with their reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from headwater.handlers.answers import answer as answered
from headwater.handlers.answers import tagged
from headwater.handlers.monitoring import ask
from tests.contract import held
from tests.unit.lake.invocation import Context
from tests.unit.monitoring.logs import BUCKET
from tests.unit.monitoring.outcomes import MODEL, TODAY, Outcomes, new_outcomes


@pytest.fixture(scope="module")
def world() -> Iterator[Outcomes]:
    """A day that is over and labelled."""
    with new_outcomes() as made:
        made.day(TODAY, 0)
        yield made


@pytest.fixture(autouse=True)
def environment(world: Outcomes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_PREDICTIONS_BUCKET", BUCKET)


def get(question: str, model: str = MODEL, tag: str = "", **query: str) -> dict[str, Any]:
    event = {
        "requestContext": {"http": {"method": "GET"}},
        "rawPath": f"/models/{model}/monitor/{question}",
        "queryStringParameters": {name.rstrip("_"): value for name, value in query.items()} or None,
        "headers": {"if-none-match": tag} if tag else {},
    }
    answer = ask.handler(event, Context())
    return answer if answer["statusCode"] == 304 else held(event, answer)


def body(question: str, **query: str) -> dict[str, Any]:
    answer = get(question, **query)
    assert answer["statusCode"] == 200, answer["body"]
    found: dict[str, Any] = json.loads(answer["body"])
    return found


def test_performance_has_days_and_the_whole(world: Outcomes) -> None:
    found = body("performance", from_=f"{TODAY}", to=f"{TODAY}")
    assert (found["version"], found["metric"], len(found["days"])) == (1, "roc_auc", 1)
    assert found["whole"]["verdict"] == "within its limit"
    assert found["whole"]["coverage"] == 1.0
    assert len(found["realised"]) == len(found["adjusted"]) == len(found["estimated"]) == 5
    assert body("performance", segment="shop=s")["whole"]["predictions"] == 127


def test_status_drift_and_quality_are_those_of_the_commands(world: Outcomes) -> None:
    assert body("status")["state"] in {"NORMAL", "SUSPECT", "ALARM", "COLLECTING"}
    (day,) = body("drift")["days"]
    assert (day["day"], day["rows"]) == (f"{TODAY}", 400)
    shares = body("quality")["shares"]
    assert {one["feature"] for one in shares} >= {"shop", "amount"}


def test_an_answer_that_the_caller_has_isn_t_sent_again(world: Outcomes) -> None:
    first = get("performance")
    tag = first["headers"]["ETag"]
    assert tag == get("performance")["headers"]["ETag"]
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = get("performance", tag=known)
        assert (again["statusCode"], again["body"], again["headers"]["ETag"]) == (304, "", tag)
    assert get("performance", tag='"x"')["statusCode"] == 200
    assert get("performance", tag=tag, segment="shop=s")["statusCode"] == 200


@pytest.mark.parametrize(
    ("question", "query", "status", "said"),
    [
        ("performance", {"model": "nobody"}, 404, "no version of model 'nobody' is registered"),
        ("performance", {"segment": "carrier=UA"}, 404, "has no segment"),
        ("performance", {"from_": "2026-03-09", "to": "2026-03-02"}, 400, "first one not after the last"),
        ("drift", {"from_": "2026-01-01", "to": "2026-03-02"}, 400, "expected 1 to 31 days"),
        ("quality", {"from_": "March"}, 400, "is no day"),
        ("performance", {"as_of": "2026-03-05"}, 400, "has no time zone: write 2026-03-05Z"),
        ("performance", {"from_": "2026-01-05", "to": "2026-01-06"}, 404, "has no predictions on these days"),
        ("status", {"segment": "shop=s"}, 400, "no parameter segment: expected as_of"),
    ],
)
def test_a_refusal_says_why(world: Outcomes, question: str, query: dict[str, str], status: int, said: str) -> None:
    answer = get(question, **query)
    assert answer["statusCode"] == status
    assert said in json.loads(answer["body"])["message"]
    assert "ETag" not in answer["headers"]


def test_a_question_that_there_isn_t_is_not_found(world: Outcomes) -> None:
    assert get("weather")["statusCode"] == 404


def test_an_error_of_the_inside_has_no_tag_and_tells_nothing() -> None:
    def broken() -> dict[str, Any]:
        raise KeyError("secret")

    found = tagged(answered(broken, ask.logger, "r"), "*")
    assert (found["statusCode"], "secret" in found["body"], "ETag" in found["headers"]) == (500, False, False)
