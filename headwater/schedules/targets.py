"""The protocol of work that ticks start: trainings, and whatever else runs by a schedule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from headwater.schedules.types import TickRecord, Work

_RUNNING = frozenset({"RUNNING", "PENDING_REDRIVE"})
_LONGEST_NAME = 44
LONGEST_REASON = 300


class Seen(NamedTuple):
    """How a run stands."""

    status: Literal["RUNNING", "DONE", "FAILED", "SKIPPED"]
    """``SKIPPED``: there is none, for who runs it had a reason not to start it."""
    reason: str = ""
    """Why it failed or was skipped."""


class Target(Protocol):
    """Starts, looks at and stops the runs of one kind of work."""

    def start(self, work: Work, run: str, given: Mapping[str, Any]) -> None:
        """Start the run; one that was started before, under the same id, is not started again."""

    def look(self, work: Work, run: str) -> Seen | None:
        """How the run stands; None if there is none."""

    def stop(self, work: Work, run: str, why: str, at: datetime) -> None:
        """Stop the run; one that is over stays as it is."""


def run_of(work: Work, tick: TickRecord) -> str:
    """The id of the run that a tick starts: the work, the tick's time, and what tells schedules and attempts apart."""
    told = f"{tick.schedule} {tick.key} {tick.attempt}"
    ending = hashlib.sha256(told.encode()).hexdigest()[:6]
    return f"{work.name[:_LONGEST_NAME]}-{tick.at:%Y%m%d-%H%M%S}-{ending}"


def seen_of(execution: Mapping[str, Any] | None, one_line: Callable[[Any], str]) -> Seen | None:
    """How an execution of Step Functions stands, as it describes it; ``one_line`` shortens why it failed."""
    if execution is None:
        return None
    if execution["status"] in _RUNNING:
        return Seen("RUNNING")
    if execution["status"] == "SUCCEEDED":
        return Seen("DONE")
    said = ": ".join(
        filter(None, (str(execution.get("error") or execution["status"]), one_line(execution.get("cause"))))
    )
    return Seen("FAILED", said[:LONGEST_REASON])
