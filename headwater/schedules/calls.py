"""Calls of functions as the work of a schedule: one run of the machine that makes them for each tick."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from headwater.schedules.targets import Seen, seen_of
from headwater.schedules.types import Work
from headwater.storage.clients import Clients
from headwater.storage.executions import Executions


class ScheduledCall:
    """Starts calls for ticks: executions of the machine that calls functions."""

    def __init__(self, regular_arn: str, clients: Clients) -> None:
        self._machine = Executions(regular_arn, clients)

    def start(self, work: Work, run: str, given: Mapping[str, Any]) -> None:
        """Call the function with the work's event and the tick's ``time``; a run's name is taken once."""
        event = {**work.event, "time": given["tick"]}
        self._machine.start(run, {"function": work.function, "event": event, "tick": dict(given)})

    def look(self, work: Work, run: str) -> Seen | None:  # noqa: ARG002 -- of the protocol
        """How the run stands."""
        return seen_of(self._machine.describe(run), _message)

    def stop(self, work: Work, run: str, why: str, at: datetime) -> None:
        """Raise: a function that was called runs to its end, so no schedule of calls replaces a run."""
        raise NotImplementedError(f"run {run} of {work.name} can't be stopped: a function runs to its end")


def _message(cause: str | None) -> str:
    """The exception's message out of what Lambda says of it."""
    try:
        told = json.loads(cause or "")
    except ValueError:
        told = None
    return " ".join(str(told.get("errorMessage") if isinstance(told, dict) else cause or "").split())
