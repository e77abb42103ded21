"""While nobody acknowledges, others are told, step by step; whoever acknowledges stops that until it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from headwater.alarms.types import GroupStatus
from headwater.declare.alarms import Alarms, Email, Escalation, Route, Step
from tests.unit.alarms.cases import World
from tests.unit.alarms.test_manager import mute

STEPS = (Step(after="15m", receivers=("lead",)), Step(after="1h", receivers=("boss", "lead")))


def escalating(repeat: int = 0, **route: object) -> Alarms:
    people = tuple(Email(name=name) for name in ("ann", "lead", "boss"))
    tree = {"receivers": ("ann",), "group_by": (), "repeat_interval": "30d", **route}
    return Alarms(receivers=people, route=Route(escalation=Escalation(steps=STEPS, repeat=repeat), **tree))  # type: ignore[arg-type]


@pytest.fixture
def world(table: None) -> World:
    return World(escalating())


def heard(world: World) -> dict[str, list[str]]:
    return {name: person.heard for name, person in world.people.items()}


def open_group(world: World) -> None:
    world.fire("a")
    world.run(minutes=1)


def test_each_step_tells_its_receivers_after_its_time(world: World) -> None:
    open_group(world)
    world.run(minutes=14)
    assert heard(world) == {"ann": ["FIRING 1/0 a"], "lead": [], "boss": []}
    world.run(minutes=1)
    assert world.people["lead"].heard == ["ESCALATED 1/0 a"]
    assert world.people["lead"].notes == ["nobody acknowledged within 15m: step 1 of 2"]
    world.run(hours=10)
    assert heard(world) == {"ann": ["FIRING 1/0 a"], "lead": ["ESCALATED 1/0 a"] * 2, "boss": ["ESCALATED 1/0 a"]}


def test_the_end_is_told_to_those_who_were_told_and_to_no_others(world: World) -> None:
    open_group(world)
    world.run(minutes=20)
    world.resolve("a")
    world.run(hours=5)
    assert heard(world) == {
        "ann": ["FIRING 1/0 a", "RECOVERED 0/1 a"], "lead": ["ESCALATED 1/0 a", "RECOVERED 0/1 a"], "boss": [],
    }  # fmt: skip
    world.fire("a")
    world.run(minutes=1)
    assert world.people["lead"].heard[2:] == [], "and the next time it begins anew"


def test_steps_are_repeated_as_often_as_they_say(table: None) -> None:
    world = World(escalating(repeat=2))
    open_group(world)
    world.run(hours=20)
    assert [len(world.people[name].heard) for name in ("ann", "lead", "boss")] == [1, 6, 3]
    assert world.people["boss"].notes[-1] == "nobody acknowledged within 1h: step 6 of 6"


def test_an_acknowledgement_stops_the_steps_and_its_end_begins_them_anew(world: World) -> None:
    open_group(world)
    world.run(minutes=20)
    world.manager.acknowledge(world.group(), by="Ann", until=world.time + timedelta(hours=8))
    world.run(hours=7)
    assert heard(world) == {"ann": ["FIRING 1/0 a"], "lead": ["ESCALATED 1/0 a"], "boss": []}
    world.run(hours=1, minutes=10)
    assert world.people["lead"].heard == ["ESCALATED 1/0 a"]
    world.run(minutes=10)
    assert world.ann.heard == ["FIRING 1/0 a", "REMINDER 1/0 a"]
    assert world.people["lead"].heard == ["ESCALATED 1/0 a"] * 2
    assert world.people["boss"].heard == []


def test_a_new_alarm_after_an_acknowledgement_begins_the_steps_anew(world: World) -> None:
    open_group(world)
    world.manager.acknowledge(world.group(), by="Ann")
    world.run(hours=2)
    world.fire("b")
    world.run(minutes=16)
    assert heard(world) == {"ann": ["FIRING 1/0 a", "FIRING 2/0 a,b"], "lead": ["ESCALATED 2/0 a,b"], "boss": []}


def test_an_acknowledgement_that_is_taken_back_begins_them_anew(world: World) -> None:
    open_group(world)
    world.manager.acknowledge(world.group(), by="Ann")
    world.run(hours=2)
    world.manager.reopen(world.group(), by="Ann")
    world.run(minutes=14)
    assert world.people["lead"].heard == []
    world.run(minutes=2)
    assert world.people["lead"].heard == ["ESCALATED 1/0 a"]


def test_while_everything_is_muted_the_steps_wait(world: World) -> None:
    open_group(world)
    world.manager.mute(mute(world, 120))
    world.run(hours=2)
    assert world.people["lead"].heard == []
    world.run(minutes=16)
    assert world.people["lead"].heard == ["ESCALATED 1/0 a"]


def test_a_group_keeps_the_steps_of_its_opening(world: World) -> None:
    """grafana/oncall: a chain that is edited while it runs; an open group follows its snapshot."""
    open_group(world)
    world.declared = escalating().model_copy(update={"route": Route(receivers=("ann",), group_by=())})
    world.build()
    world.run(minutes=16)
    assert world.people["lead"].heard == ["ESCALATED 1/0 a"]


def test_a_step_to_a_receiver_that_is_gone_leaves_a_letter(world: World) -> None:
    open_group(world)
    del world.people["lead"]
    world.run(minutes=16)
    assert "there is no receiver 'lead' any more" in world.letters.left[0]["problem"]


def test_a_receiver_that_is_away_hears_of_the_step_before_the_end(world: World) -> None:
    open_group(world)
    world.people["lead"].away = True
    world.run(minutes=16)
    world.fire("b")
    world.run(minutes=16)
    world.resolve("a", "b")
    world.run(minutes=30)
    world.people["lead"].away = False
    world.run(hours=2)
    assert [one.split()[0] for one in world.people["lead"].heard] == ["ESCALATED", "RECOVERED"]


def test_a_stale_timer_escalates_nobody(world: World) -> None:
    """grafana/oncall#3111: an acknowledged group was escalated months later, by a task that had waited."""
    open_group(world)
    old = list(world.queue.messages)
    world.manager.acknowledge(world.group(), by="Ann", until=world.time + timedelta(days=200))
    world.run(hours=1)
    for _ in range(3):
        world.queue.messages += old
        world.run(days=40)
    assert heard(world) == {"ann": ["FIRING 1/0 a"], "lead": [], "boss": []}


def test_an_acknowledgement_in_the_very_second_of_a_step_wins_or_loses_as_one(world: World) -> None:
    """grafana/oncall#4760, #4654: pages that were on their way when somebody acknowledged."""
    open_group(world)
    world.run(minutes=14)
    generation = world.store.group(world.group())
    assert generation is not None
    world.manager.acknowledge(world.group(), by="Ann", generation=generation.generation)
    world.run(hours=3)
    assert world.people["lead"].heard == []
    group = world.store.group(world.group())
    assert group is not None
    assert (group.status, group.chain_at, group.chain_next) == (GroupStatus.ACKED, None, 0)


def test_a_storm_escalates_once_and_not_once_a_group(table: None) -> None:
    world = World(escalating(group_by=("alarmname",)).model_copy(update={"storm_groups": 2}))
    world.fire(*(f"a{number}" for number in range(8)))
    world.run(minutes=30)
    assert sorted(one.split()[1] for one in world.people["lead"].heard) == ["1/0", "1/0", "6/0"]


def test_who_acknowledged_is_reminded_as_often_as_the_route_says(table: None) -> None:
    """grafana/oncall#1792: acknowledged and forgotten."""
    world = World(escalating(ack_reminder="4h"))
    open_group(world)
    world.manager.acknowledge(world.group(), by="Ann", until=world.time + timedelta(hours=10))
    world.run(hours=9)
    assert world.ann.heard == ["FIRING 1/0 a", "REMINDER 1/0 a", "REMINDER 1/0 a"]
    assert world.ann.notes[1].startswith("still firing; acknowledged by Ann until 2013-05-01 22:01 UTC")
    assert world.people["lead"].heard == []
    world.resolve("a")
    world.run(hours=9)
    assert world.ann.heard[3:] == ["RECOVERED 0/1 a"]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((Step(after="5m", receivers=("nobody",)),), "the route {the root} escalates to receiver 'nobody': there are"),
        ((), ""),
    ],
)
def test_a_step_to_nowhere_is_refused(steps: tuple[Step, ...], words: str) -> None:
    made = lambda: Alarms(receivers=(Email(name="ann"),), route=Route(escalation=Escalation(steps=steps)))  # noqa: E731
    if not words:
        made()
        return
    with pytest.raises(ValueError, match=words):
        made()


def test_steps_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="after is 30s: at least 1m"):
        Step(after="30s", receivers=("ann",))
    with pytest.raises(ValueError, match="less than or equal to 5"):
        Escalation(steps=STEPS, repeat=6)
