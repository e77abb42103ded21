"""Shuffled, doubled, delayed and crashed deliveries lead to one final state; no notification is lost or told twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from headwater.alarms.events import AlarmEvent
from headwater.alarms.types import DeliveryStatus, GroupStatus, Kind
from headwater.storage.table import Table
from tests.unit.alarms.cases import NOON, Person, Waiting, World, alarm, alertmanagers
from tests.unit.registry.cases import make_table, mocked_aws

NAMES = ("a", "b", "c")


class Crash(BaseException):
    """The function's process is gone. Not an Exception: nothing in the function may catch it."""


class Faults:
    """Lets the function die before or after its n-th effect."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.after = False

    def around(self, effect: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            if self.left is None:
                return effect(*arguments, **named)
            self.left -= 1
            if self.left >= 0:
                return effect(*arguments, **named)
            self.left = None
            if self.after:
                effect(*arguments, **named)
            raise Crash

        return run


class Deliveries(RuleBasedStateMachine):
    """SNS and SQS deliver as they like; functions die as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.mocked = mocked_aws(self.patch)
        self.mocked.__enter__()
        make_table()
        self.faults = Faults()
        for name in ("transact", "write"):
            self.patch.setattr(Table, name, self._faulty(getattr(Table, name)))
        self.patch.setattr(Waiting, "send", self._faulty(Waiting.send))
        self.patch.setattr(Person, "send", self._faulty(Person.send))
        self.world = World(alertmanagers(group_wait="10s", group_interval="1m"))
        self.topic: list[AlarmEvent] = []
        self.newest: dict[str, AlarmEvent] = {}
        self.crashes = 0
        self.ticks = 0

    def _faulty(self, effect: Callable[..., Any]) -> Callable[..., Any]:
        faults = self.faults

        def run(self_: Any, *arguments: Any, **named: Any) -> Any:
            return faults.around(lambda *a, **k: effect(self_, *a, **k))(*arguments, **named)

        return run

    @initialize(name=st.sampled_from(NAMES))
    def first(self, name: str) -> None:
        self.changes(name, True)

    @rule(name=st.sampled_from(NAMES), fires=st.booleans())
    def changes(self, name: str, fires: bool) -> None:
        """CloudWatch publishes a change."""
        self.ticks += 1
        event = alarm(name, self.world.time + timedelta(milliseconds=self.ticks), fires=fires)
        self.topic.append(event)
        self.newest[name] = event

    @rule(place=st.integers(0, 50), keep=st.booleans(), dies=st.none() | st.integers(0, 6), after=st.booleans())
    def sns_delivers(self, place: int, keep: bool, dies: int | None, after: bool) -> None:
        if not self.topic:
            return
        event = self.topic[place % len(self.topic)]
        if self._runs(lambda: self.world.manager.handle(event), dies, after) and not keep:
            self.topic.remove(event)

    @rule(place=st.integers(0, 50), keep=st.booleans(), dies=st.none() | st.integers(0, 6), after=st.booleans())
    def sqs_delivers(self, place: int, keep: bool, dies: int | None, after: bool) -> None:
        waiting = self.world.queue.messages
        if not waiting:
            return
        entry = waiting[place % len(waiting)]
        self.world.time = max(self.world.time, entry[0])
        if self._runs(lambda: self.world.handle(entry[1]), dies, after) and not keep:
            waiting.remove(entry)

    @rule(seconds=st.integers(1, 200))
    def time_passes(self, seconds: int) -> None:
        self.world.time += timedelta(seconds=seconds)

    def _runs(self, work: Callable[[], object], dies: int | None, after: bool) -> bool:
        """Whether the function came to its end."""
        self.faults.left, self.faults.after = dies, after
        try:
            work()
        except Crash:
            self.crashes += 1
            return False
        finally:
            self.faults.left = None
        return True

    def teardown(self) -> None:
        try:
            self.faults.left = None
            self._check()
        finally:
            self.mocked.__exit__(None, None, None)
            self.patch.undo()

    def _check(self) -> None:
        world = self.world
        for event in list(self.topic):
            world.manager.handle(event)
        world.run(minutes=20)
        firing = {event.fingerprint for event in self.newest.values() if event.state.value == "ALARM"}
        (group,) = world.store.groups()
        members = {member.fingerprint: member for member in world.store.members(group.id)}
        for event in self.newest.values():
            assert members[event.fingerprint].event_id == event.id
        assert set(group.told) == firing
        assert group.status is (GroupStatus.OPEN if firing else GroupStatus.CLOSED)
        kept = world.store.notifications(group.id)
        assert {one.status for one in kept} <= {DeliveryStatus.SENT}
        assert [one.key for one in world.ann.sent] == [one.key for one in kept], "each once, in order, none lost"
        assert len(world.ann.keys) - len(set(world.ann.keys)) <= self.crashes
        if kept:
            last = kept[-1].notice
            assert (last.kind is Kind.RECOVERED) == (not firing)
            assert {line.fingerprint for line in last.lines if line.state.value == "ALARM"} == firing
        assert world.time >= NOON


Deliveries.TestCase.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestDeliveries = Deliveries.TestCase
