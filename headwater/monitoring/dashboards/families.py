"""Metric families: which numbers of a model's status are told to Prometheus, by which names and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.monitoring.status import PerformanceFigure, Status

PREFIX = "headwater_"
MOST_FINDINGS = 16
"""Features of a verdict that become series of their own; the strongest ones come first."""
STATES = ("COLLECTING", "NORMAL", "SUSPECT", "ALARM")
"""States by their number."""
SEVERITIES = ("NONE", "TICKET", "PAGE")
"""Severities by their number."""
KINDS = ("realised", "estimated")
"""A figure of performance is of labelled predictions, or estimated without labels."""


@dataclass(frozen=True)
class Family:
    """A gauge and what it tells."""

    name: str
    help: str
    unit: str = ""
    """A unit of OpenMetrics, which the name then ends with."""


@dataclass(frozen=True)
class Measure:
    """One value of a family."""

    family: Family
    labels: tuple[tuple[str, str], ...]
    value: float


def _family(name: str, words: str, unit: str = "") -> Family:
    return Family(PREFIX + name, words, unit)


STATE = _family("model_state", "State of the model: " + ", ".join(f"{n} {name}" for n, name in enumerate(STATES)) + ".")
SEVERITY = _family(
    "model_severity",
    "How soon a person should look: " + ", ".join(f"{n} {name}" for n, name in enumerate(SEVERITIES)) + ".",
)
ALARM = _family("model_alarm", "1 while somebody should look: the model's severity is TICKET or PAGE; else 0.")
PREDICTIONS = _family("predictions", "Predictions of the last judged day.")
WINDOW_END = _family("window_end_timestamp_seconds", "End of the last judged day, Unix time.", "seconds")
LOOK = _family("look_timestamp_seconds", "When the model was last looked at, Unix time.", "seconds")
DRIFT_P = _family("drift_p", "Probability of a day at least as unusual as the last judged one, if nothing changed.")
DRIFT_SCORE = _family("drift_score", "Largest tail score, -log10 of a probability, of any feature on that day.")
FEATURE_SCORE = _family("feature_score", "Tail score of a feature that explains the last verdict.")
PERFORMANCE = _family("performance", "Figure of performance over its window of days.")
PERFORMANCE_LOW = _family("performance_low", "Lower end of the figure's 95% interval.")
PERFORMANCE_HIGH = _family("performance_high", "Upper end of the figure's 95% interval.")
PERFORMANCE_BASELINE = _family("performance_baseline", "The figure on the held-out rows of the training.")
PERFORMANCE_LIMIT = _family("performance_limit", "An alarm goes off if the whole interval is worse than this.")
UNREADABLE = _family(
    "status_unreadable", "1 if the model's status can't be read, so that nothing else is told of it; else 0."
)
LABEL_COVERAGE = _family("label_coverage", "Share of the window's predictions that are labelled, 0 to 1.")

FAMILIES = (
    STATE, SEVERITY, ALARM, PREDICTIONS, WINDOW_END, LOOK, DRIFT_P, DRIFT_SCORE, FEATURE_SCORE, PERFORMANCE,
    PERFORMANCE_LOW, PERFORMANCE_HIGH, PERFORMANCE_BASELINE, PERFORMANCE_LIMIT, LABEL_COVERAGE, UNREADABLE,
)  # fmt: skip
"""All families, in the order in which they are written."""


def is_alarming(status: Status) -> bool:
    """Whether the model's one alarm is on: while its severity isn't NONE."""
    return status.severity.value != "NONE"


def measures(status: Status) -> Iterator[Measure]:
    """The values of a status. What a status doesn't know isn't told: no value stands for it."""
    model = (("model", status.model), ("version", str(status.version)))

    def measure(family: Family, value: float, *labels: tuple[str, str]) -> Measure:
        return Measure(family, (*model, *labels), float(value))

    yield measure(STATE, STATES.index(status.state.value))
    yield measure(SEVERITY, SEVERITIES.index(status.severity.value))
    yield measure(ALARM, is_alarming(status))
    yield measure(LOOK, status.at.timestamp())
    if status.day is not None:
        end = datetime.combine(status.day + timedelta(days=1), time(), UTC)
        yield measure(PREDICTIONS, status.rows)
        yield measure(WINDOW_END, end.timestamp())
    if status.p is not None:
        yield measure(DRIFT_P, status.p)
    if status.score is not None:
        yield measure(DRIFT_SCORE, status.score)
    for feature, channel, score in _named(status):
        yield measure(FEATURE_SCORE, score, ("feature", feature), ("channel", channel))
    for kind, figure in zip(KINDS, (status.realised, status.estimated), strict=True):
        if figure is not None:
            labels = ("metric", figure.metric), ("kind", kind)
            for family, value in _parts(figure):
                yield measure(family, value, *labels)
    if status.realised is not None:
        yield measure(LABEL_COVERAGE, status.realised.coverage)
    yield readable(status.model)


def readable(model: str, is_readable: bool = True) -> Measure:
    """Whether the model's status could be read."""
    return Measure(UNREADABLE, (("model", model),), float(not is_readable))


def _named(status: Status) -> Iterator[tuple[str, str, float]]:
    # A feature and channel are a series, of which there may be one: the strongest finding is the first.
    strongest: dict[tuple[str, str], float] = {}
    for finding in status.findings:
        strongest.setdefault((finding.feature, finding.channel.value), finding.score)
    for (feature, channel), score in list(strongest.items())[:MOST_FINDINGS]:
        yield feature, channel, score


def _parts(figure: PerformanceFigure) -> Iterator[tuple[Family, float]]:
    yield PERFORMANCE, figure.value
    yield PERFORMANCE_LOW, figure.low
    yield PERFORMANCE_HIGH, figure.high
    yield PERFORMANCE_BASELINE, figure.baseline
    yield PERFORMANCE_LIMIT, figure.limit
