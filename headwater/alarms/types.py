"""Alarm events, the decisions about them, and the messages to people."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import AwareDatetime, Field

from headwater.values import Stored, Value

UNPARSED = "unparsed"
"""The name under which messages are kept that are no CloudWatch alarm."""


class AlarmState(StrEnum):
    """CloudWatch's three states, and one for messages that aren't CloudWatch's."""

    ALARM = "ALARM"
    OK = "OK"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"
    UNKNOWN = "UNKNOWN"


class AlarmEvent(Value):
    """One change of an alarm's state."""

    name: str = Field(min_length=1)
    state: AlarmState
    previous: str = ""
    at: AwareDatetime
    """When the state changed (not when the message arrived)."""
    reason: str = ""
    description: str = ""
    region: str = ""
    account: str = ""
    id: str
    """The same for every delivery of the same change."""
    problem: str = ""
    """Why the message couldn't be read as an alarm; empty if it could."""

    @classmethod
    def parse(cls, message: str, *, message_id: str, received_at: datetime) -> Self:
        """Read what CloudWatch publishes to SNS; anything else becomes an event called ``unparsed``, never an error.

        Parameters
        ----------
        message : str
            The notification's message: the alarm as JSON.
        message_id : str
            SNS's id of it, the same when it is delivered again.
        received_at : datetime
            When SNS published it, UTC.
        """
        try:
            return cls._from_cloudwatch(json.loads(message))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return cls(
                name=UNPARSED,
                state=AlarmState.UNKNOWN,
                at=received_at,
                reason=message[:10_000],
                id=_digest(message_id, message),
                problem=f"{type(error).__name__}: {error}"[:500],
            )

    @classmethod
    def _from_cloudwatch(cls, alarm: dict[str, Any]) -> Self:
        at = datetime.fromisoformat(alarm["StateChangeTime"])
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        name, state = str(alarm["AlarmName"]), AlarmState(alarm["NewStateValue"])
        return cls(
            name=name,
            state=state,
            previous=str(alarm.get("OldStateValue") or ""),
            at=at,
            reason=str(alarm.get("NewStateReason") or "")[:10_000],
            description=str(alarm.get("AlarmDescription") or ""),
            region=str(alarm.get("Region") or ""),
            account=str(alarm.get("AWSAccountId") or ""),
            id=_digest(name, state.value, at.isoformat()),
        )


class Decision(StrEnum):
    """The decision about an event."""

    NOTIFIED = "NOTIFIED"
    """People are told of an alarm (or of a message that couldn't be read)."""
    RECOVERED = "RECOVERED"
    """People who were told of an alarm are told that it is over."""
    SUPPRESSED = "SUPPRESSED"
    """People know already; counted."""
    OUTDATED = "OUTDATED"
    """A later change of the same alarm came first."""
    RECORDED = "RECORDED"
    """Nothing that anybody needs to hear."""

    @property
    def tells(self) -> bool:
        """Whether recipients are told."""
        return self in {Decision.NOTIFIED, Decision.RECOVERED}


class AlarmStanding(Stored):
    """The last known state of an alarm, and the state that people were last told."""

    name: str
    state: AlarmState
    at: AwareDatetime
    event_id: str
    told: AlarmState | None = None
    """The last state that people were told; None if they never heard of it."""
    alarmed_at: AwareDatetime | None = None
    """Time of the last event that they were told as an alarm."""
    recovered_at: AwareDatetime | None = None
    """Time of the last event that they were told as a recovery."""
    suppressed: int = 0
    """Events counted instead of sent since people were last told."""


class AlarmRecord(Stored):
    """An event as it is kept, with what was decided."""

    event: AlarmEvent
    decision: Decision
    suppressed: int = 0
    """How many events before it were counted instead of sent."""

    @property
    def subject(self) -> str:
        """One line, plain ASCII, at most 100 characters: what SNS takes as an e-mail's subject."""
        words = {Decision.RECOVERED: "OK again"}.get(self.decision, self.event.state.value)
        text = f"{words}: {self.event.name}".encode("ascii", "replace").decode()
        return "".join(letter if letter.isprintable() else " " for letter in text)[:100]

    @property
    def text(self) -> str:
        """A few lines for people."""
        lines = [f"{self.event.name} is {self.event.state.value} since {self.event.at:%Y-%m-%d %H:%M:%S} UTC"]
        if self.event.name == UNPARSED:
            lines = [f"A message came that is no CloudWatch alarm ({self.event.problem})"]
        lines += [line for line in (self.event.description, self.event.reason) if line]
        if self.suppressed:
            lines.append(f"{self.suppressed} changes before this one were counted and not sent.")
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """The JSON that a webhook gets; ``text`` is what chat programs show."""
        return {
            "alarm": self.event.name,
            "state": self.event.state.value,
            "previous": self.event.previous,
            "decision": self.decision.value,
            "at": self.event.at.isoformat(),
            "reason": self.event.reason,
            "description": self.event.description,
            "region": self.event.region,
            "account": self.event.account,
            "suppressed": self.suppressed,
            "event_id": self.event.id,
            "text": f"{self.subject}\n{self.text}",
        }


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode("utf-8", "replace")).hexdigest()[:24]
