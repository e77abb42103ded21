"""The state machine's registry tasks, as Step Functions calls them: perhaps twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from headwater.handlers.registry import promote, register
from headwater.registry.errors import AliasMoved, ArtifactInvalid, ArtifactNotFound, ChampionMoved, LeakSuspected
from headwater.registry.service import Registry
from headwater.registry.types import LeakWarning
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.dataset import Dataset
from headwater.versions.service import Versions
from tests.unit.handlers.serving.cases import Context
from tests.unit.registry.cases import TABLE, candidate, mocked_aws
from tests.unit.serving.cases import leave_run, make_cloud, put, trained

CONTEXT = Context()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    environment = register.Settings.environment(
        registry_table=TABLE, artifacts_bucket="artifacts", lake_bucket="lake"
    )  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with mocked_aws(monkeypatch):
        make_cloud("lake")
        register.service.cache_clear()  # type: ignore[attr-defined]
        promote.registry.cache_clear()  # type: ignore[attr-defined]
        yield Registry(Table(TABLE, CLIENTS), pause=lambda _: None)


def test_a_run_is_registered_once_however_often_the_task_runs(registry: Registry) -> None:
    made = leave_run()
    put("runs/delays/run-1/candidate.json", made.model_copy(update={"promotion": "automatic"}))
    event = {"model": "delays", "run_id": "run-1"}
    answers = [register.handler(event, CONTEXT) for _ in range(2)]  # type: ignore[arg-type]
    assert answers[0] == answers[1] == {
        "model": "delays", "version": 1, "status": "READY", "reasons": [], "warnings": [], "promotion": "automatic",
        "champion": None,
    }  # fmt: skip
    dataset = models()
    (logged,) = dataset.log()
    assert registry.version("delays", 1).commit == logged.id == dataset.resolve("v1")
    assert [entry.path for entry in dataset.files("v1")] == [
        "candidate.json", "golden.json", "model.onnx", "package.json"
    ]  # fmt: skip
    assert dataset.read("model.onnx", "v1") == trained().graph
    assert (logged.commit.meta["run_id"], logged.commit.meta["roc_auc"]) == ("run-1", "0.72")


@pytest.mark.parametrize(("operation", "lost"), [("TransactWriteItems", number) for number in (1, 2, 3)])
def test_a_registration_that_dies_between_commit_version_and_tag_is_made_good(
    registry: Registry, operation: str, lost: int
) -> None:
    class Dead(BaseException):
        """The process is gone."""

    calls = iter(range(1, 100))

    def die(**_: object) -> None:
        if next(calls) == lost:
            raise Dead

    leave_run()
    CLIENTS("dynamodb").meta.events.register(f"after-call.dynamodb.{operation}", die)
    event = {"model": "delays", "run_id": "run-1"}
    with pytest.raises(Dead):
        register.handler(event, CONTEXT)  # type: ignore[arg-type]
    assert register.handler(event, CONTEXT)["version"] == 1  # type: ignore[arg-type]
    assert len(registry.versions("delays")) == len(list(models().log())) == 1
    assert models().resolve("v1") == registry.version("delays", 1).commit


def test_each_version_s_commit_holds_its_own_files_and_no_others(registry: Registry) -> None:
    for number, run_id in enumerate(("run-1", "run-2")):
        made = leave_run(run_id, seed=number)
        if number:
            put(f"runs/delays/{run_id}/candidate.json", made.model_copy(update={"golden": None}))
        register.handler({"model": "delays", "run_id": run_id}, CONTEXT)  # type: ignore[arg-type]
    changes = {change.path: change.kind for change in models().diff("v1", "v2")}
    assert changes == {
        "candidate.json": "changed", "golden.json": "removed", "model.onnx": "changed", "package.json": "changed"
    }  # fmt: skip


def models() -> Dataset:
    return Versions("lake", Table(TABLE, CLIENTS), CLIENTS).dataset("models/delays")


def test_a_rejected_candidate_is_an_outcome_and_not_a_failure(registry: Registry) -> None:
    made = leave_run()
    put("runs/delays/run-1/candidate.json", candidate(passed=False, package=made.package))
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


def test_a_promotion_says_in_each_line_which_run_asked_for_it(registry: Registry) -> None:
    registry.register(candidate())
    event = {"model": "delays", "alias": "production", "to": 1, "expected": None, "run_id": "run-1"}
    promote.handler(event, CONTEXT)  # type: ignore[arg-type]
    keys = promote.logger.get_current_keys()
    assert (keys["run_id"], keys["model"], keys["version"]) == ("run-1", "delays", 1)


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


def test_a_late_retry_of_a_promotion_leaves_a_rollback_alone(registry: Registry) -> None:
    for run_id in ("run-1", "run-2"):
        registry.register(candidate(run_id))
    registry.promote("delays", alias="production", to=1, expected=None)
    event = {"model": "delays", "alias": "production", "to": 2, "expected": 1, "run_id": "run-2"}
    first = promote.handler(event, CONTEXT)  # type: ignore[arg-type]
    registry.rollback("delays")
    assert promote.handler(event, CONTEXT) == first  # type: ignore[arg-type]
    assert registry.current("delays", "production") == 1


def test_a_run_whose_champion_has_gone_is_told_so_and_moves_nothing(registry: Registry) -> None:
    for run_id in ("run-1", "run-2", "run-3"):
        registry.register(candidate(run_id))
    registry.promote("delays", alias="production", to=2, expected=None)
    event = {"model": "delays", "alias": "production", "to": 3, "expected": 1, "run_id": "run-3"}
    assert "points at version 2, not at version 1" in promote.handler(event, CONTEXT)["stale"]  # type: ignore[arg-type]
    assert registry.current("delays", "production") == 2


def test_overlapping_trainings_promote_only_what_was_judged_by_the_champion(registry: Registry) -> None:
    """Every order of two runs' steps; each step is delivered twice, as Step Functions may."""
    for number, order in enumerate(sorted(set(itertools.permutations("aaabbb")))):
        model = f"m{number}"
        runs = {name: Overlapping(registry, model, name) for name in "ab"}
        for name in order:
            runs[name].step()
        while not all(run.done for run in runs.values()):
            for run in runs.values():
                run.step()
        moves = registry.log(model, "production")
        assert moves
        for move in moves:
            assert move.to is not None
            assert registry.version(model, move.to).candidate.champion_version == move.before, order


class Overlapping:
    """One run as its state machine takes it: judge, register, promote, and judge anew when an answer is stale."""

    def __init__(self, registry: Registry, model: str, run_id: str) -> None:
        self.registry, self.model, self.run_id = registry, model, run_id
        self.state, self.done, self.version = "judge", False, 0
        self.judged = candidate(run_id, model=model)

    def step(self) -> None:
        if self.done:
            return
        if self.state == "judge":
            champion = self.registry.current(self.model, "production")
            self.judged = self.judged.model_copy(update={"champion_version": champion})
            self.state = "register"
        elif self.state == "register":
            try:
                for _ in range(2):
                    self.version = self.registry.register(self.judged, still_champion=True).version
                self.state = "promote"
            except ChampionMoved:
                self.state = "judge"
        else:
            event = {
                "model": self.model,
                "alias": "production",
                "to": self.version,
                "expected": self.judged.champion_version,
                "run_id": self.run_id,
            }
            answers = [promote.handler(event, CONTEXT) for _ in range(2)]  # type: ignore[arg-type]
            assert answers[0] == answers[1]
            self.state, self.done = "judge", "stale" not in answers[0]


def test_a_version_that_may_leak_is_promoted_by_a_person_who_says_why(registry: Registry) -> None:
    made = leave_run()
    leak = LeakWarning(column="paid", metric="roc_auc", value=1.0, rows=500)
    put("runs/delays/run-1/candidate.json", made.model_copy(update={"promotion": "automatic", "leaks": (leak,)}))
    answer = register.handler({"model": "delays", "run_id": "run-1"}, CONTEXT)  # type: ignore[arg-type]
    assert (answer["status"], answer["promotion"]) == ("READY", "manual")
    assert answer["warnings"] == ["possible leak: column paid alone reaches roc_auc 1.0000 on 500 rows"]
    with pytest.raises(LeakSuspected, match="column paid alone"):
        registry.promote("delays", alias="production", to=1, expected=None)
    assert registry.promote("delays", alias="staging", to=1, expected=None).to == 1
    assert registry.promote("delays", alias="production", to=1, expected=None, why="it is paid in advance").to == 1


def test_a_request_that_says_too_little_is_refused(registry: Registry) -> None:
    with pytest.raises(ValidationError, match="expected"):
        promote.handler({"model": "delays", "alias": "production", "to": 1}, CONTEXT)  # type: ignore[arg-type]
