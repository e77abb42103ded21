"""The function that takes labels in: each is answered with a verdict, and nothing that is wrong is lost silently."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from localcloud.embedded_metrics import metrics_in
from pydantic import TypeAdapter

from headwater.handlers.monitoring import label
from headwater.monitoring.labels.messages import LabelsAnswer, LabelsBody
from tests.unit.lake.invocation import Context
from tests.unit.monitoring.labelling import Shop, keys_of, new_shop
from tests.unit.monitoring.logs import BUCKET

GOOD = {"prediction_id": "r-1.0", "value": 1, "observed_at": "2026-03-01T10:00:00Z", "source": "clerk"}


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with new_shop() as made:
        monkeypatch.setenv("HEADWATER_PREDICTIONS_BUCKET", BUCKET)
        label.writer.cache_clear()  # type: ignore[attr-defined]
        made.register()
        yield made


def post(body: Any, model: str = "buys", *, binary: bool = False) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer."""
    text = body if isinstance(body, str) else json.dumps(body)
    event = {
        "requestContext": {"http": {"method": "POST"}},
        "rawPath": f"/models/{model}/labels",
        "body": base64.b64encode(text.encode()).decode() if binary else text,
        "isBase64Encoded": binary,
    }
    answer = label.handler(event, Context())
    return answer["statusCode"], json.loads(answer["body"])


def test_each_label_has_a_verdict(stand: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"labels": [GOOD, {**GOOD, "value": 2}, GOOD]}
    status, answer = post(body)
    assert status == 202
    assert answer == {
        "model": "buys",
        "verdicts": [
            {"verdict": "TAKEN"},
            {"verdict": "REFUSED", "field": "value", "given": "2", "expected": "0 or 1, or true or false"},
            {"verdict": "KNOWN"},
        ],
    }
    TypeAdapter(LabelsAnswer).validate_python(answer)
    TypeAdapter(LabelsBody).validate_python(body)
    metrics = [metric for line in capsys.readouterr().out.splitlines() for metric in metrics_in(line)]
    assert {metric.name: sum(metric.values) for metric in metrics if metric.name.startswith("Labels")} == {
        "LabelsTaken": 2, "LabelsRefused": 1,
    }  # fmt: skip


def test_the_same_request_again_is_known(stand: Shop) -> None:
    assert post({"labels": [GOOD]}, binary=True)[1]["verdicts"] == [{"verdict": "TAKEN"}]
    assert post({"labels": [GOOD]})[1]["verdicts"] == [{"verdict": "KNOWN"}]
    assert len(keys_of()) == 1


@pytest.mark.parametrize(
    ("body", "model", "status", "reason"),
    [
        ("{", "buys", 400, "InvalidLabels"),
        ("", "buys", 400, "InvalidLabels"),
        ("[]", "buys", 400, "InvalidLabels"),
        ({"labels": []}, "buys", 400, "InvalidLabels"),
        ({"labels": {"value": 1}}, "buys", 400, "InvalidLabels"),
        ({"labels": [GOOD], "model": "buys"}, "buys", 400, "InvalidLabels"),
        ({"labels": [GOOD] * 501}, "buys", 413, "LabelsTooLarge"),
        ({"labels": [{**GOOD, "source": "x" * 600_000}]}, "buys", 413, "LabelsTooLarge"),
        ('{"labels": [{"value": 1, "value": 0, "prediction_id": "r.0"}]}', "buys", 400, "InvalidLabels"),
        ('{"labels": [{"value": NaN, "prediction_id": "r.0"}]}', "buys", 400, "InvalidLabels"),
        ("[" * 5000, "buys", 400, "InvalidLabels"),
        ({"labels": [GOOD]}, "nobody", 404, "ModelNotRegistered"),
    ],
)
def test_a_request_that_is_wrong_is_answered_with_its_reason(
    stand: Shop, body: Any, model: str, status: int, reason: str
) -> None:
    found, answer = post(body, model)
    assert (found, answer["reason"]) == (status, reason)
    assert keys_of() == []


def test_what_no_text_holds_is_refused_by_name(stand: Shop) -> None:
    status, answer = post(
        '{"labels": [{"prediction_id": "r\\ud800.0", "value": 1}, {"value": 1e999}, {"x\\ud800": 1}]}'
    )
    assert status == 202
    assert {one["verdict"] for one in answer["verdicts"]} == {"REFUSED"}
    json.dumps(answer).encode()
