"""Shards of a stream as Kinesis has them: a parent keeps its records and ends; iterators expire, old records too.

Moto moves a parent's records to its children, puts new ones into the parent, and ends no shard. After
https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.core.utils import unix_time, utcnow
from moto.kinesis.exceptions import InvalidArgumentError
from moto.kinesis.models import KinesisBackend, Record, Shard, Stream
from moto.kinesis.responses import KinesisResponse
from moto.utilities.utils import md5_hash

from localcloud.moto_patches.patches import Patches

ITERATOR_SECONDS = 300
MOST_RECORDS = 10_000
_FIRST = 49 * 10**54
"""Sequence numbers have 56 digits, and grow with time: a child's are greater than its parent's."""
_AS_MANY = 10**16


def apply(patches: Patches) -> None:
    """Let moto's streams be resharded, expire and end as those of AWS."""
    patches.wrap(Stream, "split_shard", _resharded)
    patches.wrap(Stream, "merge_shards", _resharded)
    patches.set(Stream, "get_shard_for_key", _shard_for_key)
    patches.set(Shard, "put_record", _put_record)
    patches.wrap(KinesisBackend, "list_shards", _listed)
    patches.set(KinesisBackend, "get_shard_iterator", _get_shard_iterator)
    patches.set(KinesisBackend, "get_records", _get_records)
    patches.set(KinesisResponse, "get_records", _answer_records)


def _resharded(original: Callable[..., None]) -> Callable[..., None]:
    def reshard(self: Stream, *names: str) -> None:
        parents = [self.shards[name] for name in names if name in self.shards]
        kept = [(parent, parent.records) for parent in parents]
        for parent in parents:
            parent.records = OrderedDict()
        try:
            original(self, *names)
        finally:
            for parent, records in kept:
                parent.records = records
        for parent in parents:
            parent.closed_at = utcnow()  # type: ignore[attr-defined]

    return reshard


def _shard_for_key(self: Stream, partition_key: str, explicit_hash_key: str) -> Shard | None:
    if not isinstance(partition_key, str) or not 0 < len(partition_key) <= 256:
        raise InvalidArgumentError("partition_key")
    if explicit_hash_key:
        key = int(explicit_hash_key)
        if not 0 <= key < 2**128:
            raise InvalidArgumentError("explicit_hash_key")
    else:
        key = int(md5_hash(partition_key.encode()).hexdigest(), 16)
    return next(
        (one for one in self.shards.values() if one.is_open and one.starting_hash <= key <= one.ending_hash), None
    )


def _put_record(self: Shard, partition_key: str, data: str, explicit_hash_key: str) -> str:
    record = Record(partition_key, data, 0, explicit_hash_key)
    by_time = _FIRST + int(record.created_at * 1_000_000) * _AS_MANY
    record.sequence_number = max(by_time, self.get_max_sequence_number() + 1)
    self.records[record.sequence_number] = record
    return str(record.sequence_number)


def _horizon(stream: Stream) -> datetime:
    moment: datetime = utcnow() - timedelta(hours=stream.retention_period_hours)
    return moment


def _listed(original: Callable[..., list[Shard]]) -> Callable[..., list[Shard]]:
    def list_shards(self: KinesisBackend, stream_arn: str | None, stream_name: str | None, **more: Any) -> Any:
        # Closed shards are listed for as long as they may have records.
        stream = self.describe_stream(stream_arn=stream_arn, stream_name=stream_name)
        for name, shard in list(stream.shards.items()):
            closed_at = getattr(shard, "closed_at", None)
            if closed_at is not None and closed_at < _horizon(stream):
                del stream.shards[name]
        return original(self, stream_arn=stream_arn, stream_name=stream_name, **more)

    return list_shards


def _get_shard_iterator(
    self: KinesisBackend,
    stream_arn: str | None,
    stream_name: str | None,
    shard_id: str,
    shard_iterator_type: str,
    starting_sequence_number: str | None,
    at_timestamp: float | None,
) -> str:
    stream = self.describe_stream(stream_arn=stream_arn, stream_name=stream_name)
    if shard_id not in stream.shards:
        raise JsonRESTError(
            "ResourceNotFoundException",
            f"Shard {shard_id} in stream {stream.stream_name} under account {self.account_id} does not exist",
        )
    shard = stream.shards[shard_id]
    if shard_iterator_type in {"AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"}:
        number = str(starting_sequence_number or "")
        if not number.isdecimal() or int(number) < _FIRST:
            raise InvalidArgumentError(
                f"StartingSequenceNumber {number} used in GetShardIterator on shard {shard_id} in stream "
                f"{stream.stream_name} under account {self.account_id} is invalid because it did not come from this "
                "stream."
            )
        last = int(number) - (shard_iterator_type == "AT_SEQUENCE_NUMBER")
    elif shard_iterator_type == "TRIM_HORIZON":
        last = 0
    elif shard_iterator_type == "LATEST":
        last = shard.get_max_sequence_number()
    elif shard_iterator_type == "AT_TIMESTAMP" and at_timestamp is not None:
        moment = at_timestamp.timestamp() if isinstance(at_timestamp, datetime) else float(at_timestamp)
        last = max((number for number, one in shard.records.items() if one.created_at < moment), default=0)
    else:
        raise InvalidArgumentError(f"Invalid ShardIteratorType: {shard_iterator_type}")
    return _iterator(stream, shard, last)


def _iterator(stream: Stream, shard: Shard, last: int) -> str:
    return base64.b64encode(f"{stream.stream_name}:{shard.shard_id}:{last}:{unix_time()}".encode()).decode()


def _get_records(
    self: KinesisBackend, stream_arn: str | None, shard_iterator: str, limit: int | None
) -> tuple[str | None, list[Record], int]:
    try:
        name, shard_id, last, made = base64.b64decode(shard_iterator).decode().split(":")
    except ValueError:
        raise InvalidArgumentError("Invalid ShardIterator.") from None
    if (age := unix_time() - float(made)) > ITERATOR_SECONDS:
        raise JsonRESTError(
            "ExpiredIteratorException",
            f"Iterator expired. The iterator was created {age:.0f} s ago, which is further than the tolerated delay of "
            f"{ITERATOR_SECONDS * 1000} milliseconds.",
        )
    stream = self.describe_stream(stream_arn=stream_arn, stream_name=None if stream_arn else name)
    if shard_id not in stream.shards:
        raise JsonRESTError("ResourceNotFoundException", f"Shard {shard_id} in stream {name} does not exist")
    shard, horizon = stream.shards[shard_id], _horizon(stream)
    there = [one for number, one in shard.records.items() if number > int(last) and one.created_at_datetime >= horizon]
    found = there[: min(limit or MOST_RECORDS, MOST_RECORDS)]
    behind = 0
    if len(found) < len(there):
        behind = max(1, int((unix_time() - found[-1].created_at) * 1000)) if found else 1
    elif not shard.is_open:
        return None, found, 0
    reached = found[-1].sequence_number if found else int(last)
    return _iterator(stream, shard, reached), found, behind


def _answer_records(self: KinesisResponse) -> ActionResult:
    following, records, behind = self.kinesis_backend.get_records(
        self._get_param("StreamARN"), self._get_param("ShardIterator"), self._get_param("Limit")
    )
    answer = {"Records": [one.to_json() for one in records], "MillisBehindLatest": behind}
    return ActionResult(answer | ({} if following is None else {"NextShardIterator": following}))
