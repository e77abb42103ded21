"""The receiver ``retrain:<model>``: the policy's function is asked once, and its answer is kept."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from headwater.alarms.channels.store import RetrainChannel
from headwater.alarms.errors import NotificationFailed
from headwater.alarms.events import AlarmState
from headwater.alarms.types import AlarmLine, Kind, Notice, Notification
from headwater.retraining.asking import Question, tick_ask
from headwater.retraining.errors import NoPolicy, RetrainingBusy, RetrainingRefused
from headwater.retraining.store import PolicyFunction
from headwater.retraining.types import Ask, Decision, Verdict
from headwater.storage.environment import CLIENTS
from tests.unit.registry.cases import mocked_aws

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DECISION = Decision(
    model="buys", at=NOON, revision=3, verdict=Verdict.REFUSED, kind="drift", code="quality", words="late6 is stuck"
)


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    with mocked_aws(monkeypatch), Stubber(CLIENTS("lambda")) as stub:
        yield stub


def answers(stub: Stubber, answer: Any, *, failed: bool = False) -> None:
    said: dict[str, Any] = {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}
    stub.add_response("invoke", said | ({"FunctionError": "Unhandled"} if failed else {}), {
        "FunctionName": "decide", "Payload": ANY,
    })  # fmt: skip


def notification(kind: Kind = Kind.FIRING) -> Notification:
    line = AlarmLine(
        labels={"alarmname": "model-buys"}, state=AlarmState.ALARM, since=NOON, reason="Threshold Crossed",
        fingerprint="f1",
    )  # fmt: skip
    notice = Notice(group="g1", generation=2, kind=kind, labels={}, firing=1, resolved=0, lines=(line,), at=NOON)
    return Notification(notice=notice, receiver="retrain:buys")


def test_the_policys_answer_is_kept_with_the_notification(function: Stubber) -> None:
    answers(function, {"decision": DECISION.model_dump(mode="json")})
    assert RetrainChannel("buys", "decide", CLIENTS).send(notification(), None) == "REFUSED: late6 is stuck"


def test_what_is_asked_is_what_the_function_takes() -> None:
    question = {"model": "buys", "ask": {"id": f"alarm:{notification().key}", "kind": "alarm", "why": "x"}}
    ask = Question.model_validate(question).ask
    assert ask is not None
    assert ask.id == "alarm:g1-2-retrain:buys"


def test_a_recovery_asks_nothing_and_a_test_only_for_the_policy(function: Stubber) -> None:
    channel = RetrainChannel("buys", "decide", CLIENTS)
    assert channel.send(notification(Kind.RECOVERED), None) == "nothing to decide: the alarm is over"
    answers(function, {"policy": {}})
    assert channel.send(notification(Kind.TEST), None) == "the policy is there"


def test_a_function_that_fails_is_tried_again_and_a_missing_one_is_not(function: Stubber) -> None:
    answers(function, {"errorMessage": "out of memory"}, failed=True)
    with pytest.raises(NotificationFailed, match="the retraining policy failed: out of memory") as failed:
        RetrainChannel("buys", "decide", CLIENTS).send(notification(), None)
    assert not failed.value.final
    function.add_client_error("invoke", "ResourceNotFoundException")
    with pytest.raises(NotificationFailed) as missing:
        RetrainChannel("buys", "decide", CLIENTS).send(notification(), None)
    assert missing.value.final
    with pytest.raises(NotificationFailed, match="deploy Schedules"):
        RetrainChannel("buys", "", CLIENTS).send(notification(), None)


def test_a_model_that_is_gone_is_final(function: Stubber) -> None:
    answers(function, {"refused": "the stack has no model 'buys': it has none"})
    with pytest.raises(NotificationFailed, match="has no model") as found:
        RetrainChannel("buys", "decide", CLIENTS).send(notification(), None)
    assert found.value.final


def test_clients_get_the_decision_or_one_clear_error(function: Stubber) -> None:
    policy, ask = PolicyFunction("decide", CLIENTS), Ask(id=tick_ask("run-1"), kind="schedule")
    answers(function, {"decision": DECISION.model_dump(mode="json")})
    assert policy.ask("buys", ask) == DECISION
    answers(function, {"refused": "the stack has no model 'buys'"})
    with pytest.raises(RetrainingRefused, match="has no model"):
        policy.ask("buys", ask)
    answers(function, {"errorMessage": "time out"}, failed=True)
    with pytest.raises(RetrainingBusy, match="failed: time out"):
        policy.ask("buys", ask)
    function.add_client_error("invoke", "ResourceNotFoundException")
    with pytest.raises(NoPolicy, match="leaves Schedules out"):
        policy.policy("buys")
