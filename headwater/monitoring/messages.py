"""Bodies of the API's routes about how a model is."""

from __future__ import annotations

# Pydantic reads no other TypedDict before Python 3.12.
from typing_extensions import TypedDict


class MonitorFinding(TypedDict):
    """A feature that explains a verdict."""

    feature: str
    """Column of the model; ``(scores)`` are its predictions."""
    channel: str
    """Kind of the distance: missing, unseen, infinite, frozen, range or shape."""
    value: float
    """How far the feature is from its reference; a share but for shape, which is in bits."""
    usual: list[float]
    """Range of 95% of the reference windows."""


class DriftDay(TypedDict):
    """A day beside the days of the training."""

    day: str
    """Day, UTC, by the predictions' ``as_of``."""
    rows: int
    """Predictions of the day."""
    outcome: str
    """COLLECTING, CLEAN, SUSPICIOUS or EXTREME."""
    score: float | None
    """Largest tail score of the features: -log10 of a probability."""
    p: float | None
    """Probability that a usual day is as unusual; null if it couldn't be judged."""
    state: str
    """COLLECTING, NORMAL, SUSPECT or ALARM: what the verdicts up to this day make."""
    running: bool
    """True of the day that isn't over."""
    reason: str
    """The verdict in words."""
    findings: list[MonitorFinding]
    """Features that explain the verdict, the strongest first."""


class DriftAnswer(TypedDict):
    """Days of a version's predictions, oldest first."""

    model: str
    """Name of the model."""
    version: int
    """Number of the version."""
    segment: str
    """The segment, such as ``carrier=UA``; empty: all predictions."""
    days: list[DriftDay]
    """The days that have predictions."""


class QualityShare(TypedDict):
    """A share of one column on one day."""

    day: str
    """Day, UTC."""
    feature: str
    """Column of the model; ``(scores)`` are its predictions."""
    channel: str
    """The rows that are counted: missing, unseen, infinite, frozen or range."""
    rows: int
    """Predictions of the day."""
    value: float
    """The share."""
    usual: list[float] | None
    """Range of 95% of the reference windows; null without any."""


class QualityAnswer(TypedDict):
    """Shares of missing, unseen, infinite, frozen and outside values."""

    model: str
    """Name of the model."""
    version: int
    """Number of the version."""
    shares: list[QualityShare]
    """By day, column and channel."""


class MetricFigure(TypedDict):
    """A metric with its 95% interval."""

    metric: str
    """Name of the metric."""
    value: float | None
    """The figure; null if it can't be told."""
    low: float | None
    """Lower end of the interval."""
    high: float | None
    """Upper end of the interval."""
    reason: str
    """Why there is no value; empty if there is one."""


class PerformanceStretch(TypedDict):
    """How good a version was on some days."""

    since: str
    """First day, UTC."""
    until: str
    """Last day."""
    running: bool
    """True if the last day isn't over."""
    predictions: int
    """Predictions of these days."""
    coverage: float
    """Share of them that is labelled."""
    realised: MetricFigure
    """The watched metric of what is labelled."""
    limit: float | None
    """The limit of the realised figure; null without a figure to compare with."""
    estimated: MetricFigure
    """The watched metric as it is estimated without labels."""
    estimate_limit: float | None
    """The limit of the estimate."""
    is_worse: bool
    """True if the realised figure, or without one the estimate, is worse than its limit."""
    verdict: str
    """The outcome in words."""


class ModelPerformance(TypedDict):
    """A version's performance by day and over all of them."""

    model: str
    """Name of the model."""
    version: int
    """Number of the version."""
    segment: str
    """The segment, such as ``carrier=UA``; empty: all predictions."""
    metric: str
    """The watched metric."""
    tolerance: float
    """How much worse than on the held-out rows it may be."""
    days: list[PerformanceStretch]
    """The days that have predictions, oldest first."""
    whole: PerformanceStretch
    """All of them together."""
    realised: list[MetricFigure]
    """All metrics of what is labelled."""
    adjusted: list[MetricFigure]
    """All metrics as if all predictions were labelled."""
    estimated: list[MetricFigure]
    """All metrics as they are estimated; empty if there is no estimate."""


class StatusAnswer(TypedDict):
    """How a model is by the last hourly look."""

    model: str
    """Name of the model."""
    version: int | None
    """The version that serves; null if the model was never looked at, as all that follows is."""
    at: str | None
    """When it was looked at, ISO 8601, UTC."""
    state: str | None
    """COLLECTING, NORMAL, SUSPECT or ALARM."""
    since: str | None
    """The day whose verdict brought the state about."""
    severity: str | None
    """NONE, TICKET or PAGE: how soon a person should look."""
    reason: str
    """Why the state is what it is."""
    day: str | None
    """The last day that was judged, UTC."""
    rows: int
    """Predictions of that day."""
    p: float | None
    """Probability that a usual day is as unusual."""
    findings: list[MonitorFinding]
    """Features that explain the last verdict, the strongest first."""
