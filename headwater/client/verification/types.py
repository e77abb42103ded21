"""The report of a verification: a line for each check, the costs, and the records that stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict

from headwater.errors import HeadwaterError, Refused
from headwater.storage.clients import Clients

if TYPE_CHECKING:
    from headwater.client.ingestions import SentFile
    from headwater.client.models import ModelCard
    from headwater.client.predictions import Predictions
    from headwater.client.stack import Stack
    from headwater.lake.types import Ingestion
    from headwater.verification.rows import Sample


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class CheckResult(BaseModel):
    """One line of the table."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    outcome: Outcome
    seconds: float
    detail: str
    """The observation, or why the check failed or was skipped."""


class CostLine(BaseModel):
    """The highest cost of one kind of use."""

    model_config = ConfigDict(frozen=True)

    what: str
    amount: float
    unit: str
    dollars: float


class Report(BaseModel):
    """The outcome of a verification."""

    model_config = ConfigDict(frozen=True)

    id: str
    stack: str
    account: str
    region: str
    started_at: AwareDatetime
    seconds: float
    results: tuple[CheckResult, ...]
    costs: tuple[CostLine, ...]
    prices: str
    """Where the prices come from and of when they are."""
    kept: bool
    """Whether what was put into the stack was left there; the next verification removes it."""
    stays: tuple[str, ...]
    """Records that aren't removed, and why."""

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The checks that failed, in order."""
        return tuple(result for result in self.results if result.outcome is Outcome.FAILED)

    @property
    def dollars(self) -> float:
        """The highest cost of the whole verification."""
        return sum(line.dollars for line in self.costs)


class VerificationRunning(Refused):
    """Another verification of the stack is under way."""


class NoVerification(Refused):
    """The stack was deployed without the product that a verification needs."""


class CheckFailed(HeadwaterError):
    """Something isn't as it has to be; the message says what was expected and what was found."""


class NotApplicable(HeadwaterError):
    """The stack, or this machine, hasn't what the check is about."""


class Stage(Protocol):
    """Where a check says what it is doing."""

    def update(self, detail: str) -> None:
        """Say what it is doing, or did."""


@dataclass
class Work:
    """Values that the checks of one verification share: later checks read the results of earlier ones."""

    stack: Stack
    """A client that knows the verification's product and no other."""
    sample: Sample
    started_at: datetime
    tell: Callable[[str], None] = lambda _: None
    """Says what is going on within a check."""
    ingestions: list[Ingestion] = field(default_factory=list)
    sent: list[SentFile] = field(default_factory=list)
    account: str = ""
    training: str = ""
    """The run's id."""
    card: ModelCard | None = None
    answer: Predictions | None = None
    """The API's answer to the first prediction."""
    used: dict[str, float] = field(default_factory=dict)
    """Counted amounts, by unit (`headwater.client.verification.costs`)."""

    @property
    def clients(self) -> Clients:
        """The clients that count the calls that cost money."""
        return self.stack.clients

    def use(self, unit: str, amount: float) -> None:
        """Count what costs money."""
        self.used[unit] = self.used.get(unit, 0) + amount


@dataclass(frozen=True)
class Check:
    """One thing that has to hold.

    Attributes
    ----------
    name : str
        As other checks and machines name it.
    title : str
        As people read it, at most 24 characters.
    run : callable
        Looks, and says in a few words what it saw. Whatever it raises means that the check failed, but for
        `NotApplicable`.
    needs : tuple of str
        Checks without which this one can't say anything.
    """

    name: str
    title: str
    run: Callable[[Work], str]
    needs: tuple[str, ...] = ()
