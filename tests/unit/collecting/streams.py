"""A stream and a queue on moto, whose records grow old when a test says so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from moto.kinesis.models import Record, kinesis_backends
from moto.kinesis.models import Stream as MotoStream
from moto.sqs.models import sqs_backends

from headwater.collecting.service import Tick
from headwater.collecting.store import Commit
from headwater.collecting.streams.kinesis import read_kinesis
from headwater.collecting.streams.sqs import read_queue
from headwater.collecting.types import Outcome
from headwater.declare import Collector, Kinesis, Schedule, Sqs
from headwater.json_values import dumps, loads
from headwater.storage.environment import CLIENTS
from tests.unit.collecting.world import collecting, landed, lines, store

ACCOUNT, REGION = "123456789012", "eu-central-1"


Left = Callable[[], float]


def _long() -> float:
    return 900.0


def now() -> datetime:
    """The time that moto has."""
    return datetime.now(UTC)


@dataclass
class Stream:
    """A stream of one or more shards, and the collector that reads it."""

    name: str = "clicks"
    shards: int = 1
    waited: list[float] = field(default_factory=list)
    """Pauses that a reader made."""

    def __post_init__(self) -> None:
        CLIENTS("kinesis").create_stream(StreamName=self.name, ShardCount=self.shards)

    @property
    def moto(self) -> MotoStream:
        return kinesis_backends[ACCOUNT][REGION].streams[self.name]

    def put(self, *rows: int, key: str = "") -> list[str]:
        """Put rows, each with a partition key of its own unless one is given; their sequence numbers."""
        return [self.put_bytes(json.dumps({"row": row}).encode(), key or str(row)) for row in rows]

    def put_bytes(self, data: bytes, key: str = "k") -> str:
        """Put a record; its sequence number."""
        answer = CLIENTS("kinesis").put_record(StreamName=self.name, Data=data, PartitionKey=key)
        return str(answer["SequenceNumber"])

    def split(self, shard: int = 0) -> None:
        """Split a shard in two."""
        found = self.moto.shards[f"shardId-{shard:012}"]
        middle = (found.starting_hash + found.ending_hash) // 2
        CLIENTS("kinesis").split_shard(
            StreamName=self.name, ShardToSplit=found.shard_id, NewStartingHashKey=str(middle)
        )

    def merge(self, one: int, other: int) -> None:
        """Merge two shards."""
        names = [f"shardId-{number:012}" for number in (one, other)]
        CLIENTS("kinesis").merge_shards(StreamName=self.name, ShardToMerge=names[0], AdjacentShardToMerge=names[1])

    def age(self, **by: float) -> None:
        """Let all that is there have come so much earlier."""
        for shard in self.moto.shards.values():
            for record in shard.records.values():
                older(record, timedelta(**by))
            if hasattr(shard, "closed_at"):
                shard.closed_at -= timedelta(**by)

    def iterator(self) -> str:
        """A new one of the first shard's beginning."""
        made = CLIENTS("kinesis").get_shard_iterator(
            StreamName=self.name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
        )
        return str(made["ShardIterator"])

    def collect(self, name: str = "run", *, tick: datetime | None = None, left: Left = _long, **more: Any) -> Outcome:
        """Run the collector."""
        at = more.pop("at", None)
        reads = Kinesis(**{"stream": self.name, **more})
        collector = Collector(name="book", source="readings", schedule=Schedule(every="1h"), reads=reads)
        clock = now if at is None else lambda: at
        read = partial(read_kinesis, reads, clients=CLIENTS, now=clock, pause=self.waited.append)
        return collecting(read, collector).run(name, Tick(at=tick or now()), seconds_left=left)


def older(record: Record, by: timedelta) -> None:
    """Let a record have arrived earlier."""
    record.created_at_datetime -= by
    record.created_at -= by.total_seconds()


@dataclass
class Queue:
    """A queue, and the collector that reads it."""

    name: str = "orders"
    attributes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.is_fifo:
            self.attributes |= {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        self.url = CLIENTS("sqs").create_queue(QueueName=self.name, Attributes=self.attributes)["QueueUrl"]

    @property
    def is_fifo(self) -> bool:
        return self.name.endswith(".fifo")

    @property
    def moto(self) -> Any:
        return sqs_backends[ACCOUNT][REGION].queues[self.name]

    def send(self, *rows: int, group: str = "g") -> None:
        """Send rows."""
        for row in rows:
            self.send_body(json.dumps({"row": row}), group=group)

    def send_body(self, body: str, *, group: str = "g") -> str:
        """Send a message; its id."""
        more = {"MessageGroupId": group} if self.is_fifo else {}
        return str(CLIENTS("sqs").send_message(QueueUrl=self.url, MessageBody=body, **more)["MessageId"])  # type: ignore[arg-type]

    def show(self) -> None:
        """Let what was received and not deleted be visible again, as after its visibility timeout."""
        for message in self.moto._messages:
            message.visible_at = 0

    def left(self) -> list[str]:
        """Bodies that are in the queue, hidden ones too."""
        return [message.body for message in self.moto._messages]

    def collect(self, name: str = "run", *, left: Left = _long, **more: Any) -> Outcome:
        """Run the collector."""
        reads = Sqs(**{"queue": self.name, **more})
        collector = Collector(name="book", source="readings", schedule=Schedule(every="1h"), reads=reads)
        read = partial(read_queue, reads, clients=CLIENTS, now=now, pause=lambda _: None, wait=0)
        return collecting(read, collector).run(name, Tick(at=now()), seconds_left=left)


def told() -> list[int]:
    """The rows that have landed, file by file."""
    files = landed()
    return [json.loads(line)["row"] for line in lines(files[name] for name in sorted(files))]


def packed(records: Sequence[tuple[str, bytes]], *, explicit: int | None = None) -> bytes:
    """Records with their partition keys as Kinesis's producer library packs them."""

    def varint(number: int) -> bytes:
        found = b""
        while number > 0x7F:
            found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
        return found + bytes([number])

    def text(number: int, data: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(data)) + data

    body = b"".join(text(1, key.encode()) for key, _ in records)
    if explicit is not None:
        body += text(2, str(explicit).encode())
    for index, (_, data) in enumerate(records):
        inner = varint(1 << 3) + varint(index) + (varint(2 << 3) + varint(0) if explicit is not None else b"")
        body += text(3, inner + text(3, data))
    return b"\xf3\x89\x9a\xc2" + body + hashlib.md5(body, usedforsecurity=False).digest()


def read_long_ago(hours: float) -> None:
    """Let the collector have read so much earlier."""
    state = store().state()
    assert state is not None
    assert state.cursor is not None
    cursor = loads(state.cursor)
    for position in cursor["shards"].values():
        for name in {"arrived", "read_to"} & position.keys():
            position[name] = (datetime.fromisoformat(position[name]) - timedelta(hours=hours)).isoformat()
    assert store().commit(Commit(state.model_copy(update={"cursor": dumps(cursor), "write": f"old-{hours}"}), state))
