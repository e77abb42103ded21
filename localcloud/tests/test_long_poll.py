"""A ReceiveMessage that waits lets everybody else work."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import pytest
from localcloud.cloud import Cloud


@pytest.fixture
def queue(cloud: Cloud) -> Iterator[str]:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=f"poll-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    yield url
    sqs.delete_queue(QueueUrl=url)


def test_a_message_that_comes_while_somebody_waits_is_delivered(cloud: Cloud, queue: str) -> None:
    sqs = cloud.client("sqs")
    got: list[str] = []

    def wait() -> None:
        answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)
        got.extend(message["Body"] for message in answer.get("Messages", ()))

    waiter = threading.Thread(target=wait)
    waiter.start()
    # Under moto's own wait this call would hang until the wait is over, and then find nobody.
    sqs.send_message(QueueUrl=queue, MessageBody="here")
    waiter.join(15)
    assert got == ["here"]


def test_an_empty_queue_answers_nothing_when_the_wait_is_over(cloud: Cloud, queue: str) -> None:
    answer = cloud.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1)
    assert "Messages" not in answer


def test_the_queues_own_waiting_time_is_honoured(cloud: Cloud, queue: str) -> None:
    sqs = cloud.client("sqs")
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"ReceiveMessageWaitTimeSeconds": "1"})
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
