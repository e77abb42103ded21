"""The statuses of all models, from the registry table, and those of days that were judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from pydantic import ValidationError

from headwater.monitoring.dashboards.openmetrics import Sample
from headwater.monitoring.drift.standing import State
from headwater.monitoring.drift.verdicts import Verdict
from headwater.monitoring.status import Status, severity_of
from headwater.monitoring.watch.figures import JudgedPerformance
from headwater.monitoring.watch.records import WatchRecords
from headwater.monitoring.watch.types import stood
from headwater.registry.service import Registry
from headwater.storage.table import Table
from headwater.values import FormatTooNew

_KEY, _ATTRIBUTE = "STATUS", "status"


class Read(NamedTuple):
    """Statuses, and which couldn't be read."""

    statuses: tuple[Status, ...]
    unreadable: Mapping[str, str]
    """By model why not, in one line."""


class Statuses:
    """Reads what the hourly look wrote of each registered model.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table, self._registry, self._records = table, Registry(table), WatchRecords(table)

    def of(self, model: str) -> Status | None:
        """The model's status; None if it wasn't looked at yet."""
        item = self._table.get(f"WATCH#{model}", _KEY)
        return None if item is None else Status.model_validate_json(item[_ATTRIBUTE])

    def all(self) -> Read:
        """The statuses of all registered models that were looked at, by the models' names.

        One that can't be read, as a later version of Headwater may have written it, hides no other.
        """
        found, unreadable = [], {}
        for model in self._registry.models():
            try:
                status = self.of(model)
            except (ValidationError, FormatTooNew, KeyError) as error:
                unreadable[model] = str(error).splitlines()[0]
                continue
            if status is not None:
                found.append(status)
        return Read(tuple(found), unreadable)

    def samples(self) -> Iterator[Sample]:
        """The judged days of all versions, each at its end and as it counts, and the statuses of the last looks.

        Performance is that of the window which ends with the day, as it is known now.
        """
        read = self.all()
        for model in self._registry.models():
            if model not in read.unreadable:
                for version in self._records.versions(model):
                    yield from self._of_version(model, version)
        for status in read.statuses:
            yield Sample(status.at, status)

    def _of_version(self, model: str, version: int) -> Iterator[Sample]:
        days = self._records.judged(model, version)
        windows = {one.until: one for one in self._records.performances(model, version)}
        for one, after in zip(days, stood(days), strict=True):
            yield sample_of_day(
                model, version, one.day, one.counts.verdict, after.state, looked_at=one.counts.at, since=after.since,
                judged=windows.get(one.day),
            )  # fmt: skip


def sample_of_day(
    model: str,
    version: int,
    day: date,
    verdict: Verdict,
    state: State,
    *,
    looked_at: datetime,
    since: date | None = None,
    judged: JudgedPerformance | None = None,
) -> Sample:
    """A day that was judged, as a status at the day's end.

    Parameters
    ----------
    model : str
    version : int
    day : date
        UTC.
    verdict : Verdict
        The one that counts.
    state : State
        The version's state after the day.
    looked_at : datetime
        When the verdict was given.
    since : date, optional
        The day of the verdict that brought the state about.
    judged : JudgedPerformance, optional
        Performance over the window that ends with the day.
    """
    realised, estimated = (judged.realised, judged.estimated) if judged else (None, None)
    status = Status(
        model=model,
        version=version,
        at=looked_at,
        state=state,
        since=since,
        severity=severity_of(state, realised, estimated),
        reason=verdict.reason,
        day=day,
        rows=verdict.rows,
        score=verdict.score,
        p=verdict.p,
        findings=verdict.findings,
        realised=realised,
        estimated=estimated,
        notes=judged.notes if judged else (),
    )
    return Sample(datetime.combine(day + timedelta(days=1), time(), UTC), status)
