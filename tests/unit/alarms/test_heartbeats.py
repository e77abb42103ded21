"""A heartbeat that doesn't come raises an alarm once, the next one ends it; somebody outside hears from us."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from headwater.alarms.alive.heartbeats import Heartbeats
from headwater.alarms.alive.pings import Pings
from headwater.alarms.alive.store import AliveStore
from headwater.alarms.errors import NoSuchHeartbeat, NotificationFailed
from headwater.alarms.events import AlarmEvent
from headwater.declare.alarms import Alarms, Email, Heartbeat, Ping, Route
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.alarms.cases import World
from tests.unit.registry.cases import TABLE

NIGHTLY = Heartbeat(name="nightly", every="1h", grace="10m", severity="warning")


class Alive(World):
    """A world in which somebody is expected to beat, and somebody outside listens."""

    def __init__(self, *heartbeats: Heartbeat, pings: tuple[Ping, ...] = ()) -> None:
        self.asked: list[str] = []
        self.deaf = False
        route = Route(receivers=("ann",), group_by=(), group_wait="0s", group_interval="1s", repeat_interval="30d")
        super().__init__(Alarms(receivers=(Email(name="ann"),), route=route, heartbeats=heartbeats, pings=pings))

    def build(self) -> None:
        super().build()
        now = lambda: self.time  # noqa: E731
        self.alive = AliveStore(Table(TABLE, CLIENTS))
        self.hearts = Heartbeats(self.alive, self.queue, self.declared, stack="s", now=now)
        self.pings = Pings(self.alive, self.queue, self.declared, self.ask, now=now)

    def ask(self, ping: Ping) -> None:
        if self.deaf:
            raise NotificationFailed("no answer")
        self.asked.append(f"{self.time:%H:%M}")

    def handle(self, message: Mapping[str, object]) -> None:
        if "heartbeat" in message:
            self.hearts.look(str(message["heartbeat"]), int(str(message["turn"])))
        elif "ping" in message:
            self.pings.send(str(message["ping"]), int(str(message["turn"])))
        elif "event" in message:
            self.manager.handle(AlarmEvent.model_validate(message["event"]))
        else:
            super().handle(message)

    def timers(self) -> int:
        return sum("heartbeat" in message for _, message in self.queue.messages)


@pytest.fixture
def world(table: None) -> Alive:
    return Alive(NIGHTLY)


def test_beats_in_time_raise_nothing_and_need_one_timer(world: Alive) -> None:
    for _ in range(40):
        world.hearts.beat("nightly")
        world.run(minutes=30)
        assert world.timers() == 1
    assert world.ann.heard == []


def test_a_missed_beat_is_told_once_and_the_next_one_ends_it(world: Alive) -> None:
    world.hearts.beat("nightly")
    world.run(minutes=69)
    assert world.ann.heard == []
    world.run(minutes=2)
    assert world.ann.heard == ["FIRING 1/0 heartbeat-missed"]
    (line,) = world.ann.sent[0].notice.lines
    assert (line.labels["heartbeat"], line.labels["severity"], line.labels["stack"]) == ("nightly", "warning", "s")
    assert line.reason == (
        "the last beat of nightly came 2013-05-01 12:00:00 UTC; one is expected every 1h, at most 10m later"
    )
    world.run(hours=30)
    assert len(world.ann.heard) == 1
    world.hearts.beat("nightly")
    world.run(minutes=1)
    assert world.ann.heard[1:] == ["RECOVERED 0/1 heartbeat-missed"]
    world.run(minutes=71)
    assert world.ann.heard[2:] == ["FIRING 1/0 heartbeat-missed"]


def test_one_that_never_beat_is_missed_too(world: Alive) -> None:
    """prometheus/alertmanager#1542: a dead man's switch that was never alive raises nothing."""
    assert world.hearts.expect() == ["nightly"]
    assert world.hearts.expect() == []
    world.run(hours=2)
    assert world.ann.heard == ["FIRING 1/0 heartbeat-missed"]


def test_an_old_timer_and_one_that_comes_twice_change_nothing(world: Alive) -> None:
    world.hearts.beat("nightly")
    old = list(world.queue.messages)
    world.run(minutes=50)
    world.hearts.beat("nightly")
    world.run(minutes=30)
    world.queue.messages += old * 3
    world.run(minutes=1)
    assert world.ann.heard == []
    assert world.timers() == 1
    world.queue.messages *= 3
    world.run(hours=3)
    assert world.ann.heard == ["FIRING 1/0 heartbeat-missed"]


def test_who_dies_between_note_and_alarm_raises_it_when_the_message_comes_again(
    world: Alive, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.hearts.beat("nightly")
    ((_, timer),) = world.queue.messages
    world.queue.messages.clear()
    world.time += timedelta(hours=2)
    with monkeypatch.context() as patch:
        patch.setattr(Heartbeats, "_tell", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.handle(timer)
    world.handle(timer)
    world.handle(timer)
    world.run(minutes=1)
    assert world.ann.heard == ["FIRING 1/0 heartbeat-missed"]


def test_a_lost_timer_is_found_by_the_daily_audit(world: Alive) -> None:
    world.hearts.beat("nightly")
    world.queue.messages.clear()
    world.run(hours=24)
    assert world.hearts.expect() == ["nightly"]
    world.run(minutes=1)
    assert world.ann.heard == ["FIRING 1/0 heartbeat-missed"]


def test_one_that_isnt_declared_any_more_ends_its_alarm_and_counts_anew_later(world: Alive) -> None:
    world.hearts.beat("nightly")
    world.run(hours=3)
    declared = world.declared
    world.declared = declared.model_copy(update={"heartbeats": ()})
    world.build()
    world.hearts.expect()
    world.run(minutes=1)
    assert world.ann.heard == ["FIRING 1/0 heartbeat-missed", "RECOVERED 0/1 heartbeat-missed"]
    with pytest.raises(NoSuchHeartbeat, match="no heartbeat 'nightly' is expected: there are none"):
        world.hearts.beat("nightly")
    world.declared = declared
    world.build()
    assert world.hearts.expect() == ["nightly"]
    world.run(minutes=69)
    assert len(world.ann.heard) == 2
    world.run(minutes=2)
    assert len(world.ann.heard) == 3


def test_another_severity_ends_the_alarm_that_went_off(world: Alive) -> None:
    world.hearts.beat("nightly")
    world.run(hours=2)
    world.declared = world.declared.model_copy(
        update={"heartbeats": (NIGHTLY.model_copy(update={"severity": "critical"}),)}
    )
    world.build()
    world.hearts.beat("nightly")
    world.run(minutes=1)
    assert world.ann.heard == ["FIRING 1/0 heartbeat-missed", "RECOVERED 0/1 heartbeat-missed"]


def test_a_shorter_interval_counts_from_the_next_look(world: Alive) -> None:
    world.hearts.beat("nightly")
    world.declared = world.declared.model_copy(
        update={"heartbeats": (Heartbeat(name="nightly", every="3h", grace="1m"),)}
    )
    world.build()
    world.run(hours=3)
    assert world.ann.heard == []
    world.run(minutes=2)
    assert len(world.ann.heard) == 1


def test_somebody_outside_is_asked_regularly(table: None) -> None:
    world = Alive(pings=(Ping(name="outside", url="https://hc.example/abc", every="15m"),))
    assert world.pings.expect() == ["outside"]
    assert world.pings.expect() == []
    world.run(hours=1)
    assert world.asked == ["12:00", "12:15", "12:30", "12:45", "13:00"]
    world.queue.messages *= 3
    world.run(hours=1)
    assert world.asked[5:] == ["13:15", "13:30", "13:45", "14:00"], "however often a timer comes"
    world.deaf = True
    world.run(minutes=15)
    state = world.alive.ping("outside")
    assert state is not None
    assert state.problem == "no answer"
    world.deaf = False
    world.run(minutes=15)
    assert world.asked[-1] == "14:30"


def test_pings_whose_timer_was_lost_begin_again(table: None) -> None:
    world = Alive(pings=(Ping(name="outside", url="https://hc.example/abc"),))
    world.pings.expect()
    world.run(minutes=1)
    world.queue.messages.clear()
    world.run(hours=2)
    assert world.pings.expect() == ["outside"]
    world.run(minutes=20)
    assert world.asked == ["12:00", "14:01", "14:16"]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (lambda: Heartbeat(name="a", every="30s"), "heartbeat 'a': every is 30s: at least 1m"),
        (lambda: Heartbeat(name="a", every="31d"), "at most 30d"),
        (lambda: Heartbeat(name="A b", every="1h"), "should match pattern"),
        (lambda: Ping(name="a"), "takes either url or url_secret"),
        (lambda: Ping(name="a", url="http://a.example"), "asked without TLS"),
        (lambda: Ping(name="a", url="ftp://a.example"), "should match pattern"),
        (lambda: Alarms(heartbeats=(NIGHTLY, NIGHTLY)), "heartbeat 'nightly' is declared more than once"),
    ],
)
def test_what_cannot_be_expected_is_refused(declared: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        declared()  # type: ignore[operator]
