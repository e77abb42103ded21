"""Schedules fire by the cloud's clock, and reach their targets."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud
from localcloud.events import EventsEmulator

from .conftest import Functions, Queue

MakeQueue = Callable[..., Queue]
ROLE = "arn:aws:iam::123456789012:role/scheduler"


@pytest.fixture
def schedule(cloud: Cloud) -> Iterator[Callable[..., str]]:
    """Makes schedules that are gone after the test: the clock is shared."""
    made: list[str] = []

    def create(name: str, expression: str, target: dict[str, Any], **more: Any) -> str:
        made.append(name)
        arn: str = cloud.client("scheduler").create_schedule(
            Name=name,
            ScheduleExpression=expression,
            FlexibleTimeWindow=more.pop("FlexibleTimeWindow", {"Mode": "OFF"}),
            Target={"RoleArn": ROLE, **target},
            **more,
        )["ScheduleArn"]
        return arn

    yield create
    for name in made:
        try:
            cloud.client("scheduler").delete_schedule(Name=name)
        except ClientError:
            continue


def test_a_week_of_an_hourly_schedule_fires_168_times_in_order(
    cloud: Cloud, queue: MakeQueue, schedule: Callable[..., str]
) -> None:
    target = queue("hourly")
    text = json.dumps({"at": "<aws.scheduler.scheduled-time>", "try": "<aws.scheduler.attempt-number>"})
    before = cloud.clock.now()
    schedule("hourly", "cron(0 * * * ? *)", {"Arn": target.arn, "Input": text})
    cloud.clock.advance(timedelta(days=7))
    bodies = target.bodies()
    assert len(bodies) == 168
    times = [datetime.fromisoformat(body["at"]) for body in bodies]
    assert times == sorted(times)
    assert times[0] - before < timedelta(hours=1, minutes=1)
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {timedelta(hours=1)}
    assert {body["try"] for body in bodies} == {"1"}


def test_a_rate_fires_at_once_and_then_again(cloud: Cloud, queue: MakeQueue, schedule: Callable[..., str]) -> None:
    target = queue("rate")
    schedule("rate", "rate(5 minutes)", {"Arn": target.arn})
    cloud.clock.advance(timedelta(minutes=11))
    bodies = target.bodies()
    assert len(bodies) == 3
    assert bodies[0]["source"] == "aws.scheduler"
    assert bodies[0]["detail"] == "{}"


def test_a_rule_with_a_rate_counts_from_when_it_was_made(cloud: Cloud, queue: MakeQueue) -> None:
    target = queue("rule-rate")
    events = cloud.client("events")
    arn = events.put_rule(Name="rule-rate", ScheduleExpression="rate(1 hour)")["RuleArn"]
    events.put_targets(Rule="rule-rate", Targets=[{"Id": "it", "Arn": target.arn, "InputPath": "$"}])
    cloud.clock.advance(timedelta(minutes=59))
    assert target.bodies() == []
    cloud.clock.advance(timedelta(minutes=2))
    (event,) = target.bodies()
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert event["resources"] == [arn]
    events.disable_rule(Name="rule-rate")
    cloud.clock.advance(timedelta(hours=3))
    assert target.bodies() == []


def test_a_one_time_schedule_fires_once_and_may_remove_itself(
    cloud: Cloud, queue: MakeQueue, schedule: Callable[..., str]
) -> None:
    target = queue("once")
    due = (cloud.clock.now() + timedelta(hours=2)).replace(microsecond=0, tzinfo=None)
    schedule("once", f"at({due.isoformat()})", {"Arn": target.arn, "Input": "{}"}, ActionAfterCompletion="DELETE")
    cloud.clock.advance(timedelta(days=1))
    assert target.bodies() == [{}]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        cloud.client("scheduler").get_schedule(Name="once")


def test_schedules_keep_to_their_dates_zone_and_state(
    cloud: Cloud, queue: MakeQueue, schedule: Callable[..., str]
) -> None:
    target = queue("dates")
    midnight = cloud.clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    schedule(
        "dates",
        "cron(30 9 * * ? *)",
        {"Arn": target.arn, "Input": '"<aws.scheduler.scheduled-time>"'},
        ScheduleExpressionTimezone="Asia/Kolkata",
        StartDate=midnight + timedelta(days=1),
        EndDate=midnight + timedelta(days=3),
        FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
    )
    schedule("asleep", "rate(1 minute)", {"Arn": target.arn, "Input": '"never"'}, State="DISABLED")
    cloud.clock.advance(timedelta(days=7))
    expected = [midnight + timedelta(days=day, hours=4) for day in (1, 2)]
    assert [datetime.fromisoformat(text).astimezone(UTC) for text in target.bodies()] == expected


def test_a_schedule_starts_machines_puts_events_and_calls_any_operation(
    cloud: Cloud, queue: MakeQueue, schedule: Callable[..., str], events: EventsEmulator
) -> None:
    machine = cloud.client("stepfunctions").create_state_machine(
        name="by-schedule",
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
        roleArn=ROLE,
    )["stateMachineArn"]
    target = queue("by-event-of-schedule")
    cloud.client("events").put_rule(Name="by-schedule", EventPattern='{"source": ["nightly"]}')
    cloud.client("events").put_targets(Rule="by-schedule", Targets=[{"Id": "it", "Arn": target.arn}])
    due = (cloud.clock.now() + timedelta(minutes=5)).replace(microsecond=0, tzinfo=None)
    at = f"at({due.isoformat()})"
    schedule("machine", at, {"Arn": machine, "Input": '{"n": 1}'})
    bus = f"arn:aws:events:us-east-1:{cloud.account_id}:event-bus/default"
    parameters = {"Source": "nightly", "DetailType": "go"}
    schedule("event", at, {"Arn": bus, "Input": '{"n": 2}', "EventBridgeParameters": parameters})
    start = json.dumps({"StateMachineArn": machine, "Name": "universal", "Input": "{}"})
    schedule("any", at, {"Arn": "arn:aws:scheduler:::aws-sdk:sfn:startExecution", "Input": start})
    cloud.clock.advance(timedelta(minutes=10))
    events.settle()
    assert [(event["detail-type"], event["detail"]) for event in target.bodies()] == [("go", {"n": 2})]
    executions = cloud.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert len(executions) == 2
    assert "universal" in {execution["name"] for execution in executions}


def test_an_invocation_that_fails_is_retried_and_ends_in_the_dead_letter_queue(
    cloud: Cloud, functions: Functions, queue: MakeQueue, schedule: Callable[..., str], events: EventsEmulator
) -> None:
    dead = queue("schedule-dead")
    function = functions.create("noted-scheduled")
    functions.failures["noted-scheduled"] = 1000
    due = (cloud.clock.now() + timedelta(minutes=5)).replace(microsecond=0, tzinfo=None)
    arn = schedule(
        "failing",
        f"at({due.isoformat()})",
        {
            "Arn": function,
            "Input": '{"id": "<aws.scheduler.execution-id>"}',
            "RetryPolicy": {"MaximumRetryAttempts": 1},
            "DeadLetterConfig": {"Arn": dead.arn},
        },
    )
    cloud.clock.advance(timedelta(minutes=10))
    events.settle()
    (letter,) = dead.receive()
    reasons = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert (reasons["SCHEDULE_ARN"], reasons["TARGET_ARN"]) == (arn, function)
    assert (reasons["EXHAUSTED_RETRY_CONDITION"], reasons["RETRY_ATTEMPTS"]) == ("MaximumRetryAttempts", "1")
    assert json.loads(letter["Body"]) == {"id": reasons["EXECUTION_ID"]}
    functions.failures["noted-scheduled"] = 0


@pytest.mark.parametrize("expression", ["cron(0 1 * * * *)", "rate(10 seconds)", "at(2021-12-31)"])
def test_an_expression_that_aws_refuses_is_refused_in_its_words(
    cloud: Cloud, schedule: Callable[..., str], expression: str
) -> None:
    with pytest.raises(ClientError) as refusal:
        schedule("refused", expression, {"Arn": "arn:aws:sqs:us-east-1:1:q"})
    assert refusal.value.response["Error"]["Message"] == f"Invalid Schedule Expression {expression}."
    with pytest.raises(ClientError, match="Parameter ScheduleExpression is not valid"):
        cloud.client("events").put_rule(Name="refused", ScheduleExpression=expression)
