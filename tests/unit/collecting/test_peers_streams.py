"""Bug reports of peers that read streams and queues, tried here: what each should have got.

KCL and kinesis-connectors (Amazon's), Telegraf, Pinot, Redpanda Connect, Estuary, kinsumer, lifion-kinesis,
kinesis-sql (qubole), kinesis-consumer (harlow), Materialize, Camel's Kafka connector, Caterpillar, Vector, Beats.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from localcloud.moto_patches import kinesis_shards

from headwater.collecting.errors import CollectFailed
from headwater.collecting.service import reset
from headwater.collecting.streams import sqs
from headwater.collecting.streams import store as calls_of_streams
from headwater.storage.environment import CLIENTS
from tests.unit.collecting.streams import Queue, Stream, now, packed, read_long_ago, told
from tests.unit.collecting.world import store


@pytest.fixture
def stream(aws_streams: None) -> Stream:
    return Stream()


@pytest.fixture
def queue(aws_streams: None) -> Queue:
    return Queue()


def test_telegraf_17871_children_of_a_parent_that_is_gone_are_read(stream: Stream) -> None:
    stream.split()
    stream.age(hours=25)
    stream.put(1, 2, 3)
    stream.collect()
    assert sorted(told()) == [1, 2, 3]


@pytest.mark.parametrize("start", ["LATEST", "time"])
def test_pinot_7555_a_beginning_holds_for_runs_that_find_nothing(stream: Stream, start: str) -> None:
    stream.put(1)
    stream.age(minutes=1)
    begin = now()
    given = "LATEST" if start == "LATEST" else begin
    stream.collect("first", start=given, tick=begin)
    stream.put(2)
    stream.split()
    stream.put(3)
    stream.collect("second", start=given)
    stream.collect("third", start=given)
    assert told() == [2, 3]


def test_redpanda_735_and_telegraf_19505_an_expired_iterator_is_replaced(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinesis_shards, "MOST_RECORDS", 2)
    stream.put(*range(1, 6))
    expired = iter([False, True, False, True, True] + [False] * 9)
    calls = []

    def expire(params: dict[str, str], **_: object) -> None:
        calls.append(params["ShardIterator"])
        if next(expired):
            name, shard, last, _made = base64.b64decode(params["ShardIterator"]).decode().split(":")
            params["ShardIterator"] = base64.b64encode(f"{name}:{shard}:{last}:0".encode()).decode()

    CLIENTS("kinesis").meta.events.register("provide-client-params.kinesis.GetRecords", expire)
    stream.collect(batch_rows=2)
    assert told() == [1, 2, 3, 4, 5]
    assert len(calls) == 6


def test_estuary_2665_a_stream_that_is_throttled_is_asked_again_after_pauses(stream: Stream) -> None:
    stream.put(1, 2)
    throttled = iter([True] * 4 + [False] * 50)

    def throttle(**_: object) -> None:
        if next(throttled):
            raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "GetRecords")

    CLIENTS("kinesis").meta.events.register("after-call.kinesis.GetRecords", throttle)
    stream.collect()
    assert told() == [1, 2]
    assert len(stream.waited) == 4


def test_kinesis_connectors_8_a_stream_that_was_made_anew_is_refused(stream: Stream) -> None:
    stream.put(1)
    stream.collect("first")
    CLIENTS("kinesis").delete_stream(StreamName=stream.name)
    again = Stream()
    again.moto.creation_datetime += timedelta(minutes=5)
    again.put(2)
    with pytest.raises(CollectFailed, match=r"stream clicks was made anew at .*Z, and the cursor is of one made at"):
        again.collect("second")
    reset(store(), "book", None, pause=lambda _: None)
    again.collect("third")
    assert told() == [1, 2]


def test_kinsumer_39_and_lifion_325_packed_records_are_unpacked(stream: Stream) -> None:
    rows = [(f"key-{number}", b'{"row": %d}' % number) for number in range(300)]
    stream.put_bytes(packed(rows))
    stream.put_bytes(packed([("k", b'{"row": 300}')], explicit=5))
    stream.collect()
    assert told() == list(range(301))


@pytest.mark.parametrize("strays", ["leave", "land"])
def test_kcl_343_packed_rows_of_another_shard_are_neither_lost_nor_doubled(stream: Stream, strays: str) -> None:
    stream.split()
    rows = [(f"key-{number}", b'{"row": %d}' % number) for number in range(20)]
    number = stream.put_bytes(packed(rows), "key-0")
    with pytest.raises(CollectFailed, match=f"record {number} of shard .* is packed with rows of other shards.*'land'"):
        stream.collect("first")
    assert told() == []
    stream.collect("second", strays=strays)
    mine = told()
    if strays == "leave":
        # Amazon's producer learns of the split, and sends what isn't the shard's again, to the other one.
        assert 0 < len(mine) < 20
        for key, data in rows:
            if json.loads(data)["row"] not in mine:
                stream.put_bytes(data, key)
        stream.collect("third", strays=strays)
    assert sorted(told()) == list(range(20))


def test_camel_kafka_1731_no_message_is_deleted_before_it_has_landed(queue: Queue) -> None:
    queue.send(1)
    seen = []
    CLIENTS("sqs").meta.events.register(
        "provide-client-params.sqs.DeleteMessageBatch", lambda **_: seen.append((told(), len(queue.left())))
    )
    queue.collect()
    assert seen == [([1], 1)]


def test_redpanda_182_a_message_that_comes_twice_to_one_batch_lands_once(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_of_streams, "AT_ONCE", 1)
    queue.send(1, 2)
    shown = iter([True, True])

    def show(**_: object) -> None:
        if next(shown, False):
            queue.show()

    CLIENTS("sqs").meta.events.register("after-call.sqs.ReceiveMessage", show)
    queue.collect()
    assert (sorted(told()), queue.left()) == ([1, 2], [])


def test_redpanda_2649_and_qubole_55_shards_that_closed_between_two_runs_are_read(stream: Stream) -> None:
    stream.put(1, key="a")
    stream.collect("first")
    stream.put(2, key="a")
    stream.split()
    stream.split(1)
    stream.split(2)
    stream.put(3, key="a")
    stream.collect("second")
    assert told() == [1, 2, 3]


def test_materialize_2288_records_of_an_answer_that_is_not_behind_land(stream: Stream) -> None:
    stream.put(1)
    behind = []
    CLIENTS("kinesis").meta.events.register(
        "after-call.kinesis.GetRecords", lambda parsed, **_: behind.append(parsed["MillisBehindLatest"])
    )
    stream.collect()
    assert (told(), behind) == ([1], [0])


def test_kcl_445_and_qubole_87_answers_without_records_are_no_end(
    stream: Stream,
) -> None:
    stream.put(1)
    behind = iter([3_600_000, 1_800_000])

    def empty(parsed: dict[str, object], **_: object) -> None:
        if (left := next(behind, None)) is not None:
            # As AWS answers for a stretch of a shard that has no records.
            parsed |= {"Records": [], "MillisBehindLatest": left, "NextShardIterator": stream.iterator()}

    CLIENTS("kinesis").meta.events.register("after-call.kinesis.GetRecords", empty)
    stream.collect("first")
    assert told() == [1]
    assert stream.collect("nothing").rows == 0


def test_harlow_98_and_125_a_cursor_older_than_all_records_does_not_get_stuck(stream: Stream) -> None:
    stream.put(1)
    stream.collect("first")
    stream.age(hours=30)
    read_long_ago(hours=30)
    stream.put(2)
    asked: list[dict[str, str]] = []
    CLIENTS("kinesis").meta.events.register(
        "provide-client-params.kinesis.GetShardIterator", lambda params, **_: asked.append(params)
    )
    with pytest.raises(CollectFailed, match="records may be lost"):
        stream.collect("second")
    assert told() == [1, 2]
    # Behind a record that is gone AWS gives answers without records, for as long as the stream keeps any.
    assert [one["ShardIteratorType"] for one in asked] == ["TRIM_HORIZON"]


def test_caterpillar_116_a_fifo_queue_is_asked_again_once_its_messages_are_gone(
    aws_streams: None,
) -> None:
    queue = Queue("orders.fifo")
    queue.send(*range(25))
    queue.collect()
    assert (told(), queue.left()) == (list(range(25)), [])


def test_vector_19711_and_beats_18752_what_cant_be_read_is_never_deleted(queue: Queue) -> None:
    queue.send_body("{")
    with pytest.raises(CollectFailed, match=r"message .* of queue orders is no JSON"):
        queue.collect()
    assert queue.left() == ["{"]


def test_python_task_queue_12_and_redpanda_1948_a_call_waits_and_hides_long(
    queue: Queue,
) -> None:
    asked: list[dict[str, int]] = []
    CLIENTS("sqs").meta.events.register(
        "provide-client-params.sqs.ReceiveMessage", lambda params, **_: asked.append(params)
    )
    queue.send(1)
    queue.collect()
    assert asked[0]["VisibilityTimeout"] > sqs.BATCH_SECONDS + 300
    assert sqs.WAIT_SECONDS > 0
