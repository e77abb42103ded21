"""Declarations about who must react: escalation, heartbeats that are expected, and pings to somebody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from headwater.declare.base import Declaration
from headwater.declare.schedules import said_of
from headwater.declare.secrets import Secret
from headwater.declare.times import Duration

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]
RETRAIN = "retrain:"
ReceiverName = Annotated[
    str, StringConstraints(pattern=rf"^({RETRAIN}[a-z][a-z0-9_]{{0,47}}|[a-z][a-z0-9_-]{{0,47}})$")
]
"""A receiver's name, or ``retrain:<model>``: the model's retraining policy, which needs no declaration."""
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+[^\s@]*$", max_length=2_000)]
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=30)


class Step(Declaration):
    """One step of an escalation."""

    after: Duration
    """How long nobody acknowledged: since the group was told, since the step before, or since an acknowledgement ended.
    At least a minute, at most 30 days."""
    receivers: tuple[ReceiverName, ...] = Field(min_length=1)
    """Receivers that are told then."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_length(f"a step to {', '.join(self.receivers)}", "after", self.after)
        return self


class Escalation(Declaration):
    """Receivers that are told, step by step, while nobody acknowledges a group.

    A group keeps the steps that were declared when it was opened. An acknowledgement or a snooze stops them; they begin
    anew when it ends, is taken back or another alarm goes off. While all alarms of the group are muted they wait.
    """

    steps: Annotated[tuple[Step, ...], Field(max_length=10)] = ()
    """In order; none: the routes below a route that escalates don't."""
    repeat: Annotated[int, Field(ge=0, le=5)] = 0
    """How often all steps come again after the last one."""


class Heartbeat(Declaration):
    """Something that says regularly that it is alive; an alarm ``heartbeat-missed`` goes off when it doesn't."""

    name: Name
    """The label ``heartbeat`` of the alarm."""
    every: Duration
    """Longest time between two beats; at least a minute, at most 30 days."""
    grace: Duration = timedelta(minutes=5)  # type: ignore[assignment]
    """How much later a beat may come."""
    severity: Literal["critical", "error", "warning", "info"] = "critical"
    """The label ``severity`` of the alarm."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_length(f"heartbeat {self.name!r}", "every", self.every)
        return self


class Ping(Declaration):
    """An address outside that is asked regularly, so that somebody else hears when the stack is dead."""

    name: Name
    """Name in logs."""
    every: Duration = timedelta(minutes=15)  # type: ignore[assignment]
    """Time between two pings; at least a minute, at most 30 days."""
    url: Address | None = None
    """The address, if it holds no secret."""
    url_secret: Secret | None = None
    """Where the address is kept, if it is a secret."""
    allow_private: bool = False
    """Whether the address may be http, or one of a private network."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.url is None) == (self.url_secret is None):
            raise ValueError(f"ping {self.name!r}: it takes either url or url_secret")
        if self.url and self.url.startswith("http://") and not self.allow_private:
            raise ValueError(f"ping {self.name!r}: the address is asked without TLS: write https://, or allow_private")
        _check_length(f"ping {self.name!r}", "every", self.every)
        return self


def _check_length(whose: str, field: str, length: timedelta) -> None:
    if not SHORTEST <= length <= LONGEST:
        raise ValueError(f"{whose}: {field} is {said_of(length)}: at least {said_of(SHORTEST)}, at most 30d")
