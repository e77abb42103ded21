"""The whole way, from files to predictions, through the deployed resources only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headwater.client import Stack
from headwater.client.ingestions import SentFile
from headwater.client.models import ModelCard
from headwater.client.predictions import Predictions
from headwater.client.runs import Rejected
from headwater.client.starting import starting
from headwater.client.waiting import wait_for
from headwater.demo.correction import FLIGHTS, Correction, correct_and_go_back
from headwater.demo.flights import Departure, departures, month_files
from headwater.demo.narrating import Narrator
from headwater.demo.summer import Summer, spend_july
from headwater.demo.weather import COLLECTOR, SOURCE, collect

MODEL = "flight_delay"
YEAR = 2013
# The data's last flights land at half past four in the night after it. Its last weather is that of 23:00 and counts for
# 6 hours, until 5:00, when those are asked about that leave at 7:00. One later flight shows what happens then.
EARLY, NOON = (time(6, 30), time(7)), (time(12), time(13))
ASKED_EARLY, ASKED_AT_NOON = 11, 1
INGESTION_TIMEOUT, TRAINING_TIMEOUT = 900.0, 1800.0
ALIAS_TIMEOUT, LOG_TIMEOUT = 30.0, 30.0


@dataclass(frozen=True)
class FlightPrediction:
    """A real flight: the answer two hours before its departure, and its arrival."""

    flight: str
    inputs: dict[str, Any]
    """The request's inputs."""
    scheduled: str
    asked: str
    probability: float
    late: bool | None
    arrival_delay_minutes: int | None
    missing_features: tuple[str, ...]
    request_id: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of a demo."""

    dataset_rows: int
    card: ModelCard
    predictions: tuple[FlightPrediction, ...]
    logged: int
    """How many of the predictions are in the predictions bucket."""
    correction: Correction
    asked_again: FlightPrediction | None
    """The first flight once more, answered by the version that learnt from the correction; None without one."""
    summer: Summer | None
    """None if it was left out."""

    def line(self, *, resources: int, api: str, seconds: dict[str, float]) -> dict[str, Any]:
        """The JSON of ``headwater demo --json``."""
        return {
            "resources": resources,
            "dataset_rows": self.dataset_rows,
            "model": self.card.model,
            "version": self.card.version,
            "roc_auc": self.card.metrics["roc_auc"],
            "predictions": [asdict(prediction) for prediction in self.predictions],
            "api": api,
            "seconds": seconds,
            "correction": asdict(self.correction),
            "asked_again": None if self.asked_again is None else asdict(self.asked_again),
            "summer": self.summer and {**asdict(self.summer), "sensor_found_on": self.summer.sensor_found_on},
        }


def run(
    cloud: Stack,
    narrator: Narrator,
    *,
    months: Sequence[int],
    every: int = 1,
    retrain: bool = False,
    summer: bool = True,
) -> Outcome:
    """Upload real flights, collect the weather, let the stack make a served model and ask it; correct, and watch July.

    Parameters
    ----------
    cloud : Stack
        A deployed stack.
    narrator : Narrator
        Told what happens.
    months : sequence of int
        Months of 2013 to upload; the flights asked about are those of the first day after them.
    every : int
        Upload every n-th flight only.
    retrain : bool
        Train again on the corrected upload.
    summer : bool
        Go on to July.

    Raises
    ------
    HeadwaterError
        A stage failed; says why.
    """
    rows = _upload(cloud, narrator, months, every)
    version = _train(cloud, narrator)
    day = date(YEAR, max(months) + 1, 1)
    predictions = _ask(cloud, narrator, day, version)
    logged = _await_log(cloud, narrator, predictions)
    card = cloud.models.show(MODEL, version)
    correction = correct_and_go_back(
        cloud,
        narrator,
        card,
        months=months,
        every=every,
        timeout=INGESTION_TIMEOUT,
        retrain=(lambda: _train(cloud, narrator, "retrain")) if retrain else None,
    )
    # Before July comes: afterwards the online store knows nothing of May any more.
    again = None if correction.retrained is None else _predict(cloud, _early(day)[0], correction.retrained)
    july = spend_july(cloud, narrator, MODEL, every=every, timeout=INGESTION_TIMEOUT) if summer else None
    return Outcome(rows, card, predictions, logged, correction, again, july)


def _upload(cloud: Stack, narrator: Narrator, months: Sequence[int], every: int) -> int:
    with TemporaryDirectory(prefix="headwater-demo-") as folder, narrator.stage("upload", "upload") as stage:
        files = month_files(Path(folder), months, every=every)
        flights = [file for file in files if file.source == FLIGHTS]
        sent: list[SentFile] = []
        for file in flights:
            stage.update(f"{file.path.name}: {file.rows:,} rows")
            sent.append(cloud.upload(file.source, file.path))
        weather = [file for file in files if file.source == SOURCE]
        collected = collect(cloud, weather, timeout=INGESTION_TIMEOUT, said=stage.update)
        size = sum(entry.size for entry in sent) / 1e6
        sent += collected
        stage.update(
            f"{len(flights)} files of flights, {size:.1f} MB, put under s3://{cloud.description.lake_bucket}/landing/, "
            f"and {len(collected)} months of weather collected by ticks of collect-{COLLECTOR}"
        )
    with narrator.stage("ingest", "ingestion and features") as stage:
        done = []
        for number, entry in enumerate(sent):
            stage.update(f"{number} of {len(sent)} files checked, curated, and their features brought online")
            done.append(cloud.ingestions.wait(entry, timeout=INGESTION_TIMEOUT))
        rows = sum(entry.rows_out for entry in done)
        rejected = sum(entry.rows_rejected for entry in done)
        stage.update(f"{rows:,} rows curated, {rejected:,} in quarantine; newest features online")
    return rows


def _train(cloud: Stack, narrator: Narrator, key: str = "train") -> int:
    with narrator.stage(key, "training pipeline") as stage:
        with starting("command", "headwater demo"):
            started = cloud.train(MODEL, reason="demo")
        ended = cloud.runs.watch(started.id, timeout=TRAINING_TIMEOUT, on_step=stage.update)
        if ended.rejected or ended.version is None:
            raise Rejected(ended, cloud.models.show(MODEL, ended.version).reasons)
        card = cloud.models.show(MODEL, ended.version)
        counts = ", ".join(f"{count:,} {part}" for part, count in card.rows.items())
        stage.update(f"version {ended.version} serves as {' and '.join(card.aliases)}; rows: {counts}")
    return ended.version


def _ask(cloud: Stack, narrator: Narrator, day: date, version: int) -> tuple[FlightPrediction, ...]:
    with narrator.stage("predict", "predictions") as stage:
        flights = _early(day) + departures(day, ASKED_AT_NOON, first=NOON[0], last=NOON[1])
        found = tuple(_predict(cloud, flight, version) for flight in flights)
        stage.update(f"{len(found)} real flights of {day:%-d %B %Y}, asked two hours before departure")
    return found


def _early(day: date) -> list[Departure]:
    return departures(day, ASKED_EARLY, first=EARLY[0], last=EARLY[1])


def _predict(cloud: Stack, flight: Departure, version: int) -> FlightPrediction:
    def answer() -> Predictions | None:
        # A warm function learns of a promotion within seconds.
        said = cloud.predict(MODEL, [flight.inputs], as_of=flight.as_of)
        return said if said.version == version else None

    said = wait_for(answer, what=f"an answer of version {version}", timeout=ALIAS_TIMEOUT)
    prediction = said.predictions[0]
    return FlightPrediction(
        flight=flight.flight,
        inputs=flight.inputs,
        scheduled=flight.scheduled.isoformat(),
        asked=flight.as_of.isoformat(),
        probability=prediction.number,
        late=flight.late,
        arrival_delay_minutes=flight.arrival_delay_minutes,
        missing_features=prediction.missing_features,
        request_id=said.request_id,
    )


def _await_log(cloud: Stack, narrator: Narrator, predictions: Sequence[FlightPrediction]) -> int:
    """The log is written after the answers went out; see that it is there."""
    wanted = {prediction.request_id for prediction in predictions}
    s3, bucket = cloud.clients("s3"), cloud.description.predictions_bucket
    today = datetime.now(UTC).date()

    def look() -> int | None:
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{MODEL}/", StartAfter=f"{MODEL}/date={date.fromordinal(today.toordinal() - 1)}"
        )
        keys = (entry["Key"] for page in pages for entry in page.get("Contents", ()))
        logged = {Path(key).stem for key in keys} & wanted
        return len(logged) if logged == wanted else None

    with narrator.stage("log", "prediction log") as stage:
        logged = wait_for(look, what="the predictions in the predictions bucket", timeout=LOG_TIMEOUT)
        stage.update(f"{logged} predictions in s3://{bucket}/{MODEL}/, written after their answers")
    return logged
