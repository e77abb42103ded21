"""The function that fetches for each kind of collector, loaded when it is needed."""

from __future__ import annotations

from functools import partial
from typing import assert_never

from headwater.collecting.types import Read
from headwater.declare import S3, Code, Collector, Http, Sql, resolve


def read_of(collector: Collector) -> Read:
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

            return partial(read_bucket, reads)
        case Code():
            found: Read = resolve(reads.function)
            return found
        case _:
            assert_never(reads)
