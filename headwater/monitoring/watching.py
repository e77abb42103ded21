"""Watches a model's logged predictions day by day: counts each version's days, and judges them beside its bank."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas

from headwater.features.inputs import encode
from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.drift.judging import Judge, Verdict
from headwater.monitoring.drift.standing import Standing, State
from headwater.monitoring.errors import NoBank
from headwater.monitoring.log.reading import Reader
from headwater.monitoring.profiles.counting import profile_of
from headwater.monitoring.profiles.types import Scheme, WindowProfile, merge
from headwater.registry.errors import ArtifactInvalid, ArtifactNotFound
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import BANK_FILE, Package
from headwater.values import Value

_WANTED = ("prediction_id", "version", "received_at", "output", "inputs", "features")


class WatchedDay(Value):
    """A day of a version's predictions, beside its reference."""

    day: date
    """UTC."""
    verdict: Verdict
    state: State
    """The state of the version after the day."""


class Watched(Value):
    """A version's days, oldest first."""

    model: str
    version: int
    days: tuple[WatchedDay, ...]

    @property
    def state(self) -> State:
        """The state after the last day."""
        return self.days[-1].state if self.days else State.COLLECTING


class Watching:
    """Judges what was logged.

    Parameters
    ----------
    registry : Registry
    artifacts : ArtifactStore
    reader : Reader
        Of logged predictions.
    """

    def __init__(self, registry: Registry, artifacts: ArtifactStore, reader: Reader) -> None:
        self._registry, self._artifacts, self._reader = registry, artifacts, reader

    def drift(self, model: str, version: int, since: date, until: date) -> Watched:
        """The verdict on each day from ``since`` to ``until``, both included, on which the version answered.

        A day is counted from the log when somebody asks, one hour's frame at a time.

        Raises
        ------
        ModelNotRegistered, VersionNotFound
        NoBank
            The version was trained before training kept profiles of its days, or they are gone.
        """
        bank, package = self._bank(model, version)
        judge, standing, days = Judge(bank), Standing(), []
        for day in _days(since, until):
            profile = self._count(package, bank.scheme, version, day)
            if not profile.rows:
                continue
            verdict = judge.judge(profile, datetime(day.year, day.month, day.day, tzinfo=UTC))
            standing = standing.after(verdict)
            days.append(WatchedDay(day=day, verdict=verdict, state=standing.state))
        return Watched(model=model, version=version, days=tuple(days))

    def _bank(self, model: str, version: int) -> tuple[Bank, Package]:
        entry = self._registry.version(model, version)
        try:
            at = entry.candidate.files[BANK_FILE]
            return Bank.unpacked(self._artifacts.read(at)), self._artifacts.load(entry.package, Package)
        except (KeyError, ArtifactNotFound, ArtifactInvalid) as error:
            raise NoBank(
                f"version {version} of model {model!r} has no profiles of its training days: it was trained before "
                "they were kept, or its files were deleted",
                next_steps=[f"headwater train {model} --watch"],
            ) from error

    def _count(self, package: Package, scheme: Scheme, version: int, day: date) -> WindowProfile:
        since = datetime(day.year, day.month, day.day, tzinfo=UTC)
        frames = self._reader.frames(package.model, since, since + timedelta(days=1), _WANTED)
        parts = []
        for number, frame in enumerate(frames):
            of_version = frame[frame["version"] == version]
            if len(of_version):
                columns = columns_of(package, of_version)
                parts.append(
                    profile_of(scheme, columns, part=f"{day}/{number}", scores=of_version["output"].to_numpy())
                )
        return merge(scheme, parts)


def columns_of(package: Package, frame: pandas.DataFrame) -> dict[str, list[Any]]:
    """The model's columns of logged predictions, as the graph saw them.

    Parameters
    ----------
    package : Package
    frame : DataFrame
        With the columns ``inputs`` and ``features``, each the JSON that was logged.
    """
    rows = [_row(package, *texts) for texts in zip(frame["inputs"], frame["features"], strict=True)]
    return {name: [row.get(name) for row in rows] for name in package.columns}


def _row(package: Package, inputs: str, features: str) -> Mapping[str, Any]:
    seen: Mapping[str, Any] = json.loads(features)
    return {
        **encode(package.inputs, json.loads(inputs)),
        **{entry.column: seen.get(entry.name) for entry in package.features},
    }


def _days(since: date, until: date) -> Iterator[date]:
    day = since
    while day <= until:
        yield day
        day += timedelta(days=1)
