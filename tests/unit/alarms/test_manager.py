"""People hear of alarms once, together, and until they are over; nothing that came is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from headwater.alarms.errors import GroupChanged, GroupRefused, NoSuchGroup
from headwater.alarms.events import UNPARSED, AlarmEvent
from headwater.alarms.muting import Mute
from headwater.alarms.store import AlarmStore
from headwater.alarms.types import Decision, GroupStatus
from headwater.declare.alarms import Alarms, Email, Inhibit, Route, configured_alarms
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.alarms.cases import NOON, World, alarm, alertmanagers, event, message

Step = tuple[float, str, Sequence[str]]

# Alertmanager's documentation (route: group_wait, group_interval, repeat_interval) and `needsUpdate`, as cases: minute,
# what happens, to which alarms -> what is heard. group_wait 0:30, group_interval 5:00, repeat_interval 4:00:00.
RULES: Mapping[str, tuple[Sequence[Step], float, Sequence[str]]] = {
    "a new group waits for group_wait": ([(0, "fire", "a")], 0.4, []),
    "alarms within group_wait are told together": (
        [(0, "fire", "a"), (0.2, "fire", "b")], 1, ["FIRING 2/0 a,b"],
    ),
    "an alarm that is over within group_wait is never told": ([(0, "fire", "a"), (0.3, "resolve", "a")], 60, []),
    "a new alarm waits for group_interval": (
        [(0, "fire", "a"), (1, "fire", "b")], 5.4, ["FIRING 1/0 a"],
    ),
    "a new alarm is told after group_interval with the others": (
        [(0, "fire", "a"), (1, "fire", "b")], 6, ["FIRING 1/0 a", "FIRING 2/0 a,b"],
    ),
    "an alarm that came and went within group_interval is never told": (
        [(0, "fire", "a"), (1, "fire", "b"), (2, "resolve", "b")], 60, ["FIRING 1/0 a"],
    ),
    "the end of some is told": (
        [(0, "fire", "ab"), (6, "resolve", "b")], 7, ["FIRING 2/0 a,b", "UPDATED 1/1 a,b"],
    ),
    "the end of all is told and closes": (
        [(0, "fire", "ab"), (6, "resolve", "ab")], 600, ["FIRING 2/0 a,b", "RECOVERED 0/2 a,b"],
    ),
    "the same alarm again changes nothing": ([(0, "fire", "a"), (2, "fire", "a"), (9, "fire", "a")], 60,
        ["FIRING 1/0 a"]),
    "what still fires is told again after repeat_interval": (
        [(0, "fire", "a")], 500, ["FIRING 1/0 a", "REMINDER 1/0 a", "REMINDER 1/0 a"],
    ),
    "an alarm that ends and fires again before it is looked at didn't change": (
        [(0, "fire", "a"), (1, "resolve", "a"), (2, "fire", "a")], 60, ["FIRING 1/0 a"],
    ),
    "an alarm that fires again after its end is new": (
        [(0, "fire", "a"), (6, "resolve", "a"), (20, "fire", "a")], 30,
        ["FIRING 1/0 a", "RECOVERED 0/1 a", "FIRING 1/0 a"],
    ),
    "new and ended at once is told as one": (
        [(0, "fire", "a"), (6, "fire", "b"), (6.1, "resolve", "a")], 12, ["FIRING 1/0 a", "FIRING 1/1 a,b"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_alertmanagers_rules(world: World, rule: str) -> None:
    steps, end, heard = RULES[rule]
    for minute, verb, names in steps:
        world.run(seconds=(NOON + timedelta(minutes=minute) - world.time).total_seconds())
        getattr(world, verb)(*names)
    world.run(seconds=(NOON + timedelta(minutes=end) - world.time).total_seconds())
    assert world.ann.heard == heard
    assert len(world.ann.keys) == len(set(world.ann.keys))


@pytest.fixture
def plain(table: None) -> World:
    """What holds without an alarms.py: each alarm alone, at once, with four hours between repeats."""
    return World(configured_alarms(emails=1, webhooks=0, repeat_interval=timedelta(hours=4)))


def test_without_routes_an_alarm_and_its_end_are_told_at_once(plain: World) -> None:
    plain.fire("a", "b")
    plain.run(seconds=0)
    assert plain.ann.heard == ["FIRING 1/0 a", "FIRING 1/0 b"]
    plain.run(minutes=5)
    plain.resolve("a")
    plain.run(seconds=1)
    assert plain.ann.heard[2:] == ["RECOVERED 0/1 a"]


def test_of_an_alarm_that_comes_and_goes_the_last_word_is_alarm(plain: World) -> None:
    for _ in range(5):
        plain.fire("a")
        plain.run(minutes=1)
        plain.resolve("a")
        plain.run(minutes=1)
    assert plain.ann.heard == ["FIRING 1/0 a", "RECOVERED 0/1 a", "FIRING 1/0 a"]
    plain.run(hours=4)
    assert plain.ann.heard[3:] == ["RECOVERED 0/1 a"], "and once the end has lasted, people hear of it"


def test_the_same_event_twice_counts_once_and_is_kept_once(plain: World) -> None:
    for _ in range(3):
        plain.manager.handle(event("ALARM"))
        plain.run(seconds=5)
    assert plain.ann.heard == ["FIRING 1/0 api-errors"]
    assert len(plain.store.records("api-errors")) == 1


def test_an_event_that_comes_late_is_kept_and_changes_nothing(plain: World) -> None:
    plain.manager.handle(event("OK", 10))
    assert plain.manager.handle(event("ALARM", 5)).decision is Decision.OUTDATED
    plain.run(hours=1)
    assert plain.ann.heard == []
    assert [record.event.state for record in plain.store.records("api-errors")] == ["ALARM", "OK"]


def test_silence_neither_raises_an_alarm_nor_ends_one(plain: World) -> None:
    plain.manager.handle(event("INSUFFICIENT_DATA", 0))
    plain.run(minutes=1)
    plain.manager.handle(event("ALARM", 1))
    plain.manager.handle(event("INSUFFICIENT_DATA", 2))
    plain.run(minutes=9)
    assert plain.ann.heard == ["FIRING 1/0 api-errors"]


@pytest.mark.parametrize(
    "content",
    ["the budget is used up", "", "[1]", "{}", message("BROKEN"), message("OK", StateChangeTime="soon"), "[" * 100_000],
)
def test_a_message_that_is_no_alarm_is_kept_as_it_came_and_told_once(plain: World, content: str) -> None:
    for _ in range(3):
        plain.manager.handle(AlarmEvent.parse(content, message_id="m-1", received_at=NOON))
        plain.run(hours=5)
    assert plain.ann.heard == ["FIRING 1/0 unparsed"]
    (kept,) = plain.store.records(UNPARSED)
    assert kept.event.reason == content[:10_000]
    assert kept.event.problem


def test_two_messages_are_both_told(plain: World) -> None:
    for number in range(2):
        plain.manager.handle(AlarmEvent.parse("hello", message_id=f"m-{number}", received_at=NOON))
    plain.run(minutes=1)
    assert plain.ann.heard == ["FIRING 1/0 unparsed"] * 2


def test_an_alarm_with_an_end_is_over_by_itself(world: World) -> None:
    fired = alarm("a").model_copy(update={"ends_at": NOON + timedelta(minutes=20)})
    world.manager.handle(fired)
    world.run(minutes=30)
    assert world.ann.heard == ["FIRING 1/0 a", "RECOVERED 0/1 a"]


# People.


def test_an_acknowledged_group_is_quiet_until_the_time_is_up(world: World) -> None:
    world.fire("a")
    world.run(minutes=1)
    group = world.manager.acknowledge(world.group(), by="Ann", until=world.time + timedelta(hours=9))
    assert group.status is GroupStatus.ACKED
    world.run(hours=8)
    assert world.ann.heard == ["FIRING 1/0 a"]
    world.run(hours=2)
    assert world.ann.heard[1:] == ["REMINDER 1/0 a"]
    assert world.ann.notes[1] == "still firing; acknowledged by Ann until 2013-05-01 21:01 UTC"


def test_the_end_of_an_acknowledged_group_is_told_and_closes_it(world: World) -> None:
    world.fire("a")
    world.run(minutes=1)
    world.manager.acknowledge(world.group(), by="Ann")
    world.resolve("a")
    world.run(minutes=6)
    assert world.ann.heard == ["FIRING 1/0 a", "RECOVERED 0/1 a"]
    with pytest.raises(GroupRefused, match="is CLOSED: nothing fires"):
        world.manager.acknowledge(world.group(), by="Ann")


def test_two_people_at_once_one_is_told_that_the_other_was_first(world: World) -> None:
    world.fire("a")
    world.run(minutes=1)
    group = world.store.group(world.group())
    assert group is not None
    world.manager.acknowledge(group.id, by="Ann", generation=group.generation)
    with pytest.raises(GroupChanged, match="it is ACKED by Ann"):
        world.manager.acknowledge(group.id, by="Bob", generation=group.generation)


def test_bad_requests_of_people_are_refused_in_a_line(world: World) -> None:
    with pytest.raises(NoSuchGroup, match="there is no group 'x'"):
        world.manager.acknowledge("x", by="Ann")
    world.fire("a")
    world.run(minutes=1)
    with pytest.raises(GroupRefused, match="is over; say a time after"):
        world.manager.acknowledge(world.group(), by="Ann", until=NOON)
    with pytest.raises(GroupRefused, match="is OPEN: nobody acknowledged"):
        world.manager.reopen(world.group(), by="Ann")


def mute(world: World, minutes: float, **more: object) -> Mute:
    made = {
        "id": f"m{minutes}", "match": ("alarmname=~.*",), "starts_at": world.time, "created_at": world.time,
        "ends_at": world.time + timedelta(minutes=minutes), "author": "Ann", "reason": "maintenance",
    }  # fmt: skip
    return Mute.model_validate(made | more)


def test_a_muted_alarm_is_recorded_and_told_once_the_mute_is_over(world: World) -> None:
    world.manager.mute(mute(world, 60))
    world.fire("a")
    world.run(minutes=59)
    assert world.ann.heard == []
    assert len(world.store.records("a")) == 1
    world.run(minutes=2)
    assert world.ann.heard == ["FIRING 1/0 a"]
    assert world.ann.notes == ["still firing; muted by Ann until 2013-05-01 13:00 UTC (maintenance)"]


def test_an_alarm_of_a_group_is_silenced_while_another_fires(table: None) -> None:
    rule = Inhibit(source=('alarmname="stack-down"',), target=('kind="quality"',), equal=("stack",))
    declared = Alarms(
        receivers=(Email(name="ann"),), route=Route(receivers=("ann",), group_by=("alarmname",)), inhibit=(rule,)
    )
    world = World(declared)
    world.fire("stack-down", stack="s")
    world.fire("drift", kind="quality", stack="s")
    world.fire("drift-elsewhere", kind="quality", stack="other")
    world.run(minutes=30)
    assert sorted(world.ann.heard) == ["FIRING 1/0 drift-elsewhere", "FIRING 1/0 stack-down"]
    world.resolve("stack-down", stack="s")
    world.run(minutes=30)
    assert "FIRING 1/0 drift" in world.ann.heard


def test_a_storm_is_told_in_one_digest_and_so_is_its_end(table: None) -> None:
    world = World(alertmanagers(group_by=("alarmname",)).model_copy(update={"storm_groups": 2}))
    names = [f"a{number}" for number in range(6)]
    world.fire(*names)
    world.run(minutes=30)
    alone = [heard for heard in world.ann.heard if heard.startswith("FIRING 1/0")]
    (digest,) = [heard for heard in world.ann.heard if not heard.startswith("FIRING 1/0")]
    assert len(alone) == 2
    assert digest.startswith("FIRING 4/0")
    world.resolve(*names)
    world.run(minutes=60)
    kinds = [heard.split()[0:2] for heard in world.ann.heard[3:]]
    assert kinds.count(["RECOVERED", "0/1"]) == 2
    assert kinds.count(["RECOVERED", "0/4"]) == 1


def test_alarms_whose_route_was_taken_away_go_to_the_one_that_takes_them_now(world: World) -> None:
    world.fire("a")
    world.run(minutes=1)
    changed = Route(receivers=("ann",), group_by=(), routes=(Route(match=('alarmname="a"',), receivers=("bob",)),))
    before = world.people
    world.declared = Alarms(receivers=(Email(name="ann"), Email(name="bob")), route=changed)
    world.people = {**before, "bob": type(world.ann)()}
    world.build()
    world.fire("b")
    world.run(minutes=10)
    assert world.people["bob"].heard == ["FIRING 1/0 a"]
    assert world.ann.heard == ["FIRING 1/0 a", "FIRING 1/0 b"]
    world.resolve("a", "b")
    world.run(minutes=10)
    assert world.people["bob"].heard[1:] == ["RECOVERED 0/1 a"]
    assert world.ann.heard[2:] == ["RECOVERED 0/1 b"]


# Receivers that fail.


def test_a_receiver_who_is_away_is_told_later_and_nobody_else_twice(table: None) -> None:
    world = World(
        Alarms(receivers=(Email(name="ann"), Email(name="bob")), route=Route(receivers=("ann", "bob"), group_by=()))
    )
    world.ann.away = True
    world.fire("a")
    world.run(hours=1)
    assert world.people["bob"].heard == ["FIRING 1/0 a"]
    world.ann.away = False
    world.run(hours=1)
    assert world.ann.heard == world.people["bob"].heard == ["FIRING 1/0 a"]


def test_a_receiver_hears_of_a_group_in_order(world: World) -> None:
    world.ann.away = True
    world.fire("a")
    world.run(minutes=10)
    world.resolve("a")
    world.run(minutes=30)
    world.ann.away = False
    world.run(hours=2)
    assert world.ann.heard == ["FIRING 1/0 a", "RECOVERED 0/1 a"]


def test_after_six_hours_the_fallback_is_told_and_a_dead_letter_left(table: None) -> None:
    declared = Alarms(
        receivers=(Email(name="ann", fallback="bob"), Email(name="bob")), route=Route(receivers=("ann",), group_by=())
    )
    world = World(declared)
    world.ann.away = True
    world.fire("a")
    world.run(hours=5)
    assert world.people["bob"].heard == []
    world.run(hours=2)
    assert world.people["bob"].heard[0] == "FIRING 1/0 a"
    assert world.letters.left[0]["problem"] == "no answer"
    world.run(minutes=5)
    assert len(world.people["bob"].keys) == len(set(world.people["bob"].keys))


def test_what_was_kept_is_read_by_a_manager_that_starts_later(world: World) -> None:
    world.fire("a")
    world.build()
    world.store = AlarmStore(Table("registry", CLIENTS))
    world.run(minutes=1)
    assert world.ann.heard == ["FIRING 1/0 a"]


def test_what_a_look_left_unsent_is_sent_before_a_later_one_hides_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fire("a")
    ((_, timer),) = world.queue.messages
    world.time = NOON + timedelta(seconds=30)
    with monkeypatch.context() as patch:

        def dies(*_: object, **__: object) -> None:
            raise ConnectionError

        patch.setattr(world.queue, "send", dies)
        with pytest.raises(ConnectionError):
            world.manager.look(timer["group"], timer["turn"])
    world.queue.messages.clear()
    world.fire("b")
    world.run(minutes=10)
    assert world.ann.heard == ["FIRING 1/0 a", "FIRING 2/0 a,b"]


def test_the_daily_audit_finds_timers_and_notifications_that_were_lost(world: World) -> None:
    world.fire("a")
    world.queue.messages.clear()
    world.run(hours=2)
    assert world.manager.audit() == [world.group()]
    world.run(seconds=0)
    assert world.ann.heard == ["FIRING 1/0 a"]
    world.fire("b")
    world.run(minutes=5)
    world.resolve("a", "b")
    world.queue.messages.clear()
    assert world.manager.audit() == []
    world.run(hours=3)
    assert world.manager.audit() == [world.group()]
    world.run(seconds=1)
    assert world.ann.heard[-1] == "RECOVERED 0/2 a,b"
