"""How a model is, in one document: the hourly look writes it, and commands, dashboards and the API read it."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import AwareDatetime

from headwater.declare import Metric
from headwater.monitoring.drift.standing import State
from headwater.monitoring.drift.verdicts import Finding
from headwater.values import Stored, Value


class Severity(StrEnum):
    """How soon a person should look."""

    NONE = "NONE"
    TICKET = "TICKET"
    """Somebody should look by daylight: requests have changed, or are broken."""
    PAGE = "PAGE"
    """Realised or estimated performance is worse than its limit."""


class PerformanceFigure(Value):
    """A figure of performance with its 95% interval, over a window of days."""

    metric: Metric
    value: float
    low: float
    high: float
    baseline: float
    """The figure on the held-out rows of the training."""
    limit: float
    """The baseline less the tolerance, and less what the baseline itself may be off by (more, where lower is better):
    an alarm goes off if the whole interval is worse."""
    is_worse: bool
    """True if the whole interval is worse than the limit (and that of ``adjusted``, if there is one)."""
    since: date
    until: date
    """First and last day of the window, both in it, by the predictions' ``as_of``."""
    rows: int
    """Predictions that the figure is of: the labelled ones if it is realised."""
    coverage: float = 1.0
    """Share of the window's predictions that are labelled; 1 if the figure is estimated."""
    adjusted: float | None = None
    """The figure as if all predictions of the window were labelled; None unless what is labelled differs from them.
    Then both figures must be worse than their limits."""
    adjusted_low: float | None = None
    adjusted_high: float | None = None


class Status(Stored):
    """How the version that serves is, by the last look."""

    model: str
    version: int
    at: AwareDatetime
    """When it was looked at."""
    state: State
    since: date | None = None
    """The day of the verdict that brought the state about."""
    severity: Severity = Severity.NONE
    reason: str = ""
    """One line for people: why the state is what it is."""
    day: date | None = None
    """The last day, UTC, that was judged; None if none was yet."""
    rows: int = 0
    """Predictions of that day."""
    score: float | None = None
    p: float | None = None
    findings: tuple[Finding, ...] = ()
    """The features that explain the last verdict, the strongest first."""
    realised: PerformanceFigure | None = None
    """None without labels, or with one class only."""
    estimated: PerformanceFigure | None = None
    """None if the version kept no estimator, or its estimates proved wrong."""
    notes: tuple[str, ...] = ()
    """Why a figure of performance is missing or old, a line each."""


def deciding(realised: PerformanceFigure | None, estimated: PerformanceFigure | None) -> PerformanceFigure | None:
    """The figure that says whether a model is worse: the realised one, and only without it the estimate."""
    return realised or estimated


def severity_of(
    state: State, realised: PerformanceFigure | None = None, estimated: PerformanceFigure | None = None
) -> Severity:
    """How soon a person should look: performance alone makes a page of it, and drift alone never does."""
    figure = deciding(realised, estimated)
    if figure is not None and figure.is_worse:
        return Severity.PAGE
    return Severity.TICKET if state is State.ALARM else Severity.NONE
