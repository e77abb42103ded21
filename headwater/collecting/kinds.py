"""The function that fetches for each kind of collector, loaded when it is needed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import assert_never

from headwater.collecting.types import Read
from headwater.declare import S3, Code, Collector, Http, Kinesis, Sql, Sqs, resolve
from headwater.storage.clients import Clients


def read_of(collector: Collector, clients: Clients) -> Read:
    """The function that fetches for a collector; raises `InvalidProduct` if one of the project's can't be imported."""
    reads = collector.reads
    match reads:
        case Sql():
            from headwater.collecting.databases.reading import read_sql

            return partial(read_sql, reads, ports=collector.reaches)
        case Http():
            from headwater.collecting.web.reading import read_http

            return partial(read_http, reads)
        case S3():
            from headwater.collecting.buckets.store import read_bucket

            return partial(read_bucket, reads, clients=clients)
        case Kinesis():
            from headwater.collecting.streams.kinesis import read_kinesis

            return partial(read_kinesis, reads, clients=clients, now=_now, pause=time.sleep)
        case Sqs():
            from headwater.collecting.streams.sqs import read_queue

            return partial(read_queue, reads, clients=clients, now=_now, pause=time.sleep)
        case Code():
            found: Read = resolve(reads.function)
            return found
        case _:
            assert_never(reads)


def _now() -> datetime:
    return datetime.now(UTC)
