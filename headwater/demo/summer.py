"""A model that learnt from winter meets July: predictions in bulk, a sensor that breaks, outcomes that arrive late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from headwater.client import Stack
from headwater.demo.flights import Departure, MonthFile, change, departures, month_departures, month_files
from headwater.demo.narrating import Narrator
from headwater.demo.weather import collect

if TYPE_CHECKING:
    from headwater.monitoring.status import PerformanceFigure

YEAR, MONTH = 2013, 7
SENSOR, STUCK_AT, BROKEN_ON = "humid", "61.03", date(YEAR, MONTH, 22)
"""The hygrometers of all three airports say the same from that day on: the demo's own invention, for the real ones
work. The value is an ordinary one, so that no data contract could refuse it."""
VIEW = "origin_weather"
EARLY = (time(6, 30), time(7))
EACH = 3
"""Every third flight is asked about."""


@dataclass(frozen=True)
class Asked:
    """Bulk predictions of a month."""

    since: date
    until: date
    predictions: int
    requests: int


@dataclass(frozen=True)
class SummerDay:
    """A day of July as it is judged."""

    day: str
    predictions: int
    p: float | None
    state: str
    named: tuple[str, ...]
    """Features that explain the verdict, each with its channel, such as ``origin_weather__humid stuck``."""


@dataclass(frozen=True)
class Performance:
    """The watched figure of a month, with its 95% interval."""

    metric: str
    value: float
    low: float
    high: float
    limit: float


@dataclass(frozen=True)
class Summer:
    """The outcome of July."""

    predictions: int
    requests: int
    days: tuple[SummerDay, ...]
    coverage: float
    """Share of the predictions whose flight has landed; the others were cancelled or diverted."""
    realised: Performance | None
    estimated: Performance | None
    next_inputs: dict[str, Any]
    """Inputs of the first flight of August, whose features are online."""
    next_asked: str

    @property
    def alarmed_on(self) -> SummerDay | None:
        """The first day of the alarm."""
        return next((day for day in self.days if day.state == "ALARM"), None)

    @property
    def sensor_found_on(self) -> str | None:
        """The first day on which the broken sensor is named as stuck."""
        found = f"{VIEW}__{SENSOR} stuck"
        return next((day.day for day in self.days if found in day.named), None)


def has_july(cloud: Stack) -> bool:
    """Whether a demo before this one uploaded July: then models learn from it too, and the figures are others."""
    return any(one.file == f"flights-{YEAR}-{MONTH:02}.csv" for one in cloud.ingestions.list("flights"))


def spend_july(cloud: Stack, narrator: Narrator, model: str, *, every: int, timeout: float) -> Summer:
    """Let the model answer for July, and watch it.

    Parameters
    ----------
    cloud : Stack
    narrator : Narrator
    model : str
    every : int
        Every how many flights are uploaded; of these every third one is asked about.
    timeout : float
        Seconds that an ingestion may take.
    """
    _upload(cloud, narrator, every=every, timeout=timeout)
    asked = _ask_in_bulk(cloud, narrator, model, every=every)
    with narrator.stage("watch", "watching") as stage:
        stage.update("each day beside the days of the training")
        watched = cloud.monitor.drift(model, since=asked.since, until=asked.until)
        stage.update("outcomes from the lake, by the model's own query")
        judged = cloud.monitor.performance(model, since=asked.since, until=asked.until, by="week").whole
        days = tuple(
            SummerDay(
                day=one.day.isoformat(),
                predictions=one.verdict.rows,
                p=one.verdict.p,
                state=one.state.value,
                named=tuple(f"{finding.feature} {finding.channel.value}" for finding in one.verdict.findings),
            )
            for one in watched.days
        )
        (following,) = departures(date(YEAR, MONTH + 1, 1), 1, first=EARLY[0], last=EARLY[1])
        summer = Summer(
            predictions=asked.predictions,
            requests=asked.requests,
            days=days,
            coverage=judged.coverage,
            realised=_figure(judged.report.realised),
            estimated=_figure(judged.report.estimate),
            next_inputs=following.inputs,
            next_asked=following.as_of.isoformat(),
        )
        alarm = summer.alarmed_on
        stage.update(
            f"{len(days)} days judged: {f'alarm from {alarm.day} on' if alarm else 'no alarm'}; "
            f"{judged.coverage:.0%} of the predictions have an outcome"
        )
    return summer


def _figure(found: PerformanceFigure | None) -> Performance | None:
    return None if found is None else Performance(found.metric, found.value, found.low, found.high, found.limit)


def break_sensor(weather: MonthFile) -> int:
    """Let the sensor say one value from `BROKEN_ON` on; how many rows changed."""
    return change(
        weather,
        lambda row: date(int(row["year"]), int(row["month"]), int(row["day"])) >= BROKEN_ON,
        lambda _: {SENSOR: STUCK_AT},
    )


def _upload(cloud: Stack, narrator: Narrator, *, every: int, timeout: float) -> None:
    """Collect July's weather, with a sensor that breaks, and upload its flights, with their landings."""
    with (
        TemporaryDirectory(prefix="headwater-demo-") as folder,
        narrator.stage("summer", "July's flights and weather") as stage,
    ):
        weather, flights = month_files(Path(folder), [MONTH], every=every)
        broken = break_sensor(weather)
        sent = [cloud.upload(flights.source, flights.path), *collect(cloud, [weather], timeout=timeout)]
        done = [cloud.ingestions.wait(one, timeout=timeout) for one in sent]
        rows = sum(one.rows_out for one in done)
        stage.update(f"{rows:,} rows curated; in {broken:,} of them the {SENSOR} sensor is stuck at {STUCK_AT}")


def _ask_in_bulk(cloud: Stack, narrator: Narrator, model: str, *, every: int) -> Asked:
    """Ask the API about July's flights, hour by hour, each with the features as they were known two hours before."""
    flights = month_departures(YEAR, MONTH, every=every)[::EACH]
    with narrator.stage("bulk", "predictions in bulk") as stage:
        count = requests = 0
        for some in ask(cloud, model, flights):
            count, requests = count + some, requests + 1
            stage.update(f"{count:,} of {len(flights):,} flights asked about")
        since, until = flights[0].as_of.date(), flights[-1].as_of.date()
        stage.update(f"{count:,} flights of July in {requests:,} requests, each as of two hours before its departure")
    return Asked(since, until, count, requests)


def ask(cloud: Stack, model: str, flights: Sequence[Departure]) -> Iterator[int]:
    """Ask about flights, each with the features as they were known then; how many flights each request had."""
    features = _features(cloud, model, flights)
    for as_of, asked in _hours(list(zip(flights, features, strict=True))):
        for first in range(0, len(asked), 100):
            some = asked[first : first + 100]
            cloud.predict(model, [flight.inputs for flight, _ in some], as_of=as_of, features=[row for _, row in some])
            yield len(some)


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
