"""A person stops a run: who, why and when."""

from __future__ import annotations

from pydantic import AwareDatetime

from headwater.errors import Refused
from headwater.values import Value

STOP_FILE = "stopped.json"
STOPPED = "Stopped"
"""The error that a stopped execution carries."""


class Stop(Value):
    """The person who stopped a run, and the reason; kept with the run's files."""

    by: str
    why: str = ""
    at: AwareDatetime

    def __str__(self) -> str:
        return f"stopped by {self.by or 'somebody'}{f': {self.why}' if self.why else ''}"


class RunStopped(Refused):
    """The run was stopped by a person: nothing of it is registered."""
