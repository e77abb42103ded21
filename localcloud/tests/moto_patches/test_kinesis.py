"""Streams are resharded, expire and end as on AWS."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud
from moto.kinesis.models import Stream, kinesis_backends


@pytest.fixture
def stream(cloud: Cloud) -> str:
    """A stream of one shard."""
    name = f"stream-{uuid.uuid4().hex[:8]}"
    cloud.client("kinesis").create_stream(StreamName=name, ShardCount=1)
    return name


def put(cloud: Cloud, stream: str, *data: str, key: str = "k") -> list[dict[str, Any]]:
    kinesis = cloud.client("kinesis")
    return [kinesis.put_record(StreamName=stream, Data=one.encode(), PartitionKey=key) for one in data]


def split(cloud: Cloud, stream: str, shard: str = "shardId-000000000000") -> None:
    cloud.client("kinesis").split_shard(StreamName=stream, ShardToSplit=shard, NewStartingHashKey=str(2**127))


def iterator(cloud: Cloud, stream: str, shard: int = 0, **more: Any) -> str:
    asked = {"ShardIteratorType": "TRIM_HORIZON", **more}
    made = cloud.client("kinesis").get_shard_iterator(StreamName=stream, ShardId=f"shardId-{shard:012}", **asked)
    return str(made["ShardIterator"])


def read(cloud: Cloud, iterator: str, **more: Any) -> tuple[list[str], dict[str, Any]]:
    answer = cloud.client("kinesis").get_records(ShardIterator=iterator, **more)
    return [record["Data"].decode() for record in answer["Records"]], answer


def kept(cloud: Cloud, stream: str) -> Stream:
    return kinesis_backends[cloud.account_id][cloud.region].streams[stream]


def test_a_shard_that_is_split_keeps_its_records_and_ends(cloud: Cloud, stream: str) -> None:
    put(cloud, stream, "a", "b")
    split(cloud, stream)
    later = put(cloud, stream, "c")[0]
    assert later["ShardId"] != "shardId-000000000000"
    data, answer = read(cloud, iterator(cloud, stream))
    assert (data, "NextShardIterator" in answer) == (["a", "b"], False)
    data, answer = read(cloud, iterator(cloud, stream, int(later["ShardId"][-12:])))
    assert (data, "NextShardIterator" in answer) == (["c"], True)


def test_shards_that_are_merged_keep_their_records(cloud: Cloud, stream: str) -> None:
    split(cloud, stream)
    found = [put(cloud, stream, str(number), key=str(number))[0]["ShardId"] for number in range(8)]
    cloud.client("kinesis").merge_shards(
        StreamName=stream, ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000002"
    )
    assert put(cloud, stream, "x")[0]["ShardId"] == "shardId-000000000003"
    for shard in (1, 2):
        data, answer = read(cloud, iterator(cloud, stream, shard))
        assert len(data) == found.count(f"shardId-{shard:012}")
        assert "NextShardIterator" not in answer


def test_sequence_numbers_have_56_digits_and_a_child_has_greater_ones(cloud: Cloud, stream: str) -> None:
    before = [one["SequenceNumber"] for one in put(cloud, stream, "a", "b")]
    split(cloud, stream)
    after = put(cloud, stream, "c")[0]["SequenceNumber"]
    assert [len(number) for number in (*before, after)] == [56] * 3
    assert int(before[0]) < int(before[1]) < int(after)


def test_an_iterator_expires_after_five_minutes(cloud: Cloud, stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = iterator(cloud, stream)
    monkeypatch.setattr("localcloud.moto_patches.kinesis_shards.ITERATOR_SECONDS", -1)
    with pytest.raises(ClientError, match="ExpiredIteratorException"):
        read(cloud, made)


def test_records_and_closed_shards_are_gone_after_the_retention(cloud: Cloud, stream: str) -> None:
    number = put(cloud, stream, "a")[0]["SequenceNumber"]
    put(cloud, stream, "b")
    split(cloud, stream)
    shard = kept(cloud, stream).shards["shardId-000000000000"]
    for record in shard.records.values():
        record.created_at_datetime -= timedelta(hours=25)
    data, _ = read(
        cloud,
        iterator(cloud, stream, ShardIteratorType="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=number),
    )
    assert data == []
    assert len(cloud.client("kinesis").list_shards(StreamName=stream)["Shards"]) == 3
    shard.closed_at -= timedelta(hours=25)  # type: ignore[attr-defined]
    assert len(cloud.client("kinesis").list_shards(StreamName=stream)["Shards"]) == 2


def test_an_answer_tells_how_far_it_is_behind(cloud: Cloud, stream: str) -> None:
    put(cloud, stream, "a", "b")
    _, answer = read(cloud, iterator(cloud, stream), Limit=1)
    assert answer["MillisBehindLatest"] > 0
    data, answer = read(cloud, answer["NextShardIterator"])
    assert (data, answer["MillisBehindLatest"]) == (["b"], 0)


def test_a_sequence_number_of_another_stream_is_refused(cloud: Cloud, stream: str) -> None:
    with pytest.raises(ClientError, match="did not come from this stream"):
        iterator(cloud, stream, ShardIteratorType="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber="7")


def test_a_stream_is_read_by_its_arn_alone(cloud: Cloud, stream: str) -> None:
    put(cloud, stream, "a")
    arn, kinesis = kept(cloud, stream).arn, cloud.client("kinesis")
    made = kinesis.get_shard_iterator(StreamARN=arn, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    assert read(cloud, made)[0] == ["a"]
    assert read(cloud, made, StreamARN=arn)[0] == ["a"]
