"""Reads the records of a Kinesis data stream, shard by shard, a parent to its end before its children."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from headwater.clock import Clock
from headwater.collecting.errors import CollectFailed, DeclarationChanged
from headwater.collecting.streams.aggregation import Packed, Stray, unpacked
from headwater.collecting.streams.rows import ENOUGH, NoRow, RowsFile, rows_of
from headwater.collecting.streams.shards import MOST_SHARDS, Cursor, cursor_of
from headwater.collecting.streams.store import Stream
from headwater.collecting.types import Batch, Request
from headwater.declare import Kinesis
from headwater.storage.clients import Clients

PACE = 0.2
"""Seconds between two calls of a shard: Kinesis takes five in a second, of all consumers together."""
QUIET = timedelta(hours=1)
"""A run that found nothing is written down if the last one that was is as old: the cursor must not outlive records."""


def read_kinesis(
    reads: Kinesis, request: Request, clients: Clients, *, now: Clock, pause: Callable[[float], None]
) -> Iterator[Batch]:
    """Batches of what has arrived before the run began, in the order of each shard.

    Raises
    ------
    CollectFailed
        A record isn't JSON, or the stream refuses; after the last batch, if records may be lost.
    DeclarationChanged
        The stream was made anew since.
    """
    stream = Stream(reads, clients, request.collector, now, pause)
    with RowsFile(request.folder) as rows:
        reading = _Reading(reads, request, stream, rows, now, pause)
        yield from reading.batches()


class _Reading:
    """One call's reading."""

    def __init__(
        self,
        reads: Kinesis,
        request: Request,
        stream: Stream,
        rows: RowsFile,
        now: Clock,
        pause: Callable[[float], None],
    ) -> None:
        self._reads, self._request, self._stream, self._rows, self._pause = reads, request, stream, rows, pause
        self._began = now()
        self._skip = frozenset(reads.skip)
        cursor = cursor_of(request.cursor, reads.start, request.until)
        if cursor.created is not None and abs(cursor.created - stream.created) > timedelta(seconds=1):
            raise DeclarationChanged(
                f"stream {reads.stream} was made anew at {stream.created:%Y-%m-%d %H:%M:%S}Z, and the cursor is of one "
                f"made at {cursor.created:%Y-%m-%d %H:%M:%S}Z",
                next_steps=[f"headwater collect reset {request.collector}"],
            )
        self._listed = stream.shards()
        if len(self._listed) > MOST_SHARDS:
            raise CollectFailed(
                f"stream {reads.stream} has {len(self._listed):,} shards, closed ones too, and a cursor holds "
                f"{MOST_SHARDS:,}: collect it by Firehose into a bucket, and read that one by S3(...)"
            )
        cursor = cursor.reconciled(self._listed, self._began - stream.keeps, request.until)
        self._before = self._cursor = replace(cursor, created=stream.created)

    def batches(self) -> Iterator[Batch]:
        done: set[str] = set()
        while ready := self._cursor.ready(self._listed, done):
            for shard in ready:
                yield from self._shard(shard)
                done.add(shard)
            # What was split or merged has children by now.
            self._listed = self._stream.shards()
        if self._rows.rows or self._is_news():
            yield self._batch()
        if self._cursor.lost:
            raise CollectFailed(self._cursor.lost)

    def _batch(self) -> Batch:
        return self._rows.batch(cursor=self._cursor.kept())

    def _is_news(self) -> bool:
        """Whether the cursor alone is worth to be written down."""
        if not isinstance(self._request.cursor, Mapping) or "created" not in self._request.cursor:
            return True
        return not _alike(self._before, self._cursor) or self._cursor.lost_at is not None

    def _shard(self, shard: str) -> Iterator[Batch]:
        """Read a shard up to what has arrived before the run began, or to its end."""
        start = None if self._cursor.position(shard).after else self._cursor.start
        iterator: str | None = None
        while True:
            if self._request.seconds_left() < ENOUGH:
                yield self._batch()
            iterator = iterator or self._stream.iterator(shard, self._cursor.position(shard), start)
            page = self._stream.page(iterator)
            if page is None:
                iterator = None
                continue
            for record in page.records:
                yield from self._record(shard, record, start)
            if page.following is None:
                self._cursor = self._cursor.moved(shard, ended=True)
                return
            self._cursor = self._cursor.moved(shard, read_to=page.read_to)
            if page.read_to >= self._began:
                return
            iterator = page.following
            self._pause(PACE)

    def _record(self, shard: str, record: Mapping[str, Any], start: datetime | None) -> Iterator[Batch]:
        number, arrived = record["SequenceNumber"], record["ApproximateArrivalTimestamp"]
        after = self._cursor.position(shard).after
        is_old = int(number) <= int(after) if after is not None else start is not None and arrived < start
        if is_old:
            return
        if number not in self._skip:
            try:
                # All of a record's rows or none: the cursor stands before it or behind it.
                rows = [row for data in self._user_records(shard, record["Data"]) for row in rows_of(data)]
            except (NoRow, Packed) as error:
                # What came before it counts.
                yield self._batch()
                hint = "" if isinstance(error, Stray) else f". To leave it out declare skip=({number!r},)"
                raise CollectFailed(f"record {number} of shard {shard} is {error}{hint}") from None
            self._rows.write(rows)
        self._cursor = self._cursor.moved(shard, after=number, arrived=arrived, read_to=arrived)
        if self._rows.is_full(self._reads.batch_rows):
            yield self._batch()

    def _user_records(self, shard: str, data: bytes) -> Iterator[bytes]:
        found = unpacked(data, self._listed[shard].hashes)
        if found is None:
            yield data
            return
        for record in found:
            if record.is_stray and self._reads.strays == "refuse":
                raise Stray(
                    "packed with rows of other shards: declare strays='leave' if its producer is Amazon's (KPL), which "
                    "sends them again, or strays='land' if it is another one, which doesn't"
                )
            if not record.is_stray or self._reads.strays == "land":
                yield record.data


def _alike(one: Cursor, other: Cursor) -> bool:
    """Whether two cursors differ in nothing but a little time."""
    if one.shards.keys() != other.shards.keys():
        return False
    for shard, position in one.shards.items():
        later = other.shards[shard]
        if (position.after, position.ended) != (later.after, later.ended):
            return False
        if later.read_to is not None and (position.read_to is None or later.read_to - position.read_to > QUIET):
            return False
    return True
