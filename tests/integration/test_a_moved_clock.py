"""A schedule on a clock that is moved: woken by EventBridge Scheduler through an outage and a change of the clocks."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from localcloud.testing import CloudBeside, cloud_beside

import headwater.infra.platform
from headwater.client.waiting import wait_for
from headwater.declare import Schedule
from headwater.schedules.calls import ScheduledCall
from headwater.schedules.service import Scheduler
from headwater.schedules.store import DEFINITIONS, DeployedSchedules, Ledger
from headwater.schedules.types import CALL, Definition, TickRecord, TickStatus, Work
from headwater.schedules.waking import wake_of
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.registry.cases import TABLE, make_table

pytestmark = pytest.mark.cloud

NAME, BUCKET, ZONE = "sweep", "artifacts", ZoneInfo("Europe/Berlin")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CODE = "def handler(event, context):\n    return event\n"
MACHINE = Path(headwater.infra.platform.__file__).with_name("regular.asl.json").read_text()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudBeside]:
    with cloud_beside(tmp_path_factory.mktemp("clock")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        CLIENTS.forget()
        make_table()
        CLIENTS("s3").create_bucket(Bucket=BUCKET)
        yield running
        CLIENTS.forget()


def role(service: str, action: str) -> str:
    """A role of a service that may do one thing."""
    allowed = {"Effect": "Allow", "Action": action, "Resource": "*"}
    trusted = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = CLIENTS("iam")
    made = iam.create_role(RoleName=service, AssumeRolePolicyDocument=json.dumps({"Statement": [trusted]}))
    document = {"Version": "2012-10-17", "Statement": [allowed]}
    iam.put_role_policy(RoleName=service, PolicyName="it", PolicyDocument=json.dumps(document))
    return str(made["Role"]["Arn"])


def function_and_machine() -> tuple[str, str]:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", CODE)
    function = CLIENTS("lambda").create_function(
        FunctionName="sweep",
        Runtime="python3.11",
        Handler="app.handler",
        Role=role("lambda", "logs:PutLogEvents"),
        Code={"ZipFile": code.getvalue()},
    )["FunctionArn"]
    machine = CLIENTS("stepfunctions").create_state_machine(
        name="regular", definition=MACHINE, roleArn=role("states", "lambda:InvokeFunction")
    )["stateMachineArn"]
    return function, machine


class Woken:
    """EventBridge Scheduler wakes by messages, and whoever takes one is the wake function."""

    def __init__(self, schedule: Schedule, function: str, machine: str, cloud: CloudBeside) -> None:
        self._cloud, self._time = cloud, cloud.advance(timedelta(0))
        work = Work(kind=CALL, name=NAME, function=function, event={"view": "weather"})
        definition = Definition(name=NAME, work=work, schedule=schedule)
        CLIENTS("s3").put_object(
            Bucket=BUCKET, Key=f"{DEFINITIONS}{NAME}.json", Body=definition.model_dump_json().encode()
        )
        self.ledger = Ledger(Table(TABLE, CLIENTS))
        targets = {CALL: ScheduledCall(machine, CLIENTS)}
        self.scheduler = Scheduler(self.ledger, DeployedSchedules(BUCKET, CLIENTS), targets, now=lambda: self._time)
        self._machine = machine
        self._queue = CLIENTS("sqs").create_queue(QueueName="wakes")["QueueUrl"]
        self._wake_by(schedule)

    def _wake_by(self, schedule: Schedule) -> None:
        wake = wake_of(schedule)
        arn = CLIENTS("sqs").get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        CLIENTS("scheduler").create_schedule(
            Name=NAME,
            ScheduleExpression=wake.expression,
            ScheduleExpressionTimezone=wake.zone,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": arn["QueueArn"],
                "RoleArn": role("scheduler", "sqs:SendMessage"),
                "Input": json.dumps({"scheduled": "<aws.scheduler.scheduled-time>"}),
            },
        )

    def run(self, by: timedelta, *, lost: bool = False) -> None:
        """Let time go by; with ``lost`` nobody comes who was woken."""
        end = self._time + by
        while self._time < end:
            self._time = self._cloud.advance(min(HOUR, end - self._time))
            for planned in self._wakes():
                if not lost:
                    # It comes twice, as EventBridge may.
                    self.scheduler.wake(NAME, planned)
                    self.scheduler.wake(NAME, planned)
                    self.end()

    def end(self) -> None:
        """Wait until what runs is over, and let the ledger hear of it."""

        def nothing_runs() -> bool | None:
            state = self.scheduler.advance(NAME)
            return (state is not None and not state.open) or None

        wait_for(nothing_runs, what="the end of the calls", timeout=60, pauses=(0.02, 0.2))

    def _wakes(self) -> list[datetime]:
        found = []
        while messages := CLIENTS("sqs").receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(datetime.fromisoformat(json.loads(message["Body"])["scheduled"]))
                CLIENTS("sqs").delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return sorted(found)

    def ticks(self) -> list[TickRecord]:
        return list(self.ledger.ticks(NAME))

    def calls(self) -> list[dict[str, Any]]:
        """What the function was called with, by the machine's runs."""
        runs = CLIENTS("stepfunctions").list_executions(stateMachineArn=self._machine)["executions"]
        inputs = [
            CLIENTS("stepfunctions").describe_execution(executionArn=run["executionArn"])["input"] for run in runs
        ]
        return [json.loads(given)["event"] for given in inputs]


def spring(after: datetime) -> datetime:
    """The next moment, UTC, at which the clocks of the zone are put forward."""
    moment = after.replace(minute=0, second=0, microsecond=0)
    while not (moment + HOUR).astimezone(ZONE).utcoffset() > moment.astimezone(ZONE).utcoffset():  # type: ignore[operator]
        moment += HOUR
    return moment + HOUR


def test_each_tick_is_called_once_through_an_outage_and_summer_time(cloud: CloudBeside) -> None:
    now = cloud.advance(timedelta(0))
    change = spring(now + 5 * DAY)
    # Midnight three days before the night in which 02:30 doesn't exist.
    night = change.astimezone(ZONE).date()
    start = datetime.combine(night - 3 * DAY, datetime.min.time(), ZONE).astimezone(UTC)
    cloud.advance(start - now)
    function, machine = function_and_machine()
    # S3 stamps the definition by the machine's clock, which isn't moved.
    schedule = Schedule(cron="30 2 * * ? *", zone="Europe/Berlin", missed="all(5)", starts=start)
    woken = Woken(schedule, function, machine, cloud)
    woken.scheduler.wake(NAME, start)
    woken.run(DAY)
    woken.run(DAY, lost=True)
    woken.run(4 * DAY)

    ticks = woken.ticks()
    local = [f"{tick.at.astimezone(ZONE):%H:%M}" for tick in ticks]
    assert [tick.at.astimezone(ZONE).date() for tick in ticks] == [night + DAY * day for day in range(-3, 3)]
    assert local == ["02:30", "02:30", "02:30", "03:30", "02:30", "02:30"]
    assert [tick.status for tick in ticks] == [TickStatus.DONE] * 6
    times = Counter(call["time"] for call in woken.calls())
    assert times == Counter(tick.at.isoformat() for tick in ticks)
    assert {call["view"] for call in woken.calls()} == {"weather"}
    # Each tick's time follows the one before, without a gap.
    assert [tick.since for tick in ticks[1:]] == [tick.at for tick in ticks[:-1]]

    # Paused, nothing is called; somebody who wants a call all the same gets one.
    woken.scheduler.pause(NAME, until=None, by="Ann", why="the feed is down")
    woken.run(DAY)
    assert woken.ticks()[-1].status is TickStatus.SKIPPED
    by_hand = woken.scheduler.run(NAME, by="Ann")
    woken.end()
    assert len(woken.calls()) == 7
    found = woken.ledger.tick(NAME, by_hand.key)
    assert found is not None
    assert (found.status, found.by) == (TickStatus.DONE, "Ann")
