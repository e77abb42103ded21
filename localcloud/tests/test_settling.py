"""A clock that is moved waits at its stops for what was started, but not for what doesn't come to rest."""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from localcloud.cloud import Cloud
from localcloud.moves import Move, Moves
from localcloud.rest import Going
from tests.functions.conftest import Deploy, deploy
from tests.functions.test_asynchronous import Queue, configure, queue
from tests.functions.test_streams import Stream, stream
from tests.workflows.conftest import Machines, machines

__all__ = ["deploy", "machines", "queue", "stream"]

ROLE = "arn:aws:iam::123456789012:role/scheduler"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LONG = 600.0  # seconds, more than a test takes: who waited that long would hang
NO_READER = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]}
SLOW = "import time\ndef handler(event, context): time.sleep(0.5)"
FAILS = "def handler(event, context): raise ValueError('on purpose')"
QUEUE_READER = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def moves(cloud: Cloud) -> Moves:
    return Moves(cloud)


@pytest.fixture
def move(moves: Moves) -> Callable[..., dict[str, Any]]:
    """Moves the clock; how it ended."""

    def move(by: timedelta, *, within: float | None = LONG) -> dict[str, Any]:
        return ended(moves.begin(by, settle_within=within))

    return move


def ended(move: Move) -> dict[str, Any]:
    if not move.over.wait(30):
        pytest.fail(f"not over within 30 s, it waits for {move.told()['waits_for']}")
    assert move.told()["failed"] == ""
    return move.told()


@pytest.fixture
def hourly(cloud: Cloud) -> Iterator[Callable[[str], None]]:
    """Sends something to a target each hour, until the test is over: the clock is shared."""
    made: list[str] = []

    def create(target: str, expression: str = "rate(1 hour)") -> None:
        made.append(f"s-{uuid.uuid4().hex[:12]}")
        cloud.client("scheduler").create_schedule(
            Name=made[-1],
            ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"RoleArn": ROLE, "Arn": target, "Input": "{}", "RetryPolicy": {"MaximumRetryAttempts": 0}},
        )

    yield create
    for name in made:
        cloud.client("scheduler").delete_schedule(Name=name)


@pytest.fixture
def consume(cloud: Cloud) -> Iterator[Callable[..., None]]:
    """Lets a function read a queue, until the test is over."""
    made: list[str] = []

    def connect(function: Any, source: Queue, visibility: int, *, allowed: bool = True) -> None:
        policy = QUEUE_READER if allowed else NO_READER
        cloud.client("iam").put_role_policy(RoleName=function.name, PolicyName="it", PolicyDocument=json.dumps(policy))
        cloud.client("sqs").set_queue_attributes(QueueUrl=source.url, Attributes={"VisibilityTimeout": str(visibility)})
        answer = cloud.client("lambda").create_event_source_mapping(
            FunctionName=function.name, EventSourceArn=source.arn
        )
        made.append(answer["UUID"])

    yield connect
    for mapping in made:
        cloud.client("lambda").delete_event_source_mapping(UUID=mapping)
    for function in cloud.client("iam").list_roles()["Roles"]:
        if function["RoleName"].startswith("f-"):
            for name in cloud.client("iam").list_role_policies(RoleName=function["RoleName"])["PolicyNames"]:
                cloud.client("iam").delete_role_policy(RoleName=function["RoleName"], PolicyName=name)


def test_five_runs_of_half_a_second_come_one_after_the_other(
    machines: Machines, deploy: Deploy, hourly: Callable[[str], None], move: Callable[..., dict[str, Any]]
) -> None:
    slow = deploy(SLOW)
    machine = machines.create({"Run": {"Type": "Task", "Resource": slow.arn, "End": True}})
    hourly(machine)
    told = move(5 * HOUR - MINUTE)
    runs = machines.client.list_executions(stateMachineArn=machine)["executions"]
    assert [run["status"] for run in runs] == ["SUCCEEDED"] * 5
    times = sorted((run["startDate"], run["stopDate"]) for run in runs)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(times))
    assert told["passed"] == []


def test_a_message_that_a_function_takes_is_worked_off_before_the_clock_goes_on(
    cloud: Cloud,
    deploy: Deploy,
    queue: Queue,
    hourly: Callable[[str], None],
    consume: Callable[..., None],
    move: Callable[..., dict[str, Any]],
) -> None:
    consume(deploy(SLOW), queue, 60)
    hourly(queue.arn)
    assert move(2 * HOUR - MINUTE)["passed"] == []
    attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = cloud.client("sqs").get_queue_attributes(QueueUrl=queue.url, AttributeNames=attributes)["Attributes"]
    assert set(left.values()) == {"0"}


def test_a_consumer_that_fails_is_passed_by_and_told(
    deploy: Deploy,
    queue: Queue,
    hourly: Callable[[str], None],
    consume: Callable[..., None],
    move: Callable[..., dict[str, Any]],
) -> None:
    function = deploy(FAILS)
    consume(function, queue, 3600)
    hourly(queue.arn)
    (passed,) = move(3 * HOUR - MINUTE)["passed"]
    name = queue.arn.rpartition(":")[2]
    assert passed["what"] == f"message of queue {name} for {function.name}"
    assert (passed["count"], passed["going"], passed["stops"]) == (3, 3, 4)
    assert 3000 < passed["seconds"] <= 3600


def test_messages_that_come_late_or_may_not_be_read_are_passed_by(
    cloud: Cloud, deploy: Deploy, queue: Queue, consume: Callable[..., None], move: Callable[..., dict[str, Any]]
) -> None:
    forbidden, other = Queue(cloud), deploy(SLOW)
    consume(deploy(SLOW), queue, 60)
    consume(other, forbidden, 60, allowed=False)
    cloud.client("sqs").send_message(QueueUrl=queue.url, MessageBody="{}", DelaySeconds=900)
    cloud.client("sqs").send_message(QueueUrl=forbidden.url, MessageBody="{}")
    passed = {one["what"]: one for one in move(timedelta(0))["passed"]}
    assert len(passed) == 2
    unread = passed.pop(f"message of queue {forbidden.arn.rpartition(':')[2]} for {other.name}")
    (late,) = passed.values()
    assert (unread["going"], unread["seconds"], late["going"]) == (1, None, 1)
    assert 800 < late["seconds"] <= 900
    forbidden.delete()


def test_a_stream_whose_batch_fails_again_and_again_is_passed_by_in_a_pause(
    stream: Stream, move: Callable[..., dict[str, Any]]
) -> None:
    stream.connect(answer="1 / 0")
    stream.put({"id": {"S": "a"}})
    (passed,) = move(HOUR)["passed"]
    assert passed["what"].startswith(f"records of table {stream.name} for ")
    assert (passed["count"], passed["going"]) == (1, 1)


def test_what_fails_and_is_tried_again_soon_is_waited_for_to_its_end(
    cloud: Cloud, deploy: Deploy, queue: Queue, move: Callable[..., dict[str, Any]]
) -> None:
    function = deploy(FAILS)
    configure(cloud, function.name, queue)
    function({}, InvocationType="Event")
    assert move(timedelta(0))["passed"] == []
    answer = cloud.client("sqs").receive_message(QueueUrl=queue.url)
    (message,) = answer["Messages"]
    assert json.loads(message["Body"])["requestContext"]["condition"] == "RetriesExhausted"


def test_a_machine_that_waits_for_hours_doesnt_hold_the_clock(
    machines: Machines, hourly: Callable[[str], None], move: Callable[..., dict[str, Any]]
) -> None:
    waits = {"Type": "Parallel", "End": True, "Branches": [branch("Long", 3600), branch("Short", 1)]}
    machine = machines.create({"Both": waits})
    hourly(machine)
    (passed,) = move(2 * HOUR - MINUTE)["passed"]
    assert passed["what"] == f"execution of {machine.rpartition(':')[2]}"
    assert (passed["count"], passed["going"]) == (2, 2)
    assert 3000 < passed["seconds"] <= 3600
    stop_all(machines, machine)


def branch(name: str, seconds: int) -> dict[str, Any]:
    return {"StartAt": name, "States": {name: {"Type": "Wait", "Seconds": seconds, "End": True}}}


def stop_all(machines: Machines, machine: str) -> None:
    for run in machines.client.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]:
        machines.client.stop_execution(executionArn=run["executionArn"])
        machines.ended(run["executionArn"])


def test_what_outlasts_the_bound_is_told_and_not_waited_for_again(
    machines: Machines, queue: Queue, hourly: Callable[[str], None], stops: Stops, move: Callable[..., dict[str, Any]]
) -> None:
    ask = {"QueueUrl": queue.url, "MessageBody": {"token": "{% $states.context.Task.Token %}"}}
    task = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Arguments": ask}
    machine = machines.create({"Ask": {**task, "End": True}})
    machines.start(machine)
    hourly(queue.arn)
    (passed,) = move(3 * HOUR - MINUTE, within=0.2)["passed"]
    assert passed["what"] == f"execution of {machine.rpartition(':')[2]}"
    assert (passed["count"], passed["going"], passed["stops"], passed["seconds"]) == (1, 1, 5, None)
    # Had each stop waited until its bound, there would be some looks at each.
    looks = stops.looks
    move(3 * HOUR, within=0)
    assert stops.looks - looks < looks
    stop_all(machines, machine)


class Stops:
    """An emulator that counts how often it is asked what goes on."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self.looks, self.busy = cloud, 0, list[Going]()
        self.asked = threading.Event()
        cloud.emulators.append(self)

    def open(self) -> None: ...

    def close(self) -> None: ...

    def going_on(self) -> Iterable[Going]:
        self.looks += 1
        self.asked.set()
        return self.busy

    def end(self) -> None:
        self._cloud.emulators.remove(self)


@pytest.fixture
def stops(cloud: Cloud) -> Iterator[Stops]:
    made = Stops(cloud)
    yield made
    made.busy = []
    made.end()


def test_a_stop_with_nothing_going_on_takes_two_looks(
    stops: Stops, move: Callable[..., dict[str, Any]], cloud: Cloud
) -> None:
    move(timedelta(0))
    stops.looks = 0
    move(timedelta(0))
    assert stops.looks == 4  # two before the clock moves, and two where it ends


def test_who_doesnt_want_to_wait_doesnt(stops: Stops, move: Callable[..., dict[str, Any]]) -> None:
    stops.busy = [Going("dream", "it")]
    assert move(HOUR, within=None)["passed"] == []
    assert stops.looks == 0


def test_two_moves_at_once_are_made_one_after_the_other(stops: Stops, moves: Moves, cloud: Cloud) -> None:
    stops.busy = [Going("dream", "it")]
    before = cloud.clock.now()
    first = moves.begin(HOUR, settle_within=LONG)
    assert stops.asked.wait(20)
    second = moves.begin(HOUR, settle_within=LONG)
    assert second.told()["waits_for"] == [{"what": "another move of the clock", "count": 1}]
    assert not second.over.is_set()
    stops.busy = []
    ended(first)
    ended(second)
    assert cloud.clock.now() - before >= 2 * HOUR
    assert moves.find(first.name) is first


def test_a_halted_move_leaves_the_clock_where_it_was(
    stops: Stops, moves: Moves, move: Callable[..., dict[str, Any]], cloud: Cloud
) -> None:
    stops.busy = [Going("dream", "it")]
    before = cloud.clock.now()
    halted = moves.begin(24 * HOUR, settle_within=LONG)
    waiting = moves.begin(24 * HOUR, settle_within=LONG)
    assert stops.asked.wait(20)
    for one in (waiting, halted):
        one.halted.set()
        assert ended(one)["halted"]
    assert cloud.clock.now() - before < HOUR
    stops.busy = []
    assert datetime.fromisoformat(move(HOUR)["now"]) - before >= HOUR


def test_errors_of_a_function_raise_the_alarm_of_the_minute_in_which_they_were_made(
    cloud: Cloud, deploy: Deploy, queue: Queue, move: Callable[..., dict[str, Any]]
) -> None:
    function = deploy(FAILS)
    cloud.client("lambda").put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=0)
    topic = cloud.client("sns").create_topic(Name=function.name)["TopicArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    cloud.client("cloudwatch").put_metric_alarm(
        AlarmName=function.name,
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=[{"Name": "FunctionName", "Value": function.name}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    function({}, InvocationType="Event")
    move(2 * MINUTE)
    (message,) = cloud.client("sqs").receive_message(QueueUrl=queue.url)["Messages"]
    assert json.loads(json.loads(message["Body"])["Message"])["NewStateValue"] == "ALARM"
    cloud.client("cloudwatch").delete_alarms(AlarmNames=[function.name])
    cloud.client("sns").delete_topic(TopicArn=topic)


@pytest.mark.parametrize(("by", "within"), [(-1, 1.0), (1, -1.0), (1, float("nan"))])
def test_a_move_that_makes_no_sense_is_refused(moves: Moves, by: int, within: float) -> None:
    with pytest.raises(ValueError, match="settle within"):
        moves.begin(timedelta(seconds=by), settle_within=within)
