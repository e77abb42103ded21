"""Wakes that come twice, late, in any order, or are killed at any write, and what people do in between."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from headwater.declare import Schedule
from headwater.schedules.errors import NotPaused
from headwater.schedules.store import Ledger
from headwater.schedules.ticks import ticks
from headwater.schedules.types import TickStatus
from tests.crashing import Killed
from tests.unit.schedules.world import NAME, World, new_world

ALL = Schedule(cron="0 0/2 * * ? *", missed="all(50)", overlap="allow")
OTHERS = (
    ALL,
    Schedule(cron="30 * * * ? *", missed="all(50)", overlap="allow"),
    Schedule(every="3h", missed="last", overlap="forbid"),
    Schedule(every="4h", missed="none", overlap="replace"),
)
FAULTS = st.lists(st.sampled_from(["", "", "killed before", "killed after", "answer lost"]), max_size=6)
MINUTES = st.integers(1, 300)


class Wakes(RuleBasedStateMachine):
    """A day or two of a schedule."""

    monkeypatch: pytest.MonkeyPatch

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.context = new_world(self.patch)
        self.world = self.context.__enter__()
        self.world.deploy(ALL)
        self.began = self.world.now
        self.seen_runs: Counter[str] = Counter()
        self.deployments: list[tuple[datetime, Schedule]] = [(self.world.now, ALL)]

    def teardown(self) -> None:
        self.world.faults.coming = []
        self.finish()
        self.context.__exit__(None, None, None)
        self.patch.undo()

    def finish(self) -> None:
        """Once everything has quietened down, each tick is in the ledger, once, and nothing is left half done."""
        self.world.wake()
        for _ in range(60):
            self.world.works.end()
            state = self.world.scheduler.advance(NAME)
            assert state is not None
            if not state.open:
                break
        records = [one for one in self.world.ledger.ticks(NAME) if one.origin == "scheduled"]
        stood_for = sum(one.count for one in records)
        assert stood_for == len(self.expected())
        for one in records:
            assert not one.status.is_open
            assert (one.run in self.world.works.runs) == (one.status in {TickStatus.DONE, TickStatus.FAILED})
        assert len({one.run for one in records if one.run}) == sum(bool(one.run) for one in records)
        # Every run is that of a tick: none was started that the ledger doesn't know.
        assert set(self.world.works.runs) == {one.run for one in self.world.ledger.ticks(NAME) if one.run}

    def expected(self) -> list[datetime]:
        """Every tick since the beginning, by the schedule that was deployed when the ledger passed it."""
        found = []
        taken = self.world.ledger.definitions(NAME)
        ends = [one.since for one in taken[1:]] + [self.world.now]
        for one, until in zip(taken, ends, strict=True):
            found += [tick.at for tick in ticks(one.definition.schedule, one.since, until)]
        assert len(found) == len(set(found))
        return found

    def carefully(self, call: object) -> None:
        try:
            call()  # type: ignore[operator]
        except (Killed, NotPaused):
            pass
        finally:
            self.world.faults.coming = []

    @rule(minutes=MINUTES, early=st.integers(0, 600), faults=FAULTS)
    def wake(self, minutes: int, early: int, faults: list[str]) -> None:
        """Any delivery: of a moment long gone as well as of now."""
        self.world.now += timedelta(minutes=minutes)
        self.world.faults.coming = list(faults)
        self.carefully(lambda: self.world.wake(self.world.now - timedelta(minutes=early)))

    @rule(faults=FAULTS)
    def wake_again(self, faults: list[str]) -> None:
        """The same moment once more."""
        self.world.faults.coming = list(faults)
        self.carefully(self.world.wake)

    @rule(status=st.sampled_from(["DONE", "FAILED"]), faults=FAULTS)
    def end(self, status: str, faults: list[str]) -> None:
        """Runs end, and somebody may or may not hear of it."""
        self.world.works.end(status)
        self.world.faults.coming = list(faults)
        self.carefully(lambda: self.world.scheduler.advance(NAME))

    @rule(number=st.integers(0, len(OTHERS) - 1))
    def deploy(self, number: int) -> None:
        """A changed schedule."""
        self.world.now += timedelta(minutes=1)
        self.world.deploy(OTHERS[number])

    @rule(hours=st.none() | st.integers(1, 9), faults=FAULTS)
    def pause(self, hours: int | None, faults: list[str]) -> None:
        """Somebody pauses."""
        until = None if hours is None else self.world.now + timedelta(hours=hours)
        self.world.faults.coming = list(faults)
        self.carefully(lambda: self.world.scheduler.pause(NAME, until=until, by="Ann"))

    @rule(faults=FAULTS)
    def resume(self, faults: list[str]) -> None:
        """Somebody resumes."""
        self.world.faults.coming = list(faults)
        self.carefully(lambda: self.world.scheduler.resume(NAME))

    @rule(days=st.integers(1, 3), faults=FAULTS)
    def outage(self, days: int, faults: list[str]) -> None:
        """Nobody comes for days, then one does."""
        self.world.now += timedelta(days=days)
        self.world.faults.coming = list(faults)
        self.carefully(self.world.wake)

    @invariant()
    def no_run_begins_before_its_tick(self) -> None:
        """Nor does any run have an interval that reaches beyond the tick."""
        for given in self.world.works.runs.values():
            tick, (since, until) = datetime.fromisoformat(given["tick"]), given["interval"]
            assert self.began <= tick <= self.world.now
            assert datetime.fromisoformat(until) == tick
            assert since is None or datetime.fromisoformat(since) < tick


def test_each_tick_is_started_once_whatever_becomes_of_the_wakes() -> None:
    run_state_machine_as_test(
        Wakes,
        settings=settings(
            max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_two_wakes_at_the_same_moment_start_one_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deploy(ALL)
    world.now = datetime(2026, 3, 2, 2, tzinfo=UTC)
    other = World(world.now)
    other.deployed.there, other.works.runs, other.works.states = (
        world.deployed.there,
        world.works.runs,
        world.works.states,
    )
    # The other one comes between this one's look and its write.
    written = world.ledger.write

    def write(_: Ledger, *given: object, **more: object) -> bool:
        monkeypatch.undo()
        other.wake()
        return written(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "write", write)
    world.wake()
    assert len(world.works.runs) == 1
    assert world.history == [("02 02:00", "STARTED")]
    # The one that came second read again instead of writing over the other's.
    assert len(world.ledger.definitions(NAME)) == 1
