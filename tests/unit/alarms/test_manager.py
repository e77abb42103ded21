"""People hear of an alarm at once and once; repeats are counted, and nothing that came is lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.alarms.errors import NotificationFailed
from headwater.alarms.service import AlarmManager, judge
from headwater.alarms.store import AlarmStore
from headwater.alarms.types import UNPARSED, AlarmEvent, AlarmRecord, AlarmStanding, AlarmState, Decision
from tests.unit.alarms.cases import NOON, event, message
from tests.unit.registry.cases import TABLE, make_table, mocked_aws

HOUR = timedelta(hours=1)


class Person:
    """A recipient; can't be told while ``away``."""

    def __init__(self, name: str) -> None:
        self.id = self.name = name
        self.heard: list[str] = []
        self.away = False

    def tell(self, record: AlarmRecord) -> None:
        if self.away:
            raise TimeoutError("no answer")
        self.heard.append(record.subject)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[AlarmStore]:
    with mocked_aws(monkeypatch):
        make_table()
        yield AlarmStore(TABLE)


@pytest.fixture
def ann() -> Person:
    return Person("ann")


@pytest.fixture
def bob() -> Person:
    return Person("bob")


@pytest.fixture
def manager(store: AlarmStore, ann: Person, bob: Person) -> AlarmManager:
    return AlarmManager(store, [ann, bob], repeat_after=HOUR)


def test_an_alarm_is_kept_and_everybody_is_told(manager: AlarmManager, store: AlarmStore, ann: Person) -> None:
    record = manager.handle(event("ALARM"))
    assert record.decision is Decision.NOTIFIED
    assert ann.heard == ["ALARM: api-errors"]
    assert store.records("api-errors") == [record]
    standing = store.standing("api-errors")
    assert standing is not None
    assert standing.state is AlarmState.ALARM


def test_the_same_event_delivered_twice_is_told_once(manager: AlarmManager, store: AlarmStore, ann: Person) -> None:
    for message_id in ("m-1", "m-1", "m-2"):
        manager.handle(event("ALARM", message_id=message_id))
    assert ann.heard == ["ALARM: api-errors"]
    assert len(store.records("api-errors")) == 1


def test_repeats_are_counted_and_told_again_only_after_a_while(manager: AlarmManager, ann: Person) -> None:
    manager.handle(event("ALARM", 0))
    assert manager.handle(event("ALARM", 20)).decision is Decision.SUPPRESSED
    assert manager.handle(event("ALARM", 40)).decision is Decision.SUPPRESSED
    late = manager.handle(event("ALARM", 60))
    assert (late.decision, late.suppressed) == (Decision.NOTIFIED, 2)
    assert "2 changes before this one were counted and not sent" in late.text
    assert len(ann.heard) == 2


def test_a_recovery_is_told(manager: AlarmManager, ann: Person) -> None:
    manager.handle(event("ALARM", 0))
    assert manager.handle(event("OK", 5)).decision is Decision.RECOVERED
    assert ann.heard == ["ALARM: api-errors", "OK again: api-errors"]


def test_an_ok_without_an_alarm_is_only_recorded(manager: AlarmManager, ann: Person) -> None:
    assert manager.handle(event("OK", 0)).decision is Decision.RECORDED
    assert manager.handle(event("INSUFFICIENT_DATA", 1)).decision is Decision.RECORDED
    assert ann.heard == []


def test_of_an_alarm_that_comes_and_goes_the_last_word_is_alarm(manager: AlarmManager, ann: Person) -> None:
    for minutes in range(0, 40, 2):
        manager.handle(event("ALARM", minutes))
        manager.handle(event("OK", minutes + 1))
    assert ann.heard == ["ALARM: api-errors", "OK again: api-errors", "ALARM: api-errors"]


def test_an_event_that_comes_late_is_kept_and_changes_nothing(
    manager: AlarmManager, store: AlarmStore, ann: Person
) -> None:
    manager.handle(event("ALARM", 0))
    manager.handle(event("OK", 10))
    assert manager.handle(event("ALARM", 5)).decision is Decision.OUTDATED
    standing = store.standing("api-errors")
    assert standing is not None
    assert standing.state is AlarmState.OK
    assert [record.event.state for record in store.records("api-errors")] == ["ALARM", "ALARM", "OK"]
    assert len(ann.heard) == 2


def test_alarms_are_apart(manager: AlarmManager, ann: Person) -> None:
    manager.handle(event("ALARM", 0, "api-errors"))
    manager.handle(event("ALARM", 0, "dead-letters"))
    assert ann.heard == ["ALARM: api-errors", "ALARM: dead-letters"]


def test_a_recipient_who_was_away_is_told_later_and_nobody_else_twice(
    manager: AlarmManager, ann: Person, bob: Person
) -> None:
    ann.away = True
    with pytest.raises(NotificationFailed, match="1 of 2 recipients weren't told: ann: no answer"):
        manager.handle(event("ALARM"))
    assert bob.heard == ["ALARM: api-errors"]
    ann.away = False
    manager.handle(event("ALARM"))
    assert ann.heard == bob.heard == ["ALARM: api-errors"]


def test_a_decision_that_met_another_event_is_made_anew(store: AlarmStore, ann: Person) -> None:
    class MeetsAnother(AlarmStore):
        first = True

        def decide(self, record: AlarmRecord, standing: AlarmStanding | None, before: AlarmStanding | None) -> bool:
            if self.first:
                self.first = False
                AlarmManager(store, [ann], repeat_after=HOUR).handle(event("ALARM", 0))
            return super().decide(record, standing, before)

    record = AlarmManager(MeetsAnother(TABLE), [ann], repeat_after=HOUR).handle(event("ALARM", 1))
    assert record.decision is Decision.SUPPRESSED
    assert ann.heard == ["ALARM: api-errors"]


@pytest.mark.parametrize(
    "content",
    ["the budget is used up", "", "[1]", "{}", message("BROKEN"), message("OK", StateChangeTime="soon"), "[" * 100_000],
)
def test_a_message_that_is_no_alarm_is_kept_as_it_came_and_told_once(
    manager: AlarmManager, store: AlarmStore, ann: Person, content: str
) -> None:
    for _ in range(2):
        record = manager.handle(AlarmEvent.parse(content, message_id="m-1", received_at=NOON))
        assert record.decision is Decision.NOTIFIED
    assert len(ann.heard) == 1
    (kept,) = store.records(UNPARSED)
    assert kept.event.reason == content[:10_000]
    assert kept.event.problem


STATES = st.sampled_from(["ALARM", "OK", "INSUFFICIENT_DATA"])


@given(st.lists(st.tuples(STATES, st.integers(1, 90)), max_size=30))
def test_whatever_happens_people_never_believe_a_wrong_ok_and_are_not_flooded(steps: list[tuple[str, int]]) -> None:
    standing, told, minutes, notices = None, "OK", 0, []
    for state, passed in steps:
        minutes += passed
        record, after = judge(event(state, minutes), standing, HOUR)
        if record.decision.tells:
            told = record.event.state.value
            notices.append(minutes)
        assert state != "ALARM" or told == "ALARM"
        assert after is not None
        standing = after
    assert all(later - earlier >= 60 for earlier, later in zip(notices, notices[3:], strict=False))
