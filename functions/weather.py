"""Hourly weather at New York's airports, a month at a time, from the archive of the Iowa Environmental Mesonet.

The archive has every report of an airport; a row is an hour of them, made as nycflights13 makes its weather
(https://github.com/tidyverse/nycflights13, data-raw/weather.R), which is this archive's of 2013.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from headwater.collecting.errors import CollectFailed
from headwater.collecting.types import Batch, Request
from headwater.collecting.web.requests import Requests
from headwater.json_values import number_of

STATIONS = ("EWR", "JFK", "LGA")
ZONE = ZoneInfo("America/New_York")
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
"""The archive's names, and the source's."""
MILES_PER_HOUR = 1.15078
"""A knot, as nycflights13 has it."""
LAST_MINUTE = 51
"""The last minute of an hour that counts: then these airports' rain gauges are set back to zero."""
LATEST = timedelta(hours=6)
"""An archive whose newest report is so much older than the month's end hasn't got the month, or was cut off."""
MOST_BYTES = 16 * 2**20
"""A month has a quarter of a million."""
MISSING, TRACE = "M", "T"

Value = int | float | None


class Report(NamedTuple):
    """One report of an airport."""

    station: str
    at: datetime
    """UTC."""
    values: Mapping[str, Value]
    """By the source's names."""

    @property
    def hour(self) -> datetime:
        """The hour that it is of."""
        return self.at.replace(minute=0)


def collect(request: Request, *, pause: Callable[[float], None] = time.sleep) -> Iterator[Batch]:
    """The month before the one in which the tick is, in New York; a repeated tick replaces it.

    Raises
    ------
    CollectFailed
        The archive fails, hasn't got the month, or answers what nobody asked for.
    """
    since, until = month_before(request.until)
    allow_private = {"yes": True, "no": False}.get(request.settings["allow_private"])
    if allow_private is None:
        raise CollectFailed(f"the setting allow_private is {request.settings['allow_private'][:20]!r}, not yes or no")
    requests = Requests.of(request, allow_private=allow_private, max_bytes=MOST_BYTES, pause=pause)
    # One request for all airports: the archive takes one a second from an address.
    page = requests.get(f"{request.settings['archive']}?{query(since, until)}")
    found = list(reports(page.path, since, until))
    _check_whole(found, until)
    yield Batch(rows=hours(found), name=f"{since.astimezone(ZONE):%Y-%m}")


def month_before(moment: datetime) -> tuple[datetime, datetime]:
    """The last month that was over at a moment, from its first to the next one's first midnight in New York, UTC."""
    end = moment.astimezone(ZONE).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start = (end - timedelta(days=1)).replace(day=1)
    return start.astimezone(UTC), end.astimezone(UTC)


def query(since: datetime, until: datetime) -> str:
    """The question to the archive: routine and special reports, since what an hour's first one says may be special."""
    return urlencode(
        {
            "station": ",".join(STATIONS),
            "data": ",".join(COLUMNS),
            "sts": f"{since:%Y-%m-%dT%H:%M:%SZ}",
            "ets": f"{until:%Y-%m-%dT%H:%M:%SZ}",
            "tz": "UTC",
            "format": "onlycomma",
            "latlon": "no",
            "missing": MISSING,
            "trace": TRACE,
            "report_type": "3,4",
        }
    )


def reports(path: Path, since: datetime, until: datetime) -> Iterator[Report]:
    """The reports of the archive's answer, as they come; raises `CollectFailed` for a line that is none."""
    text = path.read_text(encoding="utf-8", errors="backslashreplace")
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    lines = [(number, line) for number, line in lines if not line.startswith("#")]
    header = ["station", "valid", *COLUMNS]
    if not lines or lines[0][1].split(",") != header:
        said = lines[0][1][:80] if lines else ""
        raise CollectFailed(f"the archive answers {said!r}, expected the columns {','.join(header)}")
    if not text.endswith("\n"):
        raise CollectFailed("the archive's answer is cut off in its last line")
    for (number, _), cells in zip(lines[1:], csv.reader(line for _, line in lines[1:]), strict=True):
        if len(cells) != len(header):
            raise CollectFailed(f"line {number:,} of the archive's answer has {len(cells)} values, not {len(header)}")
        try:
            at = datetime.strptime(cells[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        except ValueError:
            raise CollectFailed(f"line {number:,} of the archive's answer: {cells[1][:40]!r} is no time") from None
        if cells[0] not in STATIONS or not since <= at < until:
            raise CollectFailed(f"line {number:,}: nobody asked for {cells[0][:10]!r} at {at:%Y-%m-%dT%H:%MZ}")
        values = {COLUMNS[name]: _value(name, cell, number) for name, cell in zip(COLUMNS, cells[2:], strict=True)}
        yield Report(cells[0], at, values)


def _value(name: str, cell: str, line: int) -> Value:
    if cell == MISSING:
        return None
    if cell == TRACE and name == "p01i":
        # Too little to be measured.
        return 0
    number = number_of(cell)
    if not isinstance(number, int | float):
        raise CollectFailed(f"line {line:,} of the archive's answer: {name} is {cell[:20]!r}, expected a number")
    # As floats multiply, so that the same knots are the same number as in nycflights13.
    return float(number) * MILES_PER_HOUR if name in {"sknt", "gust"} else number


def hours(found: list[Report]) -> Iterator[Mapping[str, Value | str]]:
    """A row for each airport and hour: what its first report says, with the rain of the whole hour."""
    counted = sorted((one for one in found if one.at.minute <= LAST_MINUTE), key=lambda one: (one.station, one.at))
    for (station, hour), of_hour in groupby(counted, key=lambda one: (one.station, one.hour)):
        each = list(of_hour)
        rain = [one.values["precip"] for one in each]
        # A gauge counts up during the hour. A report without it may be the one that had most.
        measured = [amount for amount in rain if amount is not None]
        precip = max(measured) if len(measured) == len(rain) else None
        yield {
            "origin": station,
            **each[0].values,
            "precip": precip,
            "time_hour": f"{hour:%Y-%m-%dT%H:%M:%SZ}",
        }


def _check_whole(found: list[Report], until: datetime) -> None:
    """An answer that breaks off at a line's end looks whole. Reports come by time, all airports together."""
    if missing := [station for station in STATIONS if station not in {one.station for one in found}]:
        raise CollectFailed(f"the archive has no report of {' and '.join(missing)} in the month")
    newest = max(one.at for one in found)
    if newest < until - LATEST:
        raise CollectFailed(
            f"the archive's answer ends at {newest:%Y-%m-%dT%H:%MZ}, and the month at {until:%Y-%m-%dT%H:%MZ}: it "
            "hasn't got the rest yet, or was cut off"
        )
