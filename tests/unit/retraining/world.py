"""Policies on moto: a standing that the test says, trainings that can be watched, and faults."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.declare import Catalog, Model, Retraining
from headwater.lake.types import DataVersion, PinnedCommit
from headwater.retraining.service import Policies, Size
from headwater.retraining.standing import key_of
from headwater.retraining.store import PolicyFunction, RetrainStore, Seen, Trainings
from headwater.retraining.types import Ask, CurrentRun, Decision, Outcome, Phase, RetrainState, Standing
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.prepare import definition_of
from tests.crashing import Killed
from tests.unit.registry.cases import TABLE, make_table, mocked_aws
from tests.unit.schedules.world import Faults, FaultyTable
from tests.unit.training.products import BUYS, products

NAME = BUYS.name
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SIZE = Size(vcpus=2, memory_mib=8192)


class Runs:
    """Trainings that stay until somebody ends them; started once for each name."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.started: dict[str, CurrentRun] = {}
        self.seen: dict[str, Seen] = {}

    def start(self, model: str, run: CurrentRun) -> None:
        fault = self.faults.next()
        if fault == "killed before":
            raise Killed
        if run.run_id not in self.started:
            self.started[run.run_id] = run
            self.seen[run.run_id] = Seen(None)
        if fault == "killed after":
            raise Killed

    def look(self, run_id: str) -> Seen | None:
        return self.seen.get(run_id)

    @property
    def running(self) -> list[str]:
        return [run for run, seen in self.seen.items() if seen.outcome is None]

    def end(self, outcome: Outcome, seconds: float = 600.0) -> None:
        """End all that runs."""
        for run in self.running:
            self.seen[run] = Seen(outcome, seconds, "as the test says")


class World:
    """The policy of one model, whose time stands until it is moved."""

    def __init__(self, **policy: Any) -> None:
        self.now = datetime(2026, 3, 2, tzinfo=UTC)
        self.faults = Faults()
        self.store, self.runs = RetrainStore(FaultyTable(self.faults)), Runs(self.faults)
        self.standing = Standing(champion=1, champion_run="by-hand", champion_data="before")
        self.numbers = itertools.count(1)
        self.data = 0
        self.declare(**policy)
        self.upload()

    def declare(self, **policy: Any) -> None:
        """Deploy another policy."""
        model = BUYS.model_copy(update={"retraining": Retraining(**policy)})
        self.catalog: Catalog = products(model)
        self.policies = Policies(
            self.catalog, self.store, self.runs, self.read, SIZE, now=lambda: self.now, pause=lambda _: None
        )

    def upload(self) -> None:
        """New rows."""
        self.data += 1

    def read(self, model: Model) -> Standing:
        """How the model stands, with its key as the stack makes it."""
        pinned = DataVersion(commits={"visits": PinnedCommit(commit=f"{self.data:064x}", revision=self.data)})
        key = key_of(pinned.id, definition_of(self.catalog, model), self.standing.champion)
        held = self.store.holder(model.name, key)
        update: dict[str, Any] = {"data_version": pinned.id, "pinned": pinned.model_dump_json(), "key": key}
        if held is not None:
            update |= {"key_run": held.run_id, "key_failed": held.failed}
        return self.standing.model_copy(update=update)

    def ask(self, kind: str, *, named: str = "", run: str = "") -> Decision:
        return self.policies.ask(NAME, self.event(kind, named=named, run=run))

    def event(self, kind: str, *, named: str = "", run: str = "") -> Ask:
        return Ask.model_validate(
            {"id": named or f"{kind}-{next(self.numbers)}", "kind": kind, "why": "the test asks", "run": run}
        )

    def later(self, time: timedelta) -> RetrainState:
        self.now += time
        return self.policies.look(NAME)

    def end(self, outcome: Outcome, seconds: float = 600.0) -> RetrainState:
        """End the training, as its event tells; a promoted one serves from then on."""
        for run in self.runs.running:
            if outcome is Outcome.PROMOTED:
                self.serves(self.runs.started[run])
        self.runs.end(outcome, seconds)
        return self.policies.look(NAME)

    def serves(self, run: CurrentRun) -> None:
        """The alias moves to the run's version."""
        number = (self.standing.champion or 0) + 1
        self.standing = Standing(champion=number, champion_run=run.run_id, champion_data=run.data_version)

    @property
    def state(self) -> RetrainState:
        return self.store.state(NAME)

    @property
    def phase(self) -> Phase:
        return self.state.phase

    @property
    def log(self) -> list[str]:
        """Decisions, oldest first."""
        return [f"{one.verdict.value} {one.code}".strip() for one in reversed(self.store.log(NAME, 100))]

    def worse(self, windows: int = 3, labelled: int = 900, coverage: float = 0.95) -> None:
        """The monitor finds that performance is worse than its limit."""
        update = {"worse": "realised roc_auc 0.61", "worse_windows": windows}
        update |= {"labelled": labelled, "coverage": coverage, "labels_until": self.now.date() - DAY}
        self.standing = self.standing.model_copy(update=update)


@contextmanager
def new_world(monkeypatch: pytest.MonkeyPatch, **policy: Any) -> Iterator[World]:
    with mocked_aws(monkeypatch):
        make_table()
        yield World(**policy)


def answer_in_process(monkeypatch: pytest.MonkeyPatch, trainings: Trainings) -> None:
    """Let the policy answer for a model ``delays`` without the function that is around it on a stack."""
    catalog = products(BUYS.model_copy(update={"name": "delays"}))
    table = Table(TABLE, CLIENTS)
    pinned = DataVersion(commits={"visits": PinnedCommit(commit=f"{1:064x}", revision=1)})

    def standing(model: Model) -> Standing:
        key = key_of(pinned.id, definition_of(catalog, model), None)
        held = RetrainStore(table).holder(model.name, key)
        found = {"key_run": held.run_id, "key_failed": held.failed} if held else {}
        return Standing(data_version=pinned.id, pinned=pinned.model_dump_json(), key=key, **found)

    policies = Policies(catalog, RetrainStore(table), trainings, standing, SIZE)
    monkeypatch.setattr(PolicyFunction, "ask", lambda _, model, ask: policies.ask(model, ask))
