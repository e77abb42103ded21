"""The state of a model from the verdicts on its windows: one bad window is no alarm, two of three are, and so is a long
row of days that are each a little unusual."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from headwater.monitoring.drift import lasting
from headwater.monitoring.drift.verdicts import Outcome, Verdict
from headwater.values import Value

OF_LAST = 3
"""An alarm needs two bad windows among as many."""
CLEAN_ENOUGH = 2


class State(StrEnum):
    """How a model is."""

    COLLECTING = "COLLECTING"
    """Too little is known of it."""
    NORMAL = "NORMAL"
    SUSPECT = "SUSPECT"
    ALARM = "ALARM"
    """Two bad days of three, or an extreme one."""


class Standing(Value):
    """A model's state, and how it came to it."""

    state: State = State.COLLECTING
    since: int | None = None
    """Position of the verdict that brought the state about; None: it is the first one."""
    recent: tuple[bool, ...] = ()
    """Whether each of the last judged windows was bad, the newest last."""
    seen: int = 0
    """Verdicts so far."""
    together: float = 0.0
    """Sum of the surprises of the days (`headwater.monitoring.drift.lasting`)."""
    lasts: bool = False
    """True while that sum is above its limit."""

    def after(self, verdict: Verdict) -> Standing:
        """The state once one more window is judged.

        A window that couldn't be judged changes nothing: silence neither raises an alarm nor ends one.
        """
        if verdict.outcome is Outcome.COLLECTING:
            return self.model_copy(update={"seen": self.seen + 1})
        bad = verdict.outcome is not Outcome.CLEAN
        recent = (*self.recent, bad)[-OF_LAST:]
        together, lasts = self._together(verdict)
        state = self._next(recent, alarming=lasts or verdict.outcome is Outcome.EXTREME)
        since = self.since if state is self.state else self.seen
        return Standing(state=state, since=since, recent=recent, seen=self.seen + 1, together=together, lasts=lasts)

    def _together(self, verdict: Verdict) -> tuple[float, bool]:
        limit = verdict.lasting_limit
        if verdict.p is None or limit is None:
            return self.together, False
        together = min(max(self.together + lasting.surprise(verdict.p), 0.0), limit + lasting.CAP)
        return together, together > limit

    def _next(self, recent: tuple[bool, ...], *, alarming: bool) -> State:
        if alarming or (recent[-1] and sum(recent) >= 2):
            return State.ALARM
        if recent[-1]:
            return State.ALARM if self.state is State.ALARM else State.SUSPECT
        if self.state in (State.COLLECTING, State.NORMAL) or not any(recent[-CLEAN_ENOUGH:]):
            return State.NORMAL
        return self.state


def standing(verdicts: Iterable[Verdict]) -> Standing:
    """Give the state after verdicts on the windows of one horizon, the oldest first."""
    found = Standing()
    for verdict in verdicts:
        found = found.after(verdict)
    return found
