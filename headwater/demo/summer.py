"""A model that learnt from winter meets July: predictions in bulk, a sensor that breaks, outcomes that arrive late."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headwater.client import Stack
from headwater.demo.flights import Departure, MonthFile, month_departures, month_files
from headwater.demo.narrating import Narrator

YEAR, MONTH = 2013, 7
SENSOR, STUCK_AT, BROKEN_ON = "humid", "61.03", date(YEAR, MONTH, 22)
"""The hygrometers of all three airports say the same from that day on: the demo's own invention, for the real ones
work. The value is an ordinary one, so that no data contract could refuse it."""
VIEW = "origin_weather"
EACH = 3
"""Every third flight is asked about."""


@dataclass(frozen=True)
class Asked:
    """Bulk predictions of a month."""

    since: date
    until: date
    predictions: int
    requests: int


def break_sensor(weather: MonthFile) -> int:
    """Let the sensor say one value from `BROKEN_ON` on; how many rows changed."""
    with weather.path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    broken = [row for row in rows if date(int(row["year"]), int(row["month"]), int(row["day"])) >= BROKEN_ON]
    for row in broken:
        row[SENSOR] = STUCK_AT
    with weather.path.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(broken)


def upload_july(cloud: Stack, narrator: Narrator, *, every: int, timeout: float) -> None:
    """Upload July's weather, with a sensor that breaks, and its flights, with their landings."""
    with (
        TemporaryDirectory(prefix="headwater-demo-") as folder,
        narrator.stage("summer", "July's flights and weather") as stage,
    ):
        weather, flights = month_files(Path(folder), [MONTH], every=every)
        broken = break_sensor(weather)
        sent = [cloud.upload(file.source, file.path) for file in (weather, flights)]
        done = [cloud.ingestions.wait(one, timeout=timeout) for one in sent]
        rows = sum(one.rows_out for one in done)
        stage.update(f"{rows:,} rows curated; in {broken:,} of them the {SENSOR} sensor is stuck at {STUCK_AT}")


def ask_in_bulk(cloud: Stack, narrator: Narrator, model: str, *, every: int) -> Asked:
    """Ask the API about July's flights, hour by hour, each with the features as they were known two hours before."""
    flights = month_departures(YEAR, MONTH)[:: every * EACH]
    with narrator.stage("bulk", "predictions in bulk") as stage:
        features = _features(cloud, model, flights)
        count = requests = 0
        for as_of, asked in _hours(list(zip(flights, features, strict=True))):
            for first in range(0, len(asked), 100):
                some = asked[first : first + 100]
                cloud.predict(
                    model, [flight.inputs for flight, _ in some], as_of=as_of, features=[row for _, row in some]
                )
                count, requests = count + len(some), requests + 1
            stage.update(f"{count:,} of {len(flights):,} flights asked about")
        since, until = flights[0].as_of.date(), flights[-1].as_of.date()
        stage.update(f"{count:,} flights of July in {requests:,} requests, each as of two hours before its departure")
    return Asked(since, until, count, requests)


def _features(cloud: Stack, model: str, flights: Sequence[Departure]) -> list[dict[str, float | str | None]]:
    names = [feature.name for feature in cloud.models.serving(model).features]
    rows = [{**flight.inputs, "asked_at": flight.as_of} for flight in flights]
    joined = cloud.features.historical(rows, names)
    return [{name: row[name.replace(".", "__")] for name in names} for row in joined]


def _hours(
    asked: Sequence[tuple[Departure, Any]],
) -> Iterator[tuple[datetime, list[tuple[Departure, Any]]]]:
    """The flights of each hour, and the first moment at which one of them is asked about."""
    ordered = sorted(asked, key=lambda entry: entry[0].as_of)
    for _, some in groupby(ordered, key=lambda entry: entry[0].as_of.replace(minute=0)):
        found = list(some)
        yield found[0][0].as_of, found
