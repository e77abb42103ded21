"""The schedules of a project's products, and what is wrong with them when they are deployed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from headwater.declare import Catalog, Code, Collector, Schedule
from headwater.schedules.days import check
from headwater.schedules.errors import HolidaysUnknown
from headwater.schedules.ticks import CALENDAR_HORIZON, upcoming
from headwater.schedules.types import Definition, Work

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def definitions(catalog: Catalog) -> list[Definition]:
    """A schedule for each model that declares ``retrain``, by name, and then one for each collector."""
    retraining = [
        Definition(name=f"retrain-{name}", work=Work(kind="training", name=name), schedule=model.retrain)
        for name, model in sorted(catalog.models.items())
        if model.retrain is not None
    ]
    collecting = [
        Definition(
            name=one.schedule_name,
            work=Work(kind="collecting", name=name, runs_in=one.runs_in, settings=_settings(one)),
            schedule=one.schedule,
        )
        for name, one in sorted(catalog.collectors.items())
    ]
    return [*retraining, *collecting]


def _settings(collector: Collector) -> tuple[str, ...]:
    return tuple(sorted(collector.reads.settings)) if isinstance(collector.reads, Code) else ()


def schedule_problems(schedule: Schedule, *, field: str, can_replace: bool = True) -> Iterator[str]:
    """Problems of a schedule as of now.

    Parameters
    ----------
    schedule : Schedule
    field : str
        The field of the declaration that holds it.
    can_replace : bool
        Whether a run can be stopped for the next one; a function can't.
    """
    if not can_replace and schedule.overlap == "replace":
        yield f"{field}: overlap=\"replace\" can't be given here: a function that runs isn't stopped"
        return
    if schedule.calendar is not None:
        try:
            check(schedule.calendar)
        except HolidaysUnknown as error:
            steps = "".join(f"; {step}" for step in error.next_steps)
            yield f"{field}: {error.message}{steps}"
            return
    now = datetime.now(UTC)
    # One that has ended is no problem: whoever deploys again months later isn't held up.
    start = (schedule.first or _LONG_AGO) if schedule.last is not None and schedule.last < now else now
    if not upcoming(schedule, start, 1):
        within = " between starts and ends" if schedule.last is not None else ""
        if schedule.calendar is not None:
            within += f" on a day that its calendar has, within {CALENDAR_HORIZON.days // 366} years"
        yield f"{field}: schedule {schedule.said!r} has no tick to come{within}"
