"""A ledger on moto, definitions as a deployment leaves them, work that can be watched, and faults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.stepfunctions.models import stepfunctions_backends

from headwater.declare import Schedule
from headwater.schedules.service import Scheduler
from headwater.schedules.store import DEFINITIONS, Deployed, DeployedSchedules, Ledger
from headwater.schedules.targets import Seen
from headwater.schedules.types import Definition, TickRecord, TickStatus, Work
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table, WriteRefused
from tests.crashing import Killed
from tests.unit.registry.cases import TABLE, make_table, mocked_aws

NAME, BUCKET = "retrain-delays", "artifacts"
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def make_artifacts() -> None:
    """The versioned bucket of definitions and runs."""
    CLIENTS("s3").create_bucket(Bucket=BUCKET)
    CLIENTS("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def make_machine(name: str) -> Any:
    """A state machine that ends at once, as moto's Step Functions keeps it."""
    CLIENTS("stepfunctions").create_state_machine(
        name=name,
        definition=json.dumps({"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}),
        roleArn="arn:aws:iam::123456789012:role/any",
    )
    (made,) = stepfunctions_backends["123456789012"]["us-east-1"].state_machines
    return made


class Faults:
    """What happens at the next calls that change something, in order: each a word, or nothing."""

    def __init__(self) -> None:
        self.coming: list[str] = []

    def next(self) -> str:
        return self.coming.pop(0) if self.coming else ""


class FaultyTable(Table):
    """Killed before or after a write, or its answer is lost."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(TABLE, CLIENTS, pause=lambda _: None)
        self.faults = faults

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        fault = self.faults.next()
        if fault == "killed before":
            raise Killed
        super().transact(writes)
        if fault == "killed after":
            raise Killed
        if fault == "answer lost":
            raise WriteRefused(fault)


class Works:
    """Runs that stay until somebody ends them; started once for each id."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.runs: dict[str, Mapping[str, Any]] = {}
        self.states: dict[str, Seen] = {}
        self.most_at_once = 0

    def start(self, work: Work, run: str, given: Mapping[str, Any]) -> None:
        fault = self.faults.next()
        if fault == "killed before":
            raise Killed
        if run not in self.runs:
            self.runs[run] = given
            self.states[run] = Seen("RUNNING")
            self.most_at_once = max(self.most_at_once, len(self.running))
        if fault == "killed after":
            raise Killed

    def look(self, work: Work, run: str) -> Seen | None:
        return self.states.get(run)

    def stop(self, work: Work, run: str, why: str, at: datetime) -> None:
        if self.states[run].status == "RUNNING":
            self.states[run] = Seen("FAILED", why)

    @property
    def running(self) -> list[str]:
        return [run for run, seen in self.states.items() if seen.status == "RUNNING"]

    def end(self, status: str = "DONE", reason: str = "") -> None:
        """End all that runs."""
        for run in self.running:
            self.states[run] = Seen(status, reason)  # type: ignore[arg-type]

    @property
    def ticks(self) -> list[str]:
        """Times of the ticks that were started, as hours and minutes of their days."""
        return [f"{datetime.fromisoformat(given['tick']):%d %H:%M}" for given in self.runs.values()]


class Declared(DeployedSchedules):
    """The newest deployment, at a time that the test says: moto's clock is the machine's."""

    def __init__(self) -> None:
        self.there: dict[str, Deployed] = {}

    def get(self, name: str) -> Deployed | None:
        return self.there.get(name)

    def names(self) -> list[str]:
        return sorted(self.there)


class World:
    """A scheduler whose time stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.faults = Faults()
        self.works, self.deployed = Works(self.faults), Declared()
        self.ledger = Ledger(FaultyTable(self.faults))
        self.scheduler = Scheduler(
            self.ledger, self.deployed, {"training": self.works}, now=lambda: self.now, pause=lambda _: None
        )

    def deploy(self, schedule: Schedule, *, at: datetime | None = None, name: str = NAME) -> None:
        definition = Definition(name=name, work=Work(kind="training", name="delays"), schedule=schedule)
        self.deployed.there[name] = Deployed(definition, (at or self.now).replace(microsecond=0))

    def wake(self, scheduled: datetime | None = None) -> None:
        self.scheduler.wake(NAME, scheduled or self.now)

    def until(self, moment: datetime, *, step: timedelta = HOUR, end: bool = True) -> None:
        """Wake at each step until ``moment``; a run is over by the next one."""
        while self.now < moment:
            self.now += step
            if end:
                self.works.end()
            self.wake()

    @property
    def history(self) -> list[tuple[str, str]]:
        """Ticks, oldest first: their times and how they stand."""
        return [(f"{record.at:%d %H:%M}", record.status.value) for record in self.ledger.ticks(NAME)]

    def record(self, at: str) -> TickRecord:
        (found,) = [record for record in self.ledger.ticks(NAME) if f"{record.at:%d %H:%M}" == at]
        return found

    def status(self, at: str) -> TickStatus:
        return self.record(at).status


@contextmanager
def new_world(monkeypatch: pytest.MonkeyPatch, now: str = "2026-03-02T00:00:00") -> Iterator[World]:
    """A world on moto; the table and the bucket are as the infrastructure makes them."""
    with mocked_aws(monkeypatch):
        make_table()
        yield World(datetime.fromisoformat(now).replace(tzinfo=UTC))


def put_definition(definition: Definition) -> None:
    """Put a definition where a deployment does."""
    body = definition.model_dump_json().encode()
    CLIENTS("s3").put_object(Bucket=BUCKET, Key=f"{DEFINITIONS}{definition.name}.json", Body=body)
