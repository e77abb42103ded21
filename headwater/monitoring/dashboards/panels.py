"""The one list of panels: dashboards of CloudWatch and Grafana and the guide in each follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from headwater.monitoring.dashboards import families
from headwater.monitoring.dashboards.families import Family

NAMESPACE = "Headwater"
"""Namespace of the stack's metrics in CloudWatch (`headwater.handlers.observability.NAMESPACE`)."""
SELECTED = '{model=~"$model"}'
"""Series of the models that are chosen on a dashboard of Grafana."""
HOUR = 3600
DAY = 24 * HOUR


class Unit(StrEnum):
    """Kind of a panel's numbers."""

    NUMBER = "number"
    SHARE = "share"
    """0 to 1, shown in percent."""
    PROBABILITY = "probability"
    """0 to 1, shown as it is."""
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    STATE = "state"
    SEVERITY = "severity"
    YES_NO = "yes or no"


@dataclass(frozen=True)
class Query:
    """A query of Prometheus."""

    expression: str
    legend: str
    """With Grafana's places for labels, ``{{model}}``."""


@dataclass(frozen=True)
class Metric:
    """A metric of CloudWatch, by the model and the Powertools service that writes it."""

    name: str
    statistic: str
    service: str = "monitoring"
    period: int = HOUR
    """Seconds; what the hourly look writes has one value an hour."""
    label: str = ""
    """Name of the line; by default the metric's."""


@dataclass(frozen=True)
class Panel:
    """One panel: what it shows, and where its numbers come from."""

    title: str
    help: str
    """A line on what it tells, and what to do about it."""
    unit: Unit = Unit.NUMBER
    prometheus: tuple[Query, ...] = ()
    """Empty: Prometheus doesn't know these numbers."""
    cloudwatch: tuple[Metric, ...] = ()
    """Empty: no metric of CloudWatch is spent on it."""
    limit: float | None = None
    """A line across the panel: beyond it a person should look."""


def _latest(family: Family, legend: str, *labels: str) -> Query:
    # A status is told again at each scrape, but a backfill has one value a day: the interval between two points of the
    # picture always holds it.
    selector = ",".join(('model=~"$model"', *labels))
    return Query(f"last_over_time({family.name}{{{selector}}}[$__rate_interval])", legend)


def _figures(kind: str) -> tuple[Query, ...]:
    parts = {
        "": families.PERFORMANCE,
        " low": families.PERFORMANCE_LOW,
        " high": families.PERFORMANCE_HIGH,
        " baseline": families.PERFORMANCE_BASELINE,
        " limit": families.PERFORMANCE_LIMIT,
    }
    legend = "{{model}}@{{version}} {{metric}}"
    return tuple(_latest(family, legend + words, f'kind="{kind}"') for words, family in parts.items())


PANELS = (
    Panel(
        title="State",
        help="COLLECTING knows too little; ALARM is two bad days of three, or one extreme one. "
        "`headwater monitor status` says why.",
        unit=Unit.STATE,
        prometheus=(_latest(families.STATE, "{{model}}@{{version}}"),),
        cloudwatch=(Metric("ModelState", "Maximum"),),
    ),
    Panel(
        title="Alarm",
        help="1 while somebody should look, by TICKET or PAGE: the one alarm that a model has.",
        unit=Unit.YES_NO,
        prometheus=(_latest(families.ALARM, "{{model}}@{{version}}"),),
        cloudwatch=(Metric("ModelAlarm", "Maximum"),),
    ),
    Panel(
        title="Severity",
        help="TICKET: look by daylight. PAGE: performance, realised or estimated, is worse than its limit.",
        unit=Unit.SEVERITY,
        prometheus=(_latest(families.SEVERITY, "{{model}}@{{version}}"),),
    ),
    Panel(
        title="Drift, p-value",
        help="How probable a day as unusual is if nothing changed; suspicious from 1/30 on down. "
        "`headwater monitor drift`.",
        unit=Unit.PROBABILITY,
        prometheus=(_latest(families.DRIFT_P, "{{model}}@{{version}}"),),
        cloudwatch=(Metric("DriftP", "Minimum"),),
        limit=1 / 30,
    ),
    Panel(
        title="Drift, score",
        help="The largest tail score of any feature; it has no upper end, so it tells bad from worse.",
        prometheus=(_latest(families.DRIFT_SCORE, "{{model}}@{{version}}"),),
    ),
    Panel(
        title="Features that explain it",
        help="Tail scores of the features that the last verdict names, by channel. Nothing while days are clean.",
        prometheus=(_latest(families.FEATURE_SCORE, "{{model}}: {{feature}} {{channel}}"),),
    ),
    Panel(
        title="Performance, realised",
        help="The model's figure on labelled predictions, with its 95% interval, baseline and limit. "
        "`headwater monitor performance`.",
        prometheus=_figures("realised"),
        cloudwatch=(Metric("Performance", "Average"),),
    ),
    Panel(
        title="Performance, estimated",
        help="The same figure estimated from scores, before labels are there; hidden once it proved wrong.",
        prometheus=_figures("estimated"),
        cloudwatch=(Metric("PerformanceEstimated", "Average"),),
    ),
    Panel(
        title="Label coverage",
        help="Share of the window's predictions that are labelled: how much the realised figure is worth.",
        unit=Unit.SHARE,
        prometheus=(_latest(families.LABEL_COVERAGE, "{{model}}@{{version}}"),),
        cloudwatch=(Metric("LabelCoverage", "Average"),),
    ),
    Panel(
        title="Predictions",
        help="Prometheus: of the last judged day. CloudWatch: as they are answered.",
        prometheus=(_latest(families.PREDICTIONS, "{{model}}@{{version}}"),),
        cloudwatch=(Metric("Predictions", "Sum", "serving"),),
    ),
    Panel(
        title="Missing features",
        help="Features that had no value when they were looked up for a prediction.",
        cloudwatch=(Metric("MissingFeatures", "Sum", "serving"),),
    ),
    Panel(
        title="Latency",
        help="Time that a prediction took in the function.",
        unit=Unit.MILLISECONDS,
        cloudwatch=tuple(Metric("Latency", f"p{share}", "serving", 300, f"p{share}") for share in (50, 95, 99)),
    ),
    Panel(
        title="Age of the last look",
        help="Each model is looked at every hour; after three the alert HeadwaterNoLook goes off.",
        unit=Unit.SECONDS,
        prometheus=(Query(f"time() - {families.LOOK.name}{SELECTED}", "{{model}}@{{version}}"),),
        limit=3 * HOUR,
    ),
    Panel(
        title="Status can't be read",
        help="1 for a model whose status another version of Headwater wrote, or that is damaged: nothing else is told.",
        unit=Unit.YES_NO,
        prometheus=(_latest(families.UNREADABLE, "{{model}}"),),
    ),
    Panel(
        title="Age of the last judged day",
        help="Time since the end of the last day that was judged: less than about a day while there is traffic.",
        unit=Unit.SECONDS,
        prometheus=(Query(f"time() - {families.WINDOW_END.name}{SELECTED}", "{{model}}@{{version}}"),),
        limit=2 * DAY,
    ),
)
"""All panels, in the order in which they are read."""
