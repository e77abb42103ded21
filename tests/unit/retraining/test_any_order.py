"""Events twice, late and in any order, the function killed at any write: one training of a key, never above budget."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from headwater.declare.retraining import Reason
from headwater.retraining.machine import BUDGET_DAYS
from headwater.retraining.types import Ask, Outcome, Phase, Standing
from tests.crashing import Killed
from tests.unit.retraining.world import NAME, World, new_world

FAULTS = st.lists(st.sampled_from(["", "killed before", "killed after", "answer lost"]), max_size=4)
RUNS = 4


class AnyOrder(RuleBasedStateMachine):
    """A policy that everything happens to."""

    patch: pytest.MonkeyPatch

    def __init__(self) -> None:
        super().__init__()
        self._context = new_world(self.patch, reasons=get_args(Reason), runs=RUNS, dollars=2.0)
        self.world: World = self._context.__enter__()
        self.events: list[Ask] = []

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self._context.__exit__(None, None, None)

    def settle(self) -> None:
        """Whatever was cut short is brought to its end by the next looks, and every run is known."""
        world = self.world
        world.faults.coming = []
        world.policies.look(NAME)
        state = world.state
        assert state.phase not in {Phase.REQUESTED}
        world.end(Outcome.REJECTED)
        before = world.state
        assert before.phase in {Phase.COOLDOWN, Phase.IDLE, Phase.ARMED}
        # The same events once more change nothing of what was started.
        started = dict(world.runs.started)
        for event in self.events:
            answer = world.policies.ask(NAME, event)
            assert answer == world.store.answer(NAME, event.id)
        assert {run: one for run, one in world.runs.started.items() if run in started} == started
        assert len({decision.revision for decision in world.store.log(NAME, 1000)}) == len(world.store.log(NAME, 1000))

    def carefully(self, faults: list[str], call: Callable[[], object]) -> None:
        self.world.faults.coming = list(faults)
        try:
            call()
        except Killed:
            pass
        finally:
            self.world.faults.coming = []

    @rule(kind=st.sampled_from(["schedule", "person", "alarm", "drift"]), faults=FAULTS)
    def event(self, kind: str, faults: list[str]) -> None:
        """A new event."""
        number = len(self.events)
        self.events.append(self.world.event(kind, run=f"tick-{number}" if kind == "schedule" else ""))
        self.carefully(faults, lambda: self.world.policies.ask(NAME, self.events[-1]))

    @rule(back=st.integers(1, 6), faults=FAULTS)
    def again(self, back: int, faults: list[str]) -> None:
        """An earlier event, once more."""
        if self.events:
            event = self.events[-min(back, len(self.events))]
            self.carefully(faults, lambda: self.world.policies.ask(NAME, event))

    @rule(hours=st.sampled_from([0, 1, 3, 30, 24 * 9]), faults=FAULTS)
    def look(self, hours: int, faults: list[str]) -> None:
        """The hourly look, or one after an outage."""
        self.world.now += timedelta(hours=hours)
        self.carefully(faults, lambda: self.world.policies.look(NAME))

    @rule(outcome=st.sampled_from([Outcome.PROMOTED, Outcome.REJECTED, Outcome.FAILED, Outcome.STAGED]), faults=FAULTS)
    def end(self, outcome: Outcome, faults: list[str]) -> None:
        """A training ends, and somebody may or may not hear of it."""
        for run in self.world.runs.running:
            if outcome is Outcome.PROMOTED:
                self.world.serves(self.world.runs.started[run])
        self.world.runs.end(outcome)
        self.carefully(faults, lambda: self.world.policies.look(NAME))

    @rule()
    def upload(self) -> None:
        """New rows."""
        self.world.upload()

    @rule(is_worse=st.booleans(), is_broken=st.booleans())
    def monitor(self, is_worse: bool, is_broken: bool) -> None:
        """The monitor finds something, or nothing."""
        standing = self.world.standing
        self.world.standing = Standing(
            champion=standing.champion, champion_run=standing.champion_run, champion_data=standing.champion_data
        )
        if is_worse:
            self.world.worse()
        if is_broken:
            self.world.standing = self.world.standing.model_copy(update={"quality": "late6 stuck"})

    @invariant()
    def no_data_are_trained_twice(self) -> None:
        """Unless the training before failed, and a tick or a person asked for another."""
        by_key: dict[str, list[str]] = {}
        for run in self.world.runs.started.values():
            by_key.setdefault(run.key, []).append(run.run_id)
        for runs in by_key.values():
            for before, after in itertools.pairwise(runs):
                seen = self.world.runs.seen[before]
                assert seen.outcome is Outcome.FAILED
                assert self.world.runs.started[after].kind in {"schedule", "person"}

    @invariant()
    def no_two_trainings_at_once_but_an_expired_one(self) -> None:
        """Nor one that the state doesn't know."""
        state = self.world.state
        expired = {token.run_id for token in state.tokens if token.outcome is Outcome.EXPIRED}
        current = {state.run.run_id} if state.run else set()
        forgotten = {run for run in self.world.runs.running if not any(run == one.run_id for one in state.tokens)}
        assert set(self.world.runs.running) - expired - forgotten <= current

    @invariant()
    def the_budget_holds(self) -> None:
        """In every thirty days."""
        times = sorted(run.requested_at for run in self.world.runs.started.values())
        for first in times:
            assert sum(first <= at < first + BUDGET_DAYS for at in times) <= RUNS

    @invariant()
    def every_training_is_in_the_log_once(self) -> None:
        """With the decision that started it."""
        told = Counter(one.run_id for one in self.world.store.log(NAME, 1000) if one.verdict.value == "REQUESTED")
        assert set(self.world.runs.started) <= set(told)
        assert set(told.values()) <= {1}


def test_any_order_of_events_and_faults_keeps_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    AnyOrder.patch = monkeypatch
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
