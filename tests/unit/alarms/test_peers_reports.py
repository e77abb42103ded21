"""What users of other alarm managers reported, tried as a user would; each test names the report."""

from __future__ import annotations

from datetime import timedelta

import pytest

from headwater.alarms.errors import GroupRefused
from headwater.alarms.types import DeliveryStatus, GroupStatus
from headwater.declare.alarms import Alarms, Email, Inhibit, Route
from tests.unit.alarms.cases import NOON, World
from tests.unit.alarms.test_manager import mute


def test_somebody_can_say_that_they_are_at_it(world: World) -> None:
    """prometheus/alertmanager#1860: there is no acknowledgement; silences outlive the alarm and hide new ones."""
    world.fire("a")
    world.run(minutes=1)
    world.manager.acknowledge(world.group(), by="Ann")
    world.run(hours=6)
    assert world.ann.heard == ["FIRING 1/0 a"]
    world.fire("b")
    world.run(minutes=6)
    assert world.ann.heard[1:] == ["FIRING 2/0 a,b"]
    assert world.ann.notes[1] == "a new alarm: acked by Ann before"


def test_a_mute_may_last_until_the_alarm_is_over(world: World) -> None:
    """prometheus/alertmanager#1057, #5459: silence until resolved, and not what fires afterwards."""
    world.fire("a")
    world.run(minutes=1)
    world.manager.mute(mute(world, 60 * 24 * 30, until_resolved=True))
    world.run(hours=10)
    assert world.ann.heard == ["FIRING 1/0 a"], "no reminders"
    world.resolve("a")
    world.run(minutes=10)
    world.fire("a")
    world.run(minutes=10)
    assert world.ann.heard[1:] == ["RECOVERED 0/1 a", "FIRING 1/0 a"]


def test_the_end_of_a_muted_alarm_that_people_know_of_is_told(world: World) -> None:
    """prometheus/alertmanager#226, #2805: an alert that is resolved while it is silenced stays open everywhere."""
    world.fire("a")
    world.run(minutes=1)
    world.manager.mute(mute(world, 600))
    world.resolve("a")
    world.run(minutes=10)
    assert world.ann.heard == ["FIRING 1/0 a", "RECOVERED 0/1 a"]


def test_what_still_fires_when_a_mute_ends_is_told_then(world: World) -> None:
    """prometheus/alertmanager#730, #2896: nobody is told that a silence ran out, or what it hid, until the repeat."""
    world.fire("a")
    world.run(minutes=1)
    world.manager.mute(mute(world, 60))
    world.run(minutes=61)
    assert world.ann.heard == ["FIRING 1/0 a", "REMINDER 1/0 a"]
    assert world.ann.notes[1].startswith("still firing; muted by Ann until 2013-05-01 13:01 UTC")


def test_a_receiver_that_stays_away_has_a_fallback(table: None) -> None:
    """prometheus/alertmanager#3359: a notification that can't be delivered goes nowhere."""
    ann, bob, eve = (Email(name="ann", fallback="bob"), Email(name="bob", fallback="eve"), Email(name="eve"))
    world = World(Alarms(receivers=(ann, bob, eve), route=Route(receivers=("ann",), repeat_interval="30d")))
    world.ann.away = world.people["bob"].away = True
    world.fire("a")
    world.run(hours=13)
    assert world.people["eve"].heard == ["FIRING 1/0 a"]
    states = {one.receiver: one.status for one in world.store.notifications(world.group())}
    assert states == {"ann": DeliveryStatus.FAILED, "bob": DeliveryStatus.FAILED, "eve": DeliveryStatus.SENT}


def test_one_receiver_that_fails_repeats_nothing_for_the_others(table: None) -> None:
    """prometheus/alertmanager#1494: one failing integration of a receiver makes the others notify again."""
    people = (Email(name="ann"), Email(name="bob"), Email(name="eve"))
    world = World(Alarms(receivers=people, route=Route(receivers=("ann", "bob", "eve"), repeat_interval="30d")))
    world.ann.away = True
    world.fire("a")
    world.run(hours=5)
    assert [world.people[name].keys for name in ("bob", "eve")] == [
        [f"{world.group()}-1-bob"],
        [f"{world.group()}-1-eve"],
    ]


def test_several_managers_at_once_tell_each_notification_once(world: World) -> None:
    """prometheus/alertmanager#4008, #4108: members of a cluster that see each other late all notify."""
    world.fire("a")
    world.run(seconds=29)
    for _, timer in world.queue.messages * 3:
        world.time = NOON + timedelta(minutes=1)
        world.manager.look(timer["group"], timer["turn"])
    world.queue.messages *= 3
    world.run(minutes=10)
    assert world.ann.keys == [f"{world.group()}-1-ann"]


def test_an_old_timer_wakes_nobody(world: World) -> None:
    """grafana/oncall#3111: an acknowledged group was escalated months later by a task that had waited."""
    world.fire("a")
    world.run(minutes=1)
    old = list(world.queue.messages)
    world.manager.acknowledge(world.group(), by="Ann", until=world.time + timedelta(days=90))
    world.run(hours=3)
    world.resolve("a")
    world.run(hours=1)
    heard = list(world.ann.heard)
    world.queue.messages += old
    world.run(days=60)
    assert world.ann.heard == heard == ["FIRING 1/0 a", "RECOVERED 0/1 a"]


def test_nobody_is_reminded_once_somebody_acknowledged(world: World) -> None:
    """grafana/oncall#4760, #4654: people are paged after the acknowledgement."""
    world.fire("a")
    world.run(hours=3, minutes=59)
    world.manager.acknowledge(world.group(), by="Ann")
    world.run(hours=20)
    assert world.ann.heard == ["FIRING 1/0 a"]


def test_a_snoozed_group_wakes_for_a_new_alarm(world: World) -> None:
    """grafana/oncall#2951: a silenced alert group hides alerts that come later."""
    world.fire("a")
    world.run(minutes=1)
    until = world.time + timedelta(hours=12)
    world.manager.acknowledge(world.group(), by="Ann", until=until, status=GroupStatus.SNOOZED)
    world.fire("b")
    world.run(minutes=10)
    assert world.ann.heard[1:] == ["FIRING 2/0 a,b"]
    group = world.store.group(world.group())
    assert group is not None
    assert group.status is GroupStatus.OPEN


def test_an_acknowledgement_is_remembered_only_so_long(world: World) -> None:
    """grafana/oncall#1792: acknowledged and forgotten; people want to be reminded that they are at it."""
    world.fire("a")
    world.run(minutes=1)
    world.manager.acknowledge(world.group(), by="Ann")
    world.run(hours=25)
    assert world.ann.heard[1] == "REMINDER 1/0 a"
    assert "acknowledged by Ann until" in world.ann.notes[1]


def test_a_group_that_fires_can_not_be_closed(world: World) -> None:
    """grafana/oncall#5392: a group that still fires can be resolved by hand, and is then forgotten."""
    world.fire("a")
    world.run(minutes=1)
    with pytest.raises(GroupRefused, match="can't be closed: a still fires") as refused:
        world.manager.close(world.group(), by="Ann")
    assert refused.value.next_steps[0].startswith("headwater alarms ack")


def test_the_end_of_all_is_told_once(world: World) -> None:
    """prometheus/alertmanager#844: "resolved" is sent again and again."""
    world.fire("a")
    world.run(minutes=1)
    for _ in range(3):
        world.resolve("a")
        world.run(hours=5)
    assert world.ann.heard == ["FIRING 1/0 a", "RECOVERED 0/1 a"]


def test_an_alarm_inhibits_from_the_first_moment_that_both_wait(table: None) -> None:
    """prometheus/alertmanager#4064: what is inhibited fires once after a restart, before its source is known."""
    rule = Inhibit(source=('alarmname="down"',), target=('alarmname="slow"',))
    world = World(Alarms(receivers=(Email(name="ann"),), route=Route(receivers=("ann",)), inhibit=(rule,)))
    world.fire("slow")
    world.run(seconds=10)
    world.fire("down")
    world.build()
    world.run(minutes=20)
    assert world.ann.heard == ["FIRING 1/0 down"]
