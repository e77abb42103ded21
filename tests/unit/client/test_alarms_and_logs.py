"""Alarms and logs of one stack, and of no other in the account."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.alarms.errors import (
    GroupChanged,
    GroupRefused,
    InvalidAlarm,
    InvalidMute,
    NoSuchGroup,
    NoSuchMute,
    NoSuchReceiver,
)
from headwater.alarms.service import AlarmManager
from headwater.alarms.store import DECLARED_KEY, AlarmStore, declared_alarms
from headwater.client import Stack
from headwater.client.logs import NoLogs
from headwater.declare.alarms import Alarms, Email, Route
from headwater.errors import NotFound
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.alarms.cases import Waiting, alarm


def put_alarm(name: str) -> None:
    CLIENTS("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="Headwater",
        MetricName="Errors",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Threshold=0,
        Period=60,
        Statistic="Sum",
    )


@pytest.fixture
def managed(stack: Stack) -> Stack:
    """The same with an alarm manager: its routes and its queue."""
    CLIENTS("s3").create_bucket(Bucket="artifacts")
    declared = Alarms(
        receivers=(Email(name="mail"),),
        route=Route(receivers=("mail",), routes=(Route(match=("severity=critical",), group_by=()),)),
    )
    CLIENTS("s3").put_object(Bucket="artifacts", Key=DECLARED_KEY, Body=declared.model_dump_json())
    CLIENTS("sqs").create_queue(QueueName="headwater-dev-alarms")
    return stack


def fire(stack: Stack, name: str = "b", **labels: str) -> str:
    """An alarm goes off, and its group is looked at; the group's id."""
    del stack
    queue = Waiting(lambda: datetime.now(UTC))
    declared = declared_alarms("artifacts", CLIENTS)
    assert declared is not None
    later = datetime.now(UTC) + timedelta(minutes=1)
    manager = AlarmManager(AlarmStore(Table("registry", CLIENTS)), queue, declared)
    manager.handle(alarm(name, datetime.now(UTC), **labels))
    ((_, told),) = queue.messages
    AlarmManager(AlarmStore(Table("registry", CLIENTS)), queue, declared, now=lambda: later).look(
        told["group"], told["turn"]
    )
    return str(told["group"])


def test_alarms_that_go_off_come_first_and_say_whose_they_are(managed: Stack) -> None:
    for name in ("headwater-dev-a", "headwater-dev-b", "headwater-prod-a"):
        put_alarm(name)
    CLIENTS("cloudwatch").set_alarm_state(AlarmName="headwater-dev-b", StateValue="ALARM", StateReason="two errors")
    group = fire(managed)
    first, second = managed.alarms.list()
    assert (first.name, first.state, first.group, first.status, first.told) == (
        "headwater-dev-b", "ALARM", group, "OPEN", True,
    )  # fmt: skip
    assert (second.name, second.status, second.told) == ("headwater-dev-a", None, False)
    managed.alarms.ack("b", by="Ann")
    assert managed.alarms.list()[0].by == "Ann"
    assert managed.alarms.show("b").group.status.value == "ACKED"


def test_an_alarm_of_another_tool_is_listed_beside_those_of_cloudwatch(managed: Stack) -> None:
    fire(managed, "disk", host="h1")
    (found,) = managed.alarms.list()
    assert (found.name, found.state, found.labels["host"]) == ("disk", "ALARM", "h1")


def test_a_group_is_acknowledged_snoozed_and_closed_by_people(managed: Stack) -> None:
    group = fire(managed)
    end = datetime.now(UTC) + timedelta(hours=2)
    snoozed = managed.alarms.snooze(group, until=end, by="Ann")
    assert (snoozed.status.value, snoozed.until) == ("SNOOZED", end)
    with pytest.raises(GroupChanged, match="it is SNOOZED by Ann"):
        managed.alarms.ack(group, generation=snoozed.generation - 1)
    assert managed.alarms.unack(group).status.value == "OPEN"
    with pytest.raises(GroupRefused, match="b still fires"):
        managed.alarms.close(group)
    with pytest.raises(NoSuchGroup, match="no alarm 'nothing' that ever changed"):
        managed.alarms.ack("nothing")


def test_a_mute_says_what_it_hits_before_it_is_made(managed: Stack) -> None:
    fire(managed, "b", model="flights")
    end = datetime.now(UTC) + timedelta(hours=1)
    _, hit = managed.alarms.mute(["model=flights"], reason="maintenance", ends_at=end, preview=True)
    assert [one.name for one in hit] == ["b"]
    assert managed.alarms.mutes() == ()
    made, _ = managed.alarms.mute(["model=flights"], reason="maintenance", ends_at=end, by="Ann")
    assert managed.alarms.mutes() == (made,)
    assert managed.alarms.list()[0].muted_by == "Ann"
    managed.alarms.unmute(made.id)
    assert managed.alarms.mutes() == ()
    assert len(managed.alarms.mutes(over=True)) == 1
    with pytest.raises(NoSuchMute, match="that isn't over"):
        managed.alarms.unmute(made.id)


@pytest.mark.parametrize(
    ("match", "asked", "words"),
    [
        (["a=b"], {"reason": "r", "ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, "in the past"),
        (["a=b"], {"reason": "r", "ends_at": datetime.now(UTC) + timedelta(days=40)}, "at most 30"),
        (["a=b"], {"reason": "r"}, "needs an end"),
        (["a=b"], {"reason": " ", "until_resolved": True}, "needs a reason"),
        ([], {"reason": "r", "until_resolved": True}, "needs a matcher"),
        (["a!=b"], {"reason": "r", "until_resolved": True}, "needs a matcher"),
    ],
)
def test_a_mute_that_makes_no_sense_is_refused(
    managed: Stack, match: list[str], asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidMute, match=words):
        managed.alarms.mute(match, **asked)


def test_routes_are_explained_and_receivers_named(managed: Stack) -> None:
    root, child = managed.alarms.route({"severity": "critical"})
    assert (root.taken, child.taken, child.receivers) == (False, True, ("mail",))
    assert [route.taken for route in managed.alarms.route({})] == [True, False]
    with pytest.raises(NoSuchReceiver, match="no receiver 'pager': there are mail"):
        managed.alarms.test("pager")


def test_a_stack_without_an_alarm_manager_says_so(stack: Stack) -> None:
    with pytest.raises(NotFound, match="has no alarm manager of this version: deploy it again"):
        stack.alarms.route({})


def test_alarms_of_alertmanager_are_handed_to_the_queue(managed: Stack) -> None:
    alert = {"status": "firing", "labels": {"alertname": "disk"}, "startsAt": "2026-01-01T00:00:00.123456789Z"}
    assert managed.alarms.send({"version": "4", "alerts": [alert]}) == 1
    url = CLIENTS("sqs").get_queue_url(QueueName="headwater-dev-alarms")["QueueUrl"]
    (found,) = CLIENTS("sqs").receive_message(QueueUrl=url)["Messages"]
    event = json.loads(found["Body"])["event"]
    assert (event["name"], event["state"], event["labels"]) == ("disk", "ALARM", {"stack": "headwater/dev"})
    with pytest.raises(InvalidAlarm, match=r"alerts\[0\]: expected an object with 'labels'"):
        managed.alarms.send({"alerts": [{"labels": {"alertname": "x"}}]})


def test_recorded_events_are_told_once_more_by_other_routes(managed: Stack) -> None:
    fire(managed, "b", severity="critical")
    other = Alarms(receivers=(Email(name="night"),), route=Route(receivers=("night",), group_wait="0s"))
    since = datetime.now(UTC) - timedelta(hours=1)
    (told,) = managed.alarms.replay(since=since, declared=other)
    assert (told.title, told.receivers) == ("ALARM: b", ("night",))
    assert managed.alarms.replay(since=datetime.now(UTC)) == ()


def write_line(group: str, message: str) -> None:
    logs = CLIENTS("logs")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    event = {"timestamp": int(time.time() * 1000), "message": message}
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[event])


def test_lines_of_a_function_are_found_by_a_part_of_its_name(stack: Stack) -> None:
    write_line("/aws/lambda/headwater-dev-lake-intake", "one")
    write_line("/aws/lambda/headwater-dev-serving-predict", "two")
    write_line("/aws/lambda/headwater-prod-lake-intake", "three")
    assert [(line.group, line.message) for line in stack.logs.read("intake")] == [("lake-intake", "one")]
    assert {line.message for line in stack.logs.read()} == {"one", "two"}
    assert stack.logs.read(since=time.time() + 60) == ()


def test_a_name_that_no_group_has_is_answered_with_those_that_exist(stack: Stack) -> None:
    write_line("/aws/lambda/headwater-dev-lake-intake", "one")
    with pytest.raises(NoLogs, match=r"no log group like 'nothing'\. It has: lake-intake"):
        stack.logs.read("nothing")
