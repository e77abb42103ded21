"""Alarms and logs of one stack, and of no other in the account."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from headwater.alarms.store import AlarmStore
from headwater.alarms.types import AlarmEvent, AlarmRecord, AlarmStanding, AlarmState, Decision
from headwater.client import Stack
from headwater.client.logs import NoLogs
from headwater.storage.clients import client


def put_alarm(name: str) -> None:
    client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="Headwater",
        MetricName="Errors",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Threshold=0,
        Period=60,
        Statistic="Sum",
    )


def test_alarms_that_go_off_come_first_and_say_whether_people_know(stack: Stack) -> None:
    for name in ("headwater-dev-a", "headwater-dev-b", "headwater-prod-a"):
        put_alarm(name)
    client("cloudwatch").set_alarm_state(AlarmName="headwater-dev-b", StateValue="ALARM", StateReason="two errors")
    at = datetime.now(UTC)
    event = AlarmEvent(name="headwater-dev-b", state=AlarmState.ALARM, at=at, id="1")
    standing = AlarmStanding(
        name=event.name, state=event.state, at=at, event_id="1", told=AlarmState.ALARM, alarmed_at=at, suppressed=2
    )
    AlarmStore("registry").decide(AlarmRecord(event=event, decision=Decision.NOTIFIED), standing, None)
    first, second = stack.alarms.list()
    assert (first.name, first.state, first.told, first.suppressed) == ("headwater-dev-b", "ALARM", "ALARM", 2)
    assert (second.name, second.told) == ("headwater-dev-a", None)


def write_line(group: str, message: str) -> None:
    logs = client("logs")
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
