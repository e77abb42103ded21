"""Schedules as they are deployed, and what their ledger holds: the state, the ticks and the runs that they started."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from pydantic import AwareDatetime, Field

from headwater.declare import Schedule
from headwater.declare.collectors import RunsIn
from headwater.values import Stored, Value

Origin = Literal["scheduled", "backfill", "manual"]
BACKFILL: Origin = "backfill"


CALL: Final = "call"


class Work(Value):
    """The work that a tick starts."""

    kind: Literal["training", "collecting", "call"]
    """``training``: a training run; ``collecting``: a collector's run; ``call``: a call of a function."""
    name: str
    """Name of the model, of the collector, or of the schedule that calls."""
    runs_in: RunsIn | None = None
    """Where a collector runs; None for other work."""
    settings: tuple[str, ...] | None = None
    """Names of the settings that a collector declares; None for other work, and of earlier deployments."""
    function: str = ""
    """ARN of the function to call."""
    event: Mapping[str, str] = Field(default_factory=dict)
    """The function's event; the tick's ``time`` is added."""


class Definition(Stored):
    """A schedule as the products declare it."""

    name: str
    """Such as ``retrain-flight_delay``."""
    work: Work
    schedule: Schedule


class Effective(Stored):
    """A definition, and when it took effect: earlier ticks are those of the definition before."""

    definition: Definition
    since: AwareDatetime
    """UTC. When it was deployed, or when the ledger had got to by then."""


class TickStatus(StrEnum):
    """How a tick stands."""

    DUE = "DUE"
    """The tick will be started."""
    STARTED = "STARTED"
    DONE = "DONE"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    """Not started for a reason: a pause, an earlier run that still ran, or the model's retraining policy."""
    MISSED = "MISSED"
    """Nobody came in its time, and the schedule doesn't catch up with it."""

    @property
    def is_open(self) -> bool:
        """Whether something is still to happen."""
        return self in {TickStatus.DUE, TickStatus.STARTED}


class TickRecord(Stored):
    """A tick in the ledger."""

    schedule: str
    at: AwareDatetime
    """The planned time, UTC."""
    status: TickStatus
    origin: Origin = "scheduled"
    """The maker: the schedule, a backfill, or a person who started a run by hand."""
    since: AwareDatetime | None = None
    """The run stands for the time from here, which is part of it, to the tick's."""
    run: str = ""
    """Id of the run, once there is one. It follows from the tick: a repeated start is the same run."""
    attempt: int = Field(default=1, ge=1)
    """Counts up when a backfill starts the tick again."""
    by: str = ""
    """The person who asked for it, if one did."""
    reason: str = ""
    """Why it was skipped or missed, or why the run failed."""
    notes: tuple[str, ...] = ()
    """Reasons why the tick was moved: a change of the clocks, a holiday."""
    through: AwareDatetime | None = None
    """The last tick's time, if the entry stands for several, since there were many at once."""
    count: int = Field(default=1, ge=1)
    """How many ticks the entry stands for."""
    changed_at: AwareDatetime
    """When the entry was last written, UTC."""

    @property
    def key(self) -> str:
        """Sort key: scheduled and backfilled ticks of one time are the same tick."""
        if self.count > 1:
            return f"{tick_key(self.at)}#and {self.count - 1} more"
        return tick_key(self.at, by_hand=self.origin == "manual")


class Pause(Value):
    """Nothing is started from ``since`` on, before ``until``."""

    since: AwareDatetime
    until: AwareDatetime | None = None
    """None: until somebody resumes."""
    by: str = ""
    why: str = ""

    def holds(self, moment: datetime) -> bool:
        """Whether a tick of that time is left out."""
        return self.since <= moment and (self.until is None or moment < self.until)

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        until = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"paused by {self.by or 'somebody'}{until}{why}"


class Open(Value):
    """A tick that isn't over."""

    key: str
    status: Literal["DUE", "STARTED"]
    origin: Origin


class ScheduleState(Stored):
    """A schedule's state: who holds it in hand writes it with the ticks, in one transaction."""

    write: str
    """Id of the write that made it."""
    definition: Definition
    cursor: AwareDatetime
    """Every tick up to here, itself included, is in the ledger. UTC."""
    covered: AwareDatetime | None = None
    """Where the next run's interval begins: the time of the last tick that was started or paused."""
    pause: Pause | None = None
    parallel: int = Field(default=1, ge=1)
    """Runs of a backfill at once."""
    open: tuple[Open, ...] = ()
    """Ticks that aren't over, in the order of their times."""


def tick_key(at: datetime, *, by_hand: bool = False) -> str:
    """The sort key of a tick's entry."""
    return f"TICK#{at:%Y-%m-%dT%H:%M:%S}Z{f'#{at.microsecond:06}' if by_hand else ''}"
