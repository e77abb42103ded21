"""Answers about performance, for commands and the client; each gives a pandas frame and a picture of itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime

from headwater.declare import Metric
from headwater.monitoring.labels.coverage import DelayPoint
from headwater.monitoring.performance.service import PerformanceReport
from headwater.monitoring.performance.types import Figure
from headwater.monitoring.pictures import MOST_BARS, axes, by_day, nothing
from headwater.monitoring.slices.types import ErrorAnalysis
from headwater.values import Value

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure as Drawing

By = Literal["day", "week"]


class JudgedStretch(Value):
    """How good a version was on a day, a week (Monday to Sunday, UTC) or all days of a question."""

    metric: Metric
    report: PerformanceReport
    running: bool = False
    """True if its last day isn't over."""

    @property
    def since(self) -> date:
        """First day that has predictions."""
        return self.report.since

    @property
    def until(self) -> date:
        """Last day that has some."""
        return self.report.until

    @property
    def predictions(self) -> int:
        """Predictions of the stretch."""
        return self.report.bias.predictions

    @property
    def coverage(self) -> float:
        """Share of them that is labelled."""
        return self.report.bias.coverage

    @property
    def realised(self) -> Figure:
        """The watched metric of what is labelled, or why there is none."""
        return self.report.bias.raw[self.metric]

    @property
    def estimated(self) -> Figure:
        """The watched metric as it is estimated without labels, or why it isn't."""
        return self.report.estimated.get(self.metric) or Figure(metric=self.metric, reason=self.report.reason)

    @property
    def verdict(self) -> str:
        """The outcome in words: by what is realised, or else by what is estimated."""
        realised, estimate = self.report.realised, self.report.estimate
        if realised is not None:
            return "worse than its limit" if realised.is_worse else "within its limit"
        why = self.realised.reason or "no figure of training to compare with"
        if estimate is None:
            return why
        return f"{why}; the estimate is {'worse than' if estimate.is_worse else 'within'} its limit"


class PerformanceAnswer(Value):
    """A version's performance, stretch by stretch and over all of them, as known at a moment."""

    model: str
    version: int
    metric: Metric
    """The figure that performance is judged by."""
    tolerance: float
    """How much worse than on the held-out rows it may be."""
    segment: str = ""
    by: By = "day"
    known: AwareDatetime | None = None
    """None: as known when it was asked."""
    stretches: tuple[JudgedStretch, ...]
    """Oldest first; those without predictions are left out."""
    whole: JudgedStretch
    delay: tuple[DelayPoint, ...] = ()
    """How many predictions of the whole had a label some time after its end."""
    delay_reason: str = ""
    """Why ``delay`` tells nothing (`headwater.monitoring.labels.coverage.why_no_delay`); empty if it tells something
    or wasn't asked for."""

    def frame(self) -> pandas.DataFrame:
        """A row a stretch: predictions, coverage, realised and estimated with their intervals, limits, verdict."""
        import pandas

        rows = []
        for one in self.stretches:
            report, realised, estimated = one.report, one.realised, one.estimated
            rows.append(
                {"since": one.since, "until": one.until, "predictions": one.predictions, "coverage": one.coverage,
                 "realised": realised.value, "realised_low": realised.low, "realised_high": realised.high,
                 "limit": report.realised.limit if report.realised else None,
                 "estimated": estimated.value, "estimated_low": estimated.low, "estimated_high": estimated.high,
                 "estimate_limit": report.estimate.limit if report.estimate else None,
                 "is_worse": report.is_worse, "verdict": one.verdict}
            )  # fmt: skip
        return pandas.DataFrame(rows, columns=_COLUMNS)

    def plot(self) -> Drawing:
        """Realised and estimated figures with their intervals, and the limits, by stretch; needs matplotlib."""
        what = f"{self.model}@{self.version}" + (f" {self.segment}" if self.segment else "")
        figure, canvas = axes(what, f"{self.by}, UTC", self.metric)
        frame = self.frame()
        known = frame[frame["realised"].notna() | frame["estimated"].notna()]
        if not len(known):
            nothing(canvas, "neither a label nor an estimate")
            return figure
        days = list(frame["since"])
        # Beside each other: two figures of one stretch would hide each other.
        apart = timedelta(days=0.06 * min(((b - a).days for a, b in pairwise(days)), default=1))
        for name, marker, colour, side in (("realised", "o", "tab:blue", -1), ("estimated", "x", "tab:green", 1)):
            some = frame[frame[name].notna()]
            if not len(some):
                continue
            around = [some[name] - some[f"{name}_low"], some[f"{name}_high"] - some[name]]
            at = [datetime(day.year, day.month, day.day, tzinfo=UTC) + side * apart for day in some["since"]]
            canvas.errorbar(at, some[name], yerr=around, fmt=marker, capsize=3, color=colour, label=name)
            limited = some[some[_LIMITS[name]].notna()]
            if len(limited):
                canvas.plot(limited["since"], limited[_LIMITS[name]], linestyle="--" if side < 0 else ":", color=colour,
                            marker="_", label=f"limit of {name}")  # fmt: skip
        by_day(canvas, days)
        canvas.legend()
        return figure


_LIMITS = {"realised": "limit", "estimated": "estimate_limit"}
_COLUMNS = [
    "since",
    "until",
    "predictions",
    "coverage",
    "realised",
    "realised_low",
    "realised_high",
    "limit",
    "estimated",
    "estimated_low",
    "estimated_high",
    "estimate_limit",
    "is_worse",
    "verdict",
]


class ErrorsAnswer(Value):
    """Slices of a version's labelled predictions that lose most, as known at a moment."""

    model: str
    version: int
    since: date
    until: date
    """First and last day, UTC, that were asked about."""
    loss: Literal["log loss", "squared error"]
    """A row's loss."""
    beside: int | None = None
    """The version whose predictions of the same days they are compared with."""
    known: AwareDatetime | None = None
    analysis: ErrorAnalysis

    def frame(self) -> pandas.DataFrame:
        """A row a slice: rows, loss, excess with its interval, shares, q, and what it was before."""
        import pandas

        rows = [
            {"slice": " and ".join(one.conditions), "rows": one.rows, "loss": one.loss, "excess": one.excess,
             "low": one.low, "high": one.high, "share_of_rows": one.share_of_rows, "share_of_loss": one.share_of_loss,
             "q": one.q, "before": one.before, "change": one.change, "is_new": one.is_new}
            for one in self.analysis.slices
        ]  # fmt: skip
        names = "slice rows loss excess low high share_of_rows share_of_loss q before change is_new"
        return pandas.DataFrame(rows, columns=names.split())

    def plot(self) -> Drawing:
        """How much more than other rows each slice loses, with its interval; needs matplotlib."""
        frame = self.frame().iloc[:MOST_BARS]
        title = f"{self.model}@{self.version}, {self.since} to {self.until}"
        figure, canvas = axes(title, f"excess {self.loss}", "", bars=len(frame))
        if not len(frame):
            nothing(canvas, "no slice loses more than chance gives")
            return figure
        around = [frame["excess"] - frame["low"], frame["high"] - frame["excess"]]
        canvas.errorbar(frame["excess"], range(len(frame)), xerr=around, fmt="o", capsize=3)
        canvas.axvline(0, linestyle="--", color="gray")
        canvas.set_yticks(range(len(frame)), list(frame["slice"]))
        canvas.set_ylim(len(frame) - 0.5, -0.5)
        return figure
