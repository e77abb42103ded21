"""The state machine's registry tasks, as Step Functions calls them: perhaps twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from functions.registry import promote, register
from headwater.registry.errors import AliasMoved, ArtifactInvalid, ArtifactNotFound
from headwater.registry.service import Registry
from headwater.registry.store import RegistryStore
from tests.unit.functions.serving.cases import Context
from tests.unit.registry.cases import TABLE, candidate, mocked_aws
from tests.unit.serving.cases import make_cloud, put

CONTEXT = Context()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    environment = register.Settings.environment(registry_table=TABLE, artifacts_bucket="artifacts")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with mocked_aws(monkeypatch):
        make_cloud()
        register.services.cache_clear()  # type: ignore[attr-defined]
        promote.registry.cache_clear()  # type: ignore[attr-defined]
        yield Registry(RegistryStore(TABLE), pause=lambda _: None)


def test_a_run_is_registered_once_however_often_the_task_runs(registry: Registry) -> None:
    put("runs/delays/run-1/candidate.json", candidate(promotion="automatic", champion_version=3))
    event = {"model": "delays", "run_id": "run-1"}
    answers = [register.handler(event, CONTEXT) for _ in range(2)]  # type: ignore[arg-type]
    assert answers[0] == answers[1] == {
        "model": "delays", "version": 1, "status": "READY", "reasons": [], "promotion": "automatic", "champion": 3
    }  # fmt: skip


def test_a_rejected_candidate_is_an_outcome_and_not_a_failure(registry: Registry) -> None:
    put("runs/delays/run-1/candidate.json", candidate(passed=False))
    answer = register.handler({"model": "delays", "run_id": "run-1"}, CONTEXT)  # type: ignore[arg-type]
    assert (answer["status"], answer["reasons"]) == ("REJECTED", ["roc_auc is 0.6, at least 0.7"])


def test_a_run_that_left_nothing_behind_is_named(registry: Registry) -> None:
    with pytest.raises(ArtifactNotFound, match=r"s3://artifacts/runs/delays/run-1/candidate.json isn't there"):
        register.handler({"model": "delays", "run_id": "run-1"}, CONTEXT)  # type: ignore[arg-type]


def test_a_candidate_that_cannot_be_read_says_what_is_wrong(registry: Registry) -> None:
    put("runs/delays/run-1/candidate.json", b'{"model": "delays"}')
    with pytest.raises(ArtifactInvalid, match="is no Candidate: run_id: Field required"):
        register.handler({"model": "delays", "run_id": "run-1"}, CONTEXT)  # type: ignore[arg-type]


def test_a_promotion_that_step_functions_tries_again_is_one_move(registry: Registry) -> None:
    registry.register(candidate())
    event = {"model": "delays", "alias": "production", "to": 1, "expected": None}
    first = promote.handler(event, CONTEXT)  # type: ignore[arg-type]
    assert promote.handler(event, CONTEXT) == first  # type: ignore[arg-type]
    assert len(registry.log("delays", "production")) == 1


def test_the_same_promotion_after_a_rollback_is_a_new_move(registry: Registry) -> None:
    registry.register(candidate("run-1"))
    registry.register(candidate("run-2"))
    registry.promote("delays", alias="production", to=1, expected=None)
    event = {"model": "delays", "alias": "production", "to": 2, "expected": 1}
    promote.handler(event, CONTEXT)  # type: ignore[arg-type]
    registry.rollback("delays")
    assert promote.handler(event, CONTEXT)["sequence"] == 4  # type: ignore[arg-type]


def test_a_stale_promotion_fails_the_task(registry: Registry) -> None:
    registry.register(candidate())
    with pytest.raises(AliasMoved):
        promote.handler({"model": "delays", "alias": "production", "to": 1, "expected": 2}, CONTEXT)  # type: ignore[arg-type]


def test_a_request_that_says_too_little_is_refused(registry: Registry) -> None:
    with pytest.raises(ValidationError, match="expected"):
        promote.handler({"model": "delays", "alias": "production", "to": 1}, CONTEXT)  # type: ignore[arg-type]
