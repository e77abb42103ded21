"""Alarms, their groups and notifications, as the registry keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field

from headwater.alarms.events import AlarmEvent, AlarmState
from headwater.values import Stored, Value


class Decision(StrEnum):
    """The decision about an event."""

    NOTIFIED = "NOTIFIED"
    """Format 1 only: people were told of an alarm at once."""
    RECOVERED = "RECOVERED"
    """Format 1 only: people were told that an alarm was over."""
    SUPPRESSED = "SUPPRESSED"
    """Format 1 only: people knew already."""
    OUTDATED = "OUTDATED"
    """A later change of the same alarm came first."""
    RECORDED = "RECORDED"
    """The event counts; the alarm's groups decide who hears of it."""


class AlarmRecord(Stored):
    """An event as it is kept, with what was decided."""

    event: AlarmEvent
    decision: Decision
    suppressed: int = 0
    """Format 1 only: events before this one that were counted instead of sent."""


class Instance(Stored):
    """An alarm within a group: the newest that is known of it."""

    fingerprint: str
    labels: Mapping[str, str]
    state: AlarmState
    is_firing: bool
    since: AwareDatetime
    """When it began to fire, or was over."""
    at: AwareDatetime
    """Time of the newest event."""
    event_id: str
    reason: str = ""
    description: str = ""
    runbook: str = ""
    ends_at: AwareDatetime | None = None
    """When it is over unless it is told again."""
    is_message: bool = False
    """True for a message that is told once and has no end."""

    @property
    def name(self) -> str:
        """The alarm's name."""
        return self.labels.get("alarmname", "")

    def fires(self, now: datetime) -> bool:
        """True if the alarm fires at ``now``."""
        return self.is_firing and (self.ends_at is None or now < self.ends_at)


class GroupStatus(StrEnum):
    """The state of a group."""

    PENDING = "PENDING"
    """Its alarms wait to be told: the route's `group_wait`."""
    OPEN = "OPEN"
    ACKED = "ACKED"
    """Somebody is at it: not told again until a new alarm comes, or the time is up."""
    SNOOZED = "SNOOZED"
    """Nobody wants to hear of it for a while, unless a new alarm comes."""
    CLOSED = "CLOSED"
    """Nothing fires."""

    @property
    def is_quiet(self) -> bool:
        """Whether a person asked for quiet."""
        return self in {GroupStatus.ACKED, GroupStatus.SNOOZED}


class ChainStep(Value):
    """A step of an escalation, as it was declared when the group was opened."""

    after: timedelta
    receivers: tuple[str, ...]


class Group(Stored):
    """Alarms that take the same route and share the labels it groups by; people hear of them together."""

    id: str
    route: str
    """Id of the route."""
    labels: Mapping[str, str]
    generation: int = 0
    """Raised by each change."""
    status: GroupStatus = GroupStatus.PENDING
    by: str = ""
    """The person who acknowledged, snoozed or closed it last."""
    until: AwareDatetime | None = None
    """Until when it is ACKED or SNOOZED."""
    note: str = ""
    told: tuple[str, ...] = ()
    """Fingerprints of alarms that people believe to fire."""
    notified_at: AwareDatetime | None = None
    notified_generation: int | None = None
    """Generation of the newest notification."""
    flushed_at: AwareDatetime | None = None
    """When its alarms were looked at last."""
    opened_at: AwareDatetime | None = None
    """When people were first told since it was closed."""
    recovered_at: AwareDatetime | None = None
    """When a recovery was last told."""
    in_digest: bool = False
    """Whether people heard of it in the digest of a storm."""
    acked_at: AwareDatetime | None = None
    reminded_at: AwareDatetime | None = None
    """When people were last reminded of the acknowledgement."""
    chain: tuple[ChainStep, ...] = ()
    """Steps of the escalation, its repetitions among them."""
    chain_next: int = 0
    """Place of the next step."""
    chain_at: AwareDatetime | None = None
    """When the next step is due; None: nothing is waited for."""
    escalated_to: tuple[str, ...] = ()
    """Receivers that steps told since the group was opened: they hear of the end too."""
    heard: Mapping[str, int] = Field(default_factory=dict)
    """The newest generation that each receiver was told of."""


class Kind(StrEnum):
    """Why people are told."""

    FIRING = "FIRING"
    """Alarms fire that people don't know of."""
    UPDATED = "UPDATED"
    """Some of the alarms are over."""
    REMINDER = "REMINDER"
    """Nothing changed for the route's `repeat_interval`, or a mute or an acknowledgement ran out."""
    ESCALATED = "ESCALATED"
    """Nobody acknowledged it in time."""
    RECOVERED = "RECOVERED"
    """All alarms are over."""
    TEST = "TEST"
    """Somebody tries the receiver."""


class AlarmLine(Value):
    """An alarm in a notification."""

    labels: Mapping[str, str]
    state: AlarmState
    since: AwareDatetime
    reason: str = ""
    description: str = ""
    runbook: str = ""
    fingerprint: str

    @property
    def name(self) -> str:
        """The alarm's name."""
        return self.labels.get("alarmname", "")


class Notice(Value):
    """The content of a notification: the same for every receiver."""

    group: str
    generation: int
    kind: Kind
    labels: Mapping[str, str]
    """The group's."""
    firing: int
    """How many alarms fire."""
    resolved: int
    """How many are over since people were last told."""
    lines: tuple[AlarmLine, ...] = ()
    """The first of them, those that fire first."""
    note: str = ""
    """Why people are told now, if the kind doesn't say."""
    at: AwareDatetime
    opened_at: AwareDatetime | None = None
    ack_url: str = Field(default="", exclude=True)
    """Where to acknowledge the group; made when it is sent, and kept nowhere: whoever has it may acknowledge."""


class DeliveryStatus(StrEnum):
    """The state of a notification to one receiver."""

    PENDING = "PENDING"
    SENDING = "SENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    """Given up; the fallback receiver, if there is one, was told instead."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens."""
        return self in {DeliveryStatus.SENT, DeliveryStatus.FAILED}


class Notification(Stored):
    """A notice on its way to one receiver."""

    notice: Notice
    receiver: str
    status: DeliveryStatus = DeliveryStatus.PENDING
    version: int = 0
    """Raised by each change."""
    previous: int | None = None
    """Generation of the group's notification before: receivers hear of a group in order."""
    attempts: int = 0
    next_at: AwareDatetime | None = None
    """Before when nobody else tries to send it."""
    problem: str = ""
    reference: str = ""
    """The receiver's id of what it was sent, such as a message's."""
    instead_of: tuple[str, ...] = ()
    """Receivers that couldn't be told."""

    @property
    def key(self) -> str:
        """Idempotency key: the same for every try."""
        return f"{self.notice.group}-{self.notice.generation}-{self.receiver}"
