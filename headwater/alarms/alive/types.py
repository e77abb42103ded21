"""Heartbeats and pings as the registry keeps them."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime

from headwater.declare.on_call import Heartbeat
from headwater.values import Stored


class HeartbeatState(Stored):
    """One heartbeat as it is known."""

    name: str
    since: AwareDatetime
    """From when on it was expected."""
    at: AwareDatetime | None = None
    """The newest beat."""
    missed_at: AwareDatetime | None = None
    """Since when it is missed; None: it isn't."""
    severity: str = "critical"
    """Severity of the alarm that went off: its label says which alarm is over."""
    due: AwareDatetime | None = None
    """When somebody looks; None: nobody needs to before the next beat."""
    turn: int = 0
    """Raised with each timer: an older timer counts no more."""
    version: int = 0
    """Raised by each change."""

    def too_old(self, expected: Heartbeat) -> datetime:
        """From when on it is missed, unless there is another beat."""
        newest = max(self.since, self.at) if self.at else self.since
        return newest + expected.every + expected.grace


class PingState(Stored):
    """The pings to one address as they are known."""

    name: str
    turn: int = 0
    """Raised with each ping: an older timer counts no more."""
    due: AwareDatetime | None = None
    """When the next one is sent."""
    at: AwareDatetime | None = None
    """When the newest one was begun."""
    problem: str = ""
    """Why the newest one but one wasn't answered; empty: it was."""
