"""What compacting an hour of the prediction log costs, without the cost of a simulated S3.

``python -m benchmarks.monitoring.compacting [--records 4167 12000 41667 100000]`` compacts an hour of so many requests
of one instance each, twenty features, and prints seconds, memory and how both grow. 4,167, 12,000 and 41,667 are a
hundredth, a thirty-fifth and a tenth of an hour of ten million predictions a day. Each size has a process of its own.
The log is a bucket in another process that answers at once: signing, sockets, reading listings and JSON, writing
Parquet are ours and are measured; what S3 itself takes is not. The registry table's few items are moto's, there too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

import numpy as np
from moto.server import ThreadedMotoServer
from rich.console import Console
from rich.table import Table as Shown

from benchmarks.peers import run
from benchmarks.versions.double import PAGE, serve
from headwater.json_values import dumps
from headwater.monitoring.log.service import Compaction
from headwater.monitoring.log.store import CompactionStore
from headwater.serving.types import hour_prefix
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.monitoring.logs import BUCKET, record
from tests.unit.registry.cases import TABLE, make_table

MODEL = "buys"
AT = datetime(2026, 4, 1, 5, tzinfo=UTC)
A_DAY = 10_000_000
SIZES = (4_167, 12_000, 41_667, 100_000)
GIBIBYTES, SECOND, GET, PUT = 2, 0.0000133334, 0.4e-6, 5e-6
"""The function's memory, and dollars of a gibibyte-second (arm64), a GET, and a PUT or LIST."""
_ID, _TIME = "00000000-0000-0000-0000-000000000000", "2026-04-01T05:59:59.999999+00:00"
ETAG = "d41d8cd98f00b204e9800998ecf8427e"


class Log:
    """Answers what compaction asks of a log with an hour of ``count`` records, as S3 writes it; forgets what is put."""

    def __init__(self, count: int) -> None:
        self._count, self._prefix = count, hour_prefix(MODEL, AT)
        draw = np.random.default_rng(0)
        inputs = {f"x{place}": round(float(draw.normal()), 4) for place in range(19)} | {"shop": "shop 1"}
        prediction: dict[str, Any] = {
            "inputs": inputs, "features": {}, "missing_features": [], "feature_age_seconds": None, "probability": 0.25,
        }  # fmt: skip
        at = datetime.fromisoformat(_TIME)
        self._body = dumps(record(_ID, at, as_of=at, predictions=[prediction]).document())

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, headers and body."""
        del body
        path, _, query = target.partition("?")
        key = unquote(path).removeprefix(f"/{BUCKET}").removeprefix("/")
        if not key:
            return 200, "", self._listing({name: values[0] for name, values in parse_qs(query).items()})
        if method == "PUT" or not key.startswith(self._prefix):
            return (200, f'ETag: "{ETAG}"\r\n', b"") if method == "PUT" else (404, "", b"")
        name = key[len(self._prefix) :].removesuffix(".json")
        time = (AT + timedelta(seconds=3_600 * int(name[-12:]) / self._count)).isoformat(timespec="microseconds")
        return 200, f'ETag: "{ETAG}"\r\n', self._body.replace(_ID, name).replace(_TIME, time).encode()

    def _listing(self, asked: dict[str, str]) -> bytes:
        prefix, rows, more = asked.get("prefix", ""), list[str](), ""
        if prefix == self._prefix:
            start = int(asked.get("continuation-token", 0))
            end = min(start + PAGE, self._count)
            rows = [
                f"<Contents><Key>{escape(prefix)}{_ID[:-12]}{place:012}.json</Key>"
                f"<LastModified>2026-11-01T00:00:00.000Z</LastModified><ETag>&quot;{ETAG}&quot;</ETag>"
                "<Size>900</Size><StorageClass>STANDARD</StorageClass></Contents>"
                for place in range(start, end)
            ]
            more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < self._count else ""
        elif "delimiter" in asked and self._prefix.startswith(prefix):
            folder = self._prefix[: self._prefix.index("/", len(prefix)) + 1]
            rows = [f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"]
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{prefix}</Prefix><KeyCount>{len(rows)}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
            f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{''.join(rows)}</ListBucketResult>"
        ).encode()


def serve_log(count: int) -> None:
    """Print where a log and a table answer, and answer until the process is ended."""
    tables = ThreadedMotoServer(port=0, verbose=False)
    tables.start()
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    ports = {"S3": listening.getsockname()[1], "DYNAMODB": tables.get_host_and_port()[1]}
    print(
        json.dumps({f"AWS_ENDPOINT_URL_{name}": f"http://127.0.0.1:{port}" for name, port in ports.items()}), flush=True
    )
    serve(Log(count), listening)  # type: ignore[arg-type]


def measure(count: int) -> None:
    """Compact an hour of ``count`` records; prints seconds and memory as JSON."""
    command = [sys.executable, "-m", "benchmarks.monitoring.compacting", "--serve", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as log:
        assert log.stdout is not None
        try:
            somebody = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "none")
            os.environ |= {**json.loads(log.stdout.readline()), **somebody, "AWS_DEFAULT_REGION": "us-east-1"}
            make_table()
            work = Compaction(CompactionStore(BUCKET, Table(TABLE, CLIENTS), CLIENTS))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            start, cpu = time.perf_counter(), time.process_time()
            report = work.run(AT + timedelta(hours=1, minutes=7))
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            for error in report.failed.values():
                raise error
            assert (report.rows, report.torn, report.complete) == (count, 0, True), report
        finally:
            log.kill()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "cpu": cpu, "parts": report.parts, "before": before / 1024,
                      "peak": peak / 1024}))  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=SIZES)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve or given.one:
        return serve_log(given.serve) if given.serve else measure(given.one)
    table = Shown("records", "s", "CPU, s", "CPU, µs a record", "parts", "peak, MiB", "of which before it")
    found: list[tuple[int, dict[str, Any]]] = []
    for count in given.records:
        one = run([sys.executable, "-m", "benchmarks.monitoring.compacting", "--one", str(count)])
        found.append((count, one))
        table.add_row(f"{count:,}", f"{one['seconds']:.1f}", f"{one['cpu']:.2f}", f"{1e6 * one['cpu'] / count:.0f}",
                      str(one["parts"]), f"{one['peak']:,.0f}", f"{one['before']:,.0f}")  # fmt: skip
    Console().print(table)
    counts = np.asarray([count for count, _ in found], dtype=float)
    seconds = np.asarray([one["cpu"] for _, one in found])
    hour = A_DAY / 24
    # Weighted by size, so that the line is as near to small hours as to large ones.
    slope, base = np.polyfit(counts, seconds, 1, w=1 / seconds)
    worst = float(np.abs((base + slope * counts) / seconds - 1).max())
    power = float(np.polyfit(np.log(counts), np.log(seconds), 1)[0])
    print(f"{base:.2f} s + {1e6 * slope:.0f} µs a record, within {worst:.0%} of what was measured (grows by the power "
          f"{power:.2f}); an hour of {A_DAY:,} a day, {hour:,.0f} records, takes {base + slope * hour:.0f} s, "
          f"{hour / counts.max():.1f} times the largest")  # fmt: skip
    # Each record is read once and listed six times in its life; each part is written, with two items of its index.
    requests = hour * GET + (6 * hour / PAGE + 6 * (hour / 100_000 + 1)) * PUT
    computed = (base + slope * hour) * GIBIBYTES * SECOND
    whole = requests + computed
    print(f"${whole:.3f} an hour, of which requests ${requests:.3f}; ${24 * whole:.2f} a day")
    return None


if __name__ == "__main__":
    main()
