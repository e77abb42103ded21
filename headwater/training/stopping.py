"""A person stops a run: who, why and when."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict

from headwater.errors import Refused

STOP_FILE = "stopped.json"
STOPPED = "Stopped"
"""The error that a stopped execution carries."""


class Stop(BaseModel):
    """Who stopped a run, and why; kept with its files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str
    why: str = ""
    at: AwareDatetime

    def __str__(self) -> str:
        return f"stopped by {self.by or 'somebody'}{f': {self.why}' if self.why else ''}"


class RunStopped(Refused):
    """The run was stopped by a person: nothing of it is registered."""
