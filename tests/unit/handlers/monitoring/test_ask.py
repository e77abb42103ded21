"""The function behind ``GET /models/{model}/monitor/...``: documented answers, ETags, refusals with their reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.handlers.answers import answer as answered
from headwater.handlers.answers import still_true, tag_of
from headwater.handlers.monitoring import ask
from tests.contract import held
from tests.unit.lake.invocation import Context
from tests.unit.monitoring.logs import BUCKET
from tests.unit.monitoring.outcomes import MODEL, TIMES, TODAY, Outcomes, new_outcomes

FIRST = f"{TODAY}T{TIMES[0]:02}-v1-0-0.0"


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


@pytest.mark.parametrize("question", ["status", "drift", "quality", "performance"])
def test_an_answer_that_the_caller_has_is_neither_sent_nor_computed_again(
    world: Outcomes, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    tag = get(question)["headers"]["ETag"]
    assert tag == get(question)["headers"]["ETag"]
    assert get(question, tag='"x"')["statusCode"] == 200
    again = get(question, tag="*")
    assert (again["statusCode"], again["body"], again["headers"]["ETag"]) == (304, "", tag)
    # Another question isn't answered by its tag.
    assert question == "status" or get(question, tag=tag, from_=f"{TODAY}", to=f"{TODAY}")["headers"]["ETag"] != tag

    def computes(*_: Any, **__: Any) -> Any:
        raise AssertionError("it is computed")

    monkeypatch.setattr("headwater.monitoring.watching.Watching.status", computes)
    monkeypatch.setattr("headwater.monitoring.days.service.Days.counted", computes)
    monkeypatch.setattr("headwater.monitoring.days.service.Days.frames", computes)
    for known in (tag, f'"x", {tag}', f"W/{tag}"):
        again = get(question, tag=known)
        assert (again["statusCode"], again["body"]) == (304, "")
        assert again["headers"]["ETag"] == tag


def test_what_an_answer_follows_from_changes_its_tag(world: Outcomes) -> None:
    tags = [get("performance")["headers"]["ETag"]]
    assert get("performance", tag=tags[0])["statusCode"] == 304
    # A label more, whose prediction nobody knows: the body is the same, and is told so.
    world.write([{"prediction_id": "nobody.0", "value": 1.0}], datetime.now(UTC))
    again = get("performance", tag=tags[0])
    assert again["statusCode"] == 304
    tags.append(again["headers"]["ETag"])
    assert tags[1] != tags[0]
    assert tags[1].rpartition(".")[2] == tags[0].rpartition(".")[2]
    # A correction of one that is known.
    world.write([{"prediction_id": FIRST, "value": 1.0}], datetime.now(UTC))
    world.write([{"prediction_id": FIRST, "value": 0.0}], datetime.now(UTC))
    changed = get("performance", tag=tags[1])
    tags.append(changed["headers"]["ETag"])
    assert len(set(tags)) == 3
    drift = get("drift")["headers"]["ETag"]
    world.watched.registry.promote(MODEL, alias="staging", to=1, expected=None)
    assert get("drift", tag=drift)["headers"]["ETag"] != drift


def test_an_answer_holds_until_the_lake_gives_a_label_by_itself() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    tag = tag_of("f", at + timedelta(hours=1), "{}")
    assert still_true(tag, "f", at) == tag
    assert still_true(tag, "f", at + timedelta(hours=1)) is None
    assert still_true(tag, "g", at) is None
    forever = tag_of("f", None, "{}")
    assert still_true(f"W/{forever}", "f", at + timedelta(days=900)) == forever
    assert [still_true(odd, "f", at) for odd in ("", "*", '"f"', '"f..', '"f.x.y"')] == [None] * 3 + ['"f..', None]


@pytest.mark.parametrize(
    ("question", "query", "status", "said"),
    [
        ("performance", {"model": "nobody"}, 404, "no version of model 'nobody' is registered"),
        ("performance", {"segment": "carrier=UA"}, 404, "has no segment"),
        ("performance", {"from_": "2026-03-09", "to": "2026-03-02"}, 400, "first one not after the last"),
        ("drift", {"from_": "2026-01-01", "to": "2026-03-02"}, 400, "expected 1 to 31 days"),
        ("quality", {"from_": "March"}, 400, "is no day"),
        ("performance", {"as_of": "2026-03-05"}, 400, "has no time zone: write 2026-03-05T00:00:00Z"),
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

    found = answered(broken, ask.logger, "r")
    assert (found["statusCode"], "secret" in found["body"], "ETag" in found["headers"]) == (500, False, False)
