"""The statuses of all models, from the registry table, and those of days that were judged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from headwater.monitoring.dashboards.openmetrics import Sample
from headwater.monitoring.drift.judging import Verdict
from headwater.monitoring.drift.standing import State
from headwater.monitoring.status import Severity, Status
from headwater.registry.service import Registry
from headwater.storage.table import Table

_KEY, _ATTRIBUTE = "STATUS", "status"


class Statuses:
    """Reads what the hourly look wrote of each registered model.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table, self._registry = table, Registry(table)

    def of(self, model: str) -> Status | None:
        """The model's status; None if it wasn't looked at yet."""
        item = self._table.get(f"WATCH#{model}", _KEY)
        return None if item is None else Status.model_validate_json(item[_ATTRIBUTE])

    def all(self) -> Iterator[Status]:
        """The statuses of all registered models that were looked at, by the models' names."""
        for model in self._registry.models():
            if (status := self.of(model)) is not None:
                yield status

    def samples(self) -> Iterator[Sample]:
        """The statuses with the moments at which the models were looked at."""
        for status in self.all():
            yield Sample(status.at, status)


def sample_of_day(
    model: str,
    version: int,
    day: date,
    verdict: Verdict,
    state: State,
    *,
    looked_at: datetime,
    since: date | None = None,
) -> Sample:
    """A day that was judged, as a status at the day's end: verdicts say nothing of performance.

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
    """
    status = Status(
        model=model,
        version=version,
        at=looked_at,
        state=state,
        since=since,
        severity=Severity.TICKET if state is State.ALARM else Severity.NONE,
        reason=verdict.reason,
        day=day,
        rows=verdict.rows,
        score=verdict.score,
        p=verdict.p,
        findings=verdict.findings,
    )
    return Sample(datetime.combine(day + timedelta(days=1), time(), UTC), status)
