"""Runs of collectors as the work of a schedule: started once for each tick, looked at, stopped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from headwater.lake.refusal import one_line
from headwater.schedules.targets import Seen, seen_of
from headwater.schedules.types import Work
from headwater.storage.clients import Clients
from headwater.storage.executions import Executions


class ScheduledCollection:
    """Starts collectors for ticks: executions of the collecting machine."""

    def __init__(self, collecting_arn: str, clients: Clients) -> None:
        self._machine = Executions(collecting_arn, clients)

    def start(self, work: Work, run: str, given: Mapping[str, Any]) -> None:
        """Start the run; Step Functions takes an execution's name once."""
        self._machine.start(run, {"collector": work.name, "tick": dict(given)})

    def look(self, work: Work, run: str) -> Seen | None:  # noqa: ARG002 -- of the protocol
        """How the run stands."""
        return seen_of(self._machine.describe(run), one_line)

    def stop(self, work: Work, run: str, why: str, at: datetime) -> None:  # noqa: ARG002 -- of the protocol
        """Stop the run: a batch that it fetches afterwards moves no cursor once the next run has begun."""
        if (seen := self.look(work, run)) is not None and seen.status == "RUNNING":
            self._machine.stop(run, error="Stopped", cause=why)
