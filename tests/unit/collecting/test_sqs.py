"""Messages of a queue land once, and are deleted once they have."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from itertools import count

import pytest
from botocore.exceptions import ClientError

from headwater.collecting.errors import CollectFailed
from headwater.collecting.service import reset
from headwater.collecting.streams import remembered
from headwater.collecting.streams.remembered import Remembered
from headwater.collecting.types import RunStatus
from headwater.storage.environment import CLIENTS
from tests.crashing import crash_points
from tests.unit.collecting.streams import Queue, now, told
from tests.unit.collecting.world import landed, lines, store
from tests.unit.versions.cases import Killed, wired


@pytest.fixture
def queue(aws_streams: None) -> Queue:
    return Queue()


def with_dead_letters(name: str = "orders", *, most: int = 2) -> tuple[Queue, Queue]:
    """A queue, and the one of its dead letters."""
    dead = Queue("dead.fifo" if name.endswith(".fifo") else "dead")
    policy = {"deadLetterTargetArn": dead.moto.queue_arn, "maxReceiveCount": str(most)}
    return Queue(name, {"RedrivePolicy": json.dumps(policy)}), dead


def test_messages_land_and_are_deleted(queue: Queue) -> None:
    queue.send(*range(25))
    outcome = queue.collect("first")
    assert (outcome.status, outcome.rows, outcome.batches) == (RunStatus.DONE, 25, 1)
    assert (told(), queue.left()) == (list(range(25)), [])
    assert queue.collect("second").batches == 0


def test_a_message_that_comes_again_lands_once_and_is_deleted(queue: Queue) -> None:
    queue.send(1, 2)
    wire = wired("sqs")
    wire.fault = lambda call: "kill" if call == "DeleteMessageBatch" else None
    with suppress(Killed):
        queue.collect("killed")
    wire.revive()
    assert (told(), len(queue.left())) == ([1, 2], 2)
    queue.show()
    queue.send(3)
    queue.collect("next")
    assert (told(), queue.left()) == ([1, 2, 3], [])


def test_killed_at_any_call_every_message_lands_once(queue: Queue) -> None:
    wire = wired("s3", "dynamodb", "sqs")
    queue.send(0)
    queue.collect("count")
    calls, sent = len(wire.calls), 1
    for number in crash_points(0, "sqs"):
        if number >= calls + 6:
            break
        queue.send(*range(sent, sent + 3))
        sent += 3
        seen = count()
        wire.fault = lambda _, number=number, seen=seen: "kill" if next(seen) == number else None  # type: ignore[misc]
        with suppress(Killed):
            queue.collect(f"killed-{number}", batch_rows=2)
        wire.revive()
        queue.show()
        queue.collect(f"next-{number}", batch_rows=2)
        assert (sorted(told()), queue.left()) == (list(range(sent)), []), f"killed at call {number}"
        wire.revive()


def test_a_fifo_queue_lands_in_its_order(aws_streams: None) -> None:
    queue = Queue("orders.fifo")
    for number in range(12):
        queue.send(number, group="ab"[number % 2])
    queue.send(*range(12, 35), group="c")
    queue.collect()
    rows = told()
    assert sorted(rows) == list(range(35))
    for group in ([row for row in rows if row < 12 and row % 2 == side] for side in (0, 1)):
        assert group == sorted(group)
    assert [row for row in rows if row >= 12] == list(range(12, 35))
    assert queue.left() == []


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_a_body_that_is_no_json_stays_in_the_queue_and_the_run_says_so(aws_streams: None, name: str) -> None:
    queue = Queue(name)
    queue.send(1, group="a")
    bad = queue.send_body("no json", group="b")
    queue.send(2, group="a")
    for run in ("first", "retried"):
        with pytest.raises(CollectFailed, match=rf"message {bad} of queue {name} is no JSON: .*All others have landed"):
            queue.collect(run)
    assert (told(), queue.left()) == ([1, 2], ["no json"])


def test_what_is_behind_a_bad_message_of_a_fifo_group_waits_until_it_is_gone(aws_streams: None) -> None:
    queue = Queue("orders.fifo")
    bad = queue.send_body("bad", group="a")
    queue.send(1, group="a")
    queue.send(2, group="b")
    with pytest.raises(CollectFailed, match=f"message {bad} of queue orders.fifo is no JSON"):
        queue.collect("first")
    assert (told(), queue.left()) == ([2], ["bad", '{"row": 1}'])
    message = CLIENTS("sqs").receive_message(QueueUrl=queue.url)["Messages"][0]
    CLIENTS("sqs").delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
    queue.collect("second")
    assert (told(), queue.left()) == ([2, 1], [])


def test_a_bad_message_of_a_fifo_group_that_is_left_takes_none_with_it(aws_streams: None) -> None:
    queue, dead = with_dead_letters("orders.fifo", most=1)
    queue.send_body("bad", group="a")
    queue.send(1, 2, group="a")
    for run in ("first", "second"):
        queue.collect(run, invalid="leave")
    assert (told(), queue.left(), dead.left()) == ([1, 2], [], ["bad"])


def test_bodies_that_are_left_go_to_the_queues_own_dead_letters(aws_streams: None) -> None:
    queue, dead = with_dead_letters()
    queue.send(1)
    queue.send_body("[]")
    for run in range(3):
        assert queue.collect(f"run-{run}", invalid="leave").status is RunStatus.DONE
    assert (told(), queue.left(), dead.left()) == ([1], [], ["[]"])


def test_bodies_are_left_only_where_dead_letters_are_kept(queue: Queue) -> None:
    with pytest.raises(CollectFailed, match=r"queue orders has no dead-letter queue.* give the queue a redrive policy"):
        queue.collect(invalid="leave")


def test_an_envelope_is_taken_off_only_if_it_is_declared(queue: Queue) -> None:
    sns = {"Type": "Notification", "MessageId": "m", "Message": '{"n": 1.10000000000000000001}'}
    event = {"version": "0", "detail-type": "order", "detail": {"n": 2}}
    queue.send_body(json.dumps(sns))
    queue.collect("plain")
    queue.send_body(json.dumps(sns))
    queue.collect("sns", unwrap="sns")
    queue.send_body(json.dumps(event))
    queue.collect("event", unwrap="eventbridge")
    files = landed()
    plain, *others = lines(files[name] for name in sorted(files))
    assert json.loads(plain) == sns
    assert others == ['{"n":1.10000000000000000001}', '{"n":2}']
    queue.send_body(json.dumps({"Type": "SubscriptionConfirmation", "Message": "You have chosen"}))
    with pytest.raises(CollectFailed, match="is no envelope of an SNS notification"):
        queue.collect("other", unwrap="sns")


def test_a_run_ends_in_time_and_the_next_call_goes_on(queue: Queue) -> None:
    queue.send(*range(25))
    assert not queue.collect(left=lambda: 40.0).complete
    assert told() == list(range(10))
    assert queue.collect().complete
    assert told() == list(range(25))


@pytest.mark.parametrize("left", [40.0, 80.0])
def test_a_run_of_several_calls_fails_by_what_an_earlier_one_could_not_read(queue: Queue, left: float) -> None:
    queue.send_body("bad")
    queue.send(1)
    assert not queue.collect(left=lambda: left).complete
    with pytest.raises(CollectFailed, match="of queue orders is no JSON"):
        queue.collect()
    assert (told(), queue.left()) == ([1], ["bad"])


def test_what_is_sent_while_a_run_reads_does_not_keep_it_for_ever(queue: Queue) -> None:
    queue.send(*range(3))
    # A sender that is as quick as the reader: who reads until the queue is empty would never end.
    CLIENTS("sqs").meta.events.register("after-call.sqs.ReceiveMessage", lambda **_: queue.send(*range(10)))
    assert queue.collect().rows < 40


def test_a_receive_that_fails_lets_others_have_what_was_taken(queue: Queue) -> None:
    queue.send(*range(12))
    calls = count()

    def fail(**_: object) -> None:
        if next(calls) == 1:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ReceiveMessage")

    CLIENTS("sqs").meta.events.register("after-call.sqs.ReceiveMessage", fail)
    with pytest.raises(CollectFailed, match="queue orders can't be read: AccessDenied: no"):
        queue.collect("failed")
    assert sum(message.visible for message in queue.moto._messages) == 10
    queue.show()
    queue.collect("next")
    assert sorted(told()) == list(range(12))


def test_deletions_that_fail_for_a_moment_are_tried_again(queue: Queue) -> None:
    queue.send(*range(3))
    calls = count()

    def fail(parsed: dict[str, object], **_: object) -> None:
        if next(calls) == 0:
            parsed["Failed"] = [{"Id": "1", "SenderFault": False, "Code": "InternalError"}]

    CLIENTS("sqs").meta.events.register("after-call.sqs.DeleteMessageBatch", fail)
    queue.collect()
    assert next(calls) == 2


def test_messages_are_remembered_for_as_long_as_the_queue_may_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, keeps = now(), timedelta(days=4)
    known = Remembered(b"")
    known.add([("a", sent), ("b", sent + timedelta(days=2))], keeps)
    later = Remembered(known.dump(sent + timedelta(days=6)))
    assert ("a" in later, "b" in later) == (False, True)
    monkeypatch.setattr(remembered, "MOST_REMEMBERED", 1)
    assert "b" in Remembered(known.dump(sent))


def test_a_queue_has_no_cursor_to_be_set(queue: Queue) -> None:
    queue.send(1)
    queue.collect("first")
    reset(store(), "book", "TRIM_HORIZON", pause=lambda _: None)
    with pytest.raises(CollectFailed, match=r"a queue has no cursor that can be set.*reset book without --to"):
        queue.collect("second")
    reset(store(), "book", None, pause=lambda _: None)
    queue.send(2)
    queue.collect("third")
    assert told() == [1, 2]


def test_what_cant_be_read_is_told(queue: Queue) -> None:
    with pytest.raises(CollectFailed, match=r"queue absent can't be read: .*NonExistentQueue"):
        queue.collect(queue="absent")
