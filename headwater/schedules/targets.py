"""The protocol of work that ticks start: trainings, and whatever else runs by a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from headwater.schedules.types import TickRecord, Work


class Seen(NamedTuple):
    """How a run stands."""

    status: Literal["RUNNING", "DONE", "FAILED", "SKIPPED"]
    """``SKIPPED``: there is none, for who runs it had a reason not to start it."""
    reason: str = ""
    """Why it failed or was skipped."""


class Target(Protocol):
    """Starts, looks at and stops the runs of one kind of work."""

    def run_of(self, work: Work, tick: TickRecord) -> str:
        """The id of the run that a tick starts: it follows from the tick and its attempt alone."""

    def start(self, work: Work, run: str, given: Mapping[str, Any]) -> None:
        """Start the run; one that was started before, under the same id, is not started again."""

    def look(self, work: Work, run: str) -> Seen | None:
        """How the run stands; None if there is none."""

    def stop(self, work: Work, run: str, why: str, at: datetime) -> None:
        """Stop the run; one that is over stays as it is."""
