"""Values of the retraining policy: a model's state, who asked for what, and what was decided and why."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field

from headwater.values import Stored, Value

Kind = Literal["schedule", "upload", "drift", "performance", "labels", "person"]
"""Reasons to train; ``person``: somebody asked."""
AT_ONCE: tuple[Kind, ...] = ("schedule", "person")
"""Kinds that are answered at once: neither debounce nor cool-down holds them back."""
BY_ALARM: tuple[Kind, ...] = ("performance", "drift")
"""Kinds that a model's alarm stands for, the stronger one first."""


class Phase(StrEnum):
    """Where a model's policy stands."""

    IDLE = "IDLE"
    ARMED = "ARMED"
    """There is a reason, and it is waited on or blocked."""
    REQUESTED = "REQUESTED"
    """The training's key and its place in the budget are taken; it is about to be started."""
    RUNNING = "RUNNING"
    COOLDOWN = "COOLDOWN"


class Outcome(StrEnum):
    """The outcome of a training."""

    PROMOTED = "PROMOTED"
    STAGED = "STAGED"
    """Passed; a person decides whether it serves."""
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    """Nothing was heard of it for twice the usual time."""


class Armed(Value):
    """A reason to train that waits."""

    kind: Kind
    since: AwareDatetime
    why: str = ""
    """In words."""
    over_since: AwareDatetime | None = None
    """The first look of those that have found it no longer; None: the last look found it."""


class Ask(Value):
    """Somebody, or something, that gives a reason to train."""

    id: str = Field(min_length=1, max_length=300)
    """The same for the same event, however often it comes."""
    kind: Kind | Literal["alarm"]
    """``alarm``: the model's alarm fires; the monitor's status says which reason that is."""
    why: str = Field(default="", max_length=500)
    by: str = Field(default="", max_length=100)
    """The person, if one asked."""
    run: str = ""
    """Id that the run must have; empty: made of the key."""
    tick: str = ""
    """The tick's part of a run's input, JSON, if a schedule asks."""


class CurrentRun(Value):
    """A training that was requested and isn't over."""

    run_id: str
    key: str
    """Hash of the data's commits, the definition and the champion."""
    kind: Kind
    why: str = ""
    by: str = ""
    tick: str = ""
    data_version: str
    pinned: str
    """The data version itself, JSON: a start that is made up for later works on the same rows."""
    champion: int | None = None
    requested_at: AwareDatetime
    started_at: AwareDatetime | None = None
    expires_at: AwareDatetime


class Token(Value):
    """A training's place in the budget."""

    run_id: str
    at: AwareDatetime
    """When it was requested."""
    outcome: Outcome | None = None
    """None while it isn't over."""
    seconds: float | None = None
    dollars: float | None = None
    """As measured once it was over; None if nobody knows."""
    reason: str = ""
    """Why it was rejected or failed."""


class Pause(Value):
    """Nothing is started before ``until``."""

    by: str
    since: AwareDatetime
    until: AwareDatetime | None = None
    """None: until somebody resumes."""
    why: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether nothing is started at ``now``."""
        return self.until is None or now < self.until

    def __str__(self) -> str:
        until = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"paused by {self.by or 'somebody'}{until}{f': {self.why}' if self.why else ''}"


class Blocked(Value):
    """Why nothing is trained."""

    code: str
    """Short and stable: ``quality``, ``labels``, ``budget``, ..."""
    words: str
    """For people: one line."""


class RetrainState(Stored):
    """Where a model's policy stands; every change is one conditional write of it."""

    model: str
    revision: int = Field(default=0, ge=0)
    """Raised by each write."""
    phase: Phase = Phase.IDLE
    armed: tuple[Armed, ...] = ()
    """Reasons that wait, the oldest first; also while it cools down."""
    blocked: Blocked | None = None
    """The obstacle that held the reasons back at the last look."""
    run: CurrentRun | None = None
    tokens: tuple[Token, ...] = ()
    """Trainings of the last 30 days, the oldest first, and the last one whatever its age."""
    cool_until: AwareDatetime | None = None
    factor: int = Field(default=1, ge=1, le=8)
    """How many times longer than declared the cool-down is."""
    data_version: str | None = None
    """The data of the last training that was requested."""
    labels_until: date | None = None
    """The last day of the labelled window at that time."""
    pause: Pause | None = None

    @property
    def last(self) -> Token | None:
        """The newest training that is over."""
        return next((token for token in reversed(self.tokens) if token.outcome is not None), None)


class Verdict(StrEnum):
    """The fate of a reason, or of a training."""

    ARMED = "ARMED"
    BLOCKED = "BLOCKED"
    REFUSED = "REFUSED"
    DISARMED = "DISARMED"
    REQUESTED = "REQUESTED"
    PROMOTED = "PROMOTED"
    STAGED = "STAGED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    COOLED = "COOLED"
    PAUSED = "PAUSED"
    RESUMED = "RESUMED"


class Decision(Stored):
    """An entry of a model's log: what was decided, when, and why."""

    model: str
    at: AwareDatetime
    revision: int
    """The state's after it."""
    verdict: Verdict
    kind: Kind | None = None
    code: str = ""
    """`Blocked.code`, if something held it back."""
    words: str = ""
    run_id: str = ""
    ask_id: str = ""

    def __str__(self) -> str:
        run = f" {self.run_id}" if self.run_id else ""
        return f"{self.verdict.value}{run}: {self.words}" if self.words else f"{self.verdict.value}{run}"


class Standing(Value):
    """All that a decision depends on beside the policy's state, as it is now."""

    champion: int | None = None
    champion_run: str = ""
    champion_data: str | None = None
    """The data version that the champion learnt from, if it learnt by the definition that is deployed."""
    data_version: str | None = None
    no_data: str = ""
    """Why there is no data version."""
    pinned: str = ""
    """The data version, JSON: the training works on this one, whatever comes meanwhile."""
    key: str = ""
    key_run: str = ""
    """The training that was requested for the key before; empty if there was none."""
    key_failed: bool = False
    """Whether that one failed."""
    worse: str = ""
    """In words how the performance is worse than its limit; empty if it isn't, or nobody knows."""
    worse_windows: int = 0
    """How many of the policy's last windows are worse."""
    drifted: str = ""
    """In words how requests have changed."""
    quality: str = ""
    """In words what is broken in what comes in."""
    labelled: int = 0
    """Labelled predictions of the last days that have any."""
    coverage: float = 0.0
    labels_until: date | None = None
