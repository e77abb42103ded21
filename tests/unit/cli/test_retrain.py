"""`headwater retrain` on a stack whose policies decided something."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.declare import Retraining
from headwater.retraining.store import PolicyFunction, RetrainStore
from headwater.retraining.types import Armed, Blocked, Decision, Outcome, Phase, RetrainState, Token, Verdict
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.cli.conftest import Run
from tests.unit.client.conftest import OUTPUTS, describe

MODEL = "delays"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def decision(verdict: Verdict, **fields: Any) -> Decision:
    return Decision.model_validate({"model": MODEL, "at": NOON, "revision": 1, "verdict": verdict, **fields})


@pytest.fixture(autouse=True)
def described(stack: None) -> None:
    describe("dev", {**OUTPUTS, "retraining_function": "decide", "models": MODEL})


@pytest.fixture
def decided(stack: None) -> None:
    state = RetrainState(
        model=MODEL,
        revision=1,
        phase=Phase.ARMED,
        armed=(Armed(kind="drift", since=NOON, why="unusual for days on end"),),
        blocked=Blocked(code="quality", words="what comes in is broken, and would be learnt: humid stuck 100%"),
        tokens=(Token(run_id="r", at=NOON, outcome=Outcome.REJECTED, seconds=600, dollars=0.02),),
    )
    blocked = decision(Verdict.BLOCKED, kind="drift", code="quality", words="what comes in is broken")
    assert RetrainStore(Table("registry", CLIENTS)).write(state, RetrainState(model=MODEL), blocked)


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Answers of the policy's function; how it is called is tested with the receiver that calls it too."""
    coming: list[Any] = []
    monkeypatch.setattr(PolicyFunction, "_call", lambda *_: coming.pop(0))
    return coming


def answers(coming: list[Any], answer: Any) -> None:
    coming.append(json.loads(json.dumps(answer)))


def test_status_shows_what_waits_and_what_holds_it_back(run: Run, decided: None) -> None:
    found = run("retrain", "status", MODEL)
    assert "ARMED" in found.out
    assert "1 run, $0.02" in found.out
    lines = found.out.splitlines()
    after = lines[lines.index(f"{MODEL} waits:") + 1]
    assert after == "    what comes in is broken, and would be learnt: humid stuck 100%"
    assert max(map(len, found.out.splitlines())) <= 80
    (state,) = run("retrain", "status", MODEL, "--json").json
    assert (state["phase"], state["blocked"]["code"]) == ("ARMED", "quality")


def test_why_tells_each_decision(run: Run, decided: None) -> None:
    found = run("retrain", "why", MODEL)
    assert found.out.splitlines() == ["2026-03-02 12:00  BLOCKED  drift (quality)", "    what comes in is broken"]


def test_a_run_that_is_refused_exits_with_5_and_says_what_else_can_be_done(run: Run, function: list[Any]) -> None:
    answers(
        function,
        {"decision": decision(Verdict.REFUSED, code="labels", words="12 are labelled").model_dump(mode="json")},
    )
    found = run("retrain", "run", MODEL, "--yes", "--json")
    assert found.code == 5
    assert found.json["message"] == "model 'delays' isn't retrained: 12 are labelled"
    assert found.json["next"][0] == "headwater retrain why delays"


@pytest.mark.parametrize(
    ("code", "helps"),
    [
        ("paused", "headwater retrain resume delays"),
        ("quality", "headwater monitor quality delays"),
        ("same-data", "headwater train delays  # asks nobody"),
    ],
)
def test_a_refusal_says_what_helps_against_it(run: Run, function: list[Any], code: str, helps: str) -> None:
    answers(function, {"decision": decision(Verdict.REFUSED, code=code, words="no").model_dump(mode="json")})
    assert run("retrain", "run", MODEL, "--yes", "--json").json["next"] == ["headwater retrain why delays", helps]


def test_a_run_that_starts_says_where_to_look(run: Run, function: list[Any]) -> None:
    answers(function, {"decision": decision(Verdict.REQUESTED, run_id="delays-person-1").model_dump(mode="json")})
    found = run("retrain", "run", MODEL, "--yes")
    assert "headwater runs watch delays-person-1" in found.err


def test_a_policy_is_paused_and_goes_on(run: Run, stack: None) -> None:
    until = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
    assert "is paused by" in run("retrain", "pause", MODEL, "--until", until, "--why", "holidays").err
    assert ": holidays" in run("retrain", "status", MODEL).out
    assert run("retrain", "resume", MODEL).code == 0
    again = run("retrain", "resume", MODEL)
    assert (again.code, "isn't paused" in again.err) == (5, True)
    assert run("retrain", "pause", MODEL, "--until", "2020-01-01").code == 2


def test_a_policy_is_shown_as_it_is_deployed(run: Run, function: list[Any]) -> None:
    answers(function, {"policy": Retraining(reasons=("drift",), dollars=5).model_dump(mode="json")})
    found = run("retrain", "policy", MODEL)
    assert "drift" in found.out
    assert "30 runs, 5 USD" in found.out


def test_another_model_is_not_known(run: Run, stack: None) -> None:
    found = run("retrain", "why", "nosuch")
    assert found.code == 3
    assert "has no model 'nosuch'" in found.err
