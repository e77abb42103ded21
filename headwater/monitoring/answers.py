"""Answers about how models are, for commands and the client; each gives a pandas frame and a picture of itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime

from headwater.monitoring.drift.channels import Channel
from headwater.monitoring.drift.explaining import Histogram, Share
from headwater.monitoring.drift.judging import SUSPECT_LIMIT
from headwater.monitoring.drift.standing import State
from headwater.monitoring.drift.verdicts import Finding, Outcome, Verdict
from headwater.monitoring.pictures import MOST_BARS, axes, by_day, nothing, pairs
from headwater.monitoring.status import Status
from headwater.monitoring.watch.types import JudgedDay, Stood
from headwater.values import Value

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


_MOST_LINES = 10
_UNUSUAL = (Outcome.SUSPICIOUS, Outcome.EXTREME)


class WatchedDay(Value):
    """A window of a version's predictions, beside its reference."""

    day: date
    """UTC; the last one of the window."""
    verdict: Verdict
    state: State
    """The state that the verdicts so far make, of those that are shown."""
    running: bool = False
    """True of a day that isn't over: its hours differ from whole days', so that its verdict is no more than a look."""
    lasts: bool = False
    """True if the days up to this one are too unusual together, whatever each is alone."""


class Watched(Value):
    """A version's days, oldest first."""

    model: str
    version: int
    segment: str = ""
    horizon: int = 1
    days: tuple[WatchedDay, ...]

    @property
    def state(self) -> State:
        """The state after the last day."""
        return self.days[-1].state if self.days else State.COLLECTING

    def frame(self) -> pandas.DataFrame:
        """A row a day: day, rows, outcome, score, p, state, reason."""
        return _frame(
            [
                {"day": one.day, "rows": one.verdict.rows, "outcome": one.verdict.outcome.value,
                 "score": one.verdict.score, "p": one.verdict.p, "state": one.state.value,
                 "reason": one.verdict.reason}
                for one in self.days
            ],
            ["day", "rows", "outcome", "score", "p", "state", "reason"],
        )  # fmt: skip

    def plot(self) -> Figure:
        """-log10 p by day with its limit; needs matplotlib."""
        return _plot_p([(one.day, one.verdict) for one in self.days], f"{self.model}@{self.version}")


class ModelStatus(Value):
    """How a model is, and the days that led there."""

    model: str
    status: Status | None
    """None if it was never looked at."""
    days: tuple[JudgedDay, ...] = ()
    stood: tuple[Stood, ...] = ()
    importance: Mapping[str, float] = {}
    """Importance of each column of the version that serves, as its training measured it."""

    def frame(self) -> pandas.DataFrame:
        """A row a judged day: day, rows, outcome, score, p, state, said_at, restated."""
        return _frame(
            [
                {"day": one.day, "rows": one.counts.verdict.rows, "outcome": one.counts.verdict.outcome.value,
                 "score": one.counts.verdict.score, "p": one.counts.verdict.p, "state": after.state.value,
                 "said_at": one.counts.at, "restated": one.is_restated}
                for one, after in zip(self.days, self.stood, strict=True)
            ],
            ["day", "rows", "outcome", "score", "p", "state", "said_at", "restated"],
        )  # fmt: skip

    def plot(self) -> Figure:
        """-log10 p by day with its limit; needs matplotlib."""
        return _plot_p([(one.day, one.counts.verdict) for one in self.days], self.model)


class ColumnQuality(Value):
    """Shares of one column on one day."""

    day: date
    feature: str
    rows: int
    shares: Mapping[Channel, Share]

    @property
    def is_unusual(self) -> bool:
        """Whether a share lies above its usual range."""
        return any(share.usual is not None and share.value > share.usual[1] for share in self.shares.values())


class Quality(Value):
    """Missing, unseen, infinite, frozen and outside values by day and column."""

    model: str
    version: int
    columns: tuple[ColumnQuality, ...]

    def frame(self) -> pandas.DataFrame:
        """A row for each day, feature and channel: value, usual_low, usual_high."""
        rows = [
            {"day": one.day, "feature": one.feature, "channel": channel.value, "rows": one.rows, "value": share.value,
             "usual_low": share.usual[0] if share.usual else None,
             "usual_high": share.usual[1] if share.usual else None}
            for one in self.columns
            for channel, share in one.shares.items()
        ]  # fmt: skip
        return _frame(rows, ["day", "feature", "channel", "rows", "value", "usual_low", "usual_high"])

    def plot(self) -> Figure:
        """The shares that were most above their usual ranges, by day; needs matplotlib."""
        figure, canvas = axes(f"{self.model}@{self.version}: quality", "day, UTC", "share above usual")
        lines: dict[str, list[tuple[date, float]]] = {}
        for one in self.columns:
            for channel, share in one.shares.items():
                if share.usual is not None:
                    excess = max(share.value - share.usual[1], 0.0)
                    lines.setdefault(f"{one.feature} {channel.value}", []).append((one.day, excess))
        most = {name: max(value for _, value in points) for name, points in lines.items()}
        shown = sorted((name for name in lines if most[name] > 0), key=lambda name: -most[name])[:_MOST_LINES]
        for name in shown:
            canvas.plot([day for day, _ in lines[name]], [value for _, value in lines[name]], marker=".", label=name)
        if not shown:
            nothing(canvas, "no share was above its usual range" if self.columns else "no predictions")
            return figure
        by_day(canvas, [one.day for one in self.columns])
        canvas.legend()
        return figure


class SegmentShare(Value):
    """A segment of the predictions beside its own earlier days."""

    segment: str
    rows: int
    share: float
    """Share of the window's predictions."""
    before: float | None
    """The same of the days before; None without any."""
    verdict: Verdict
    """On the segment's last day, beside its own earlier days. No alarm comes from it."""


class Segments(Value):
    """All declared segments of a stretch of days."""

    model: str
    version: int
    since: date
    until: date
    segments: tuple[SegmentShare, ...]

    def frame(self) -> pandas.DataFrame:
        """A row a segment: rows, share, before, outcome, score, p."""
        return _frame(
            [
                {"segment": one.segment, "rows": one.rows, "share": one.share, "before": one.before,
                 "outcome": one.verdict.outcome.value, "score": one.verdict.score, "p": one.verdict.p}
                for one in self.segments
            ],
            ["segment", "rows", "share", "before", "outcome", "score", "p"],
        )  # fmt: skip

    def plot(self) -> Figure:
        """Shares now and before of the largest segments; needs matplotlib."""
        shown = sorted(self.segments, key=lambda one: -one.share)[:MOST_BARS]
        figure, canvas = axes(f"{self.model}@{self.version}: segments", "share", "", bars=len(shown))
        if not shown:
            nothing(canvas, "no predictions of a declared segment")
            return figure
        pairs(canvas, [one.segment for one in shown], [one.share for one in shown], [one.before for one in shown],
              "before")  # fmt: skip
        return figure


class FeatureExplained(Value):
    """How one feature of a day is beside its reference."""

    feature: str
    importance: float | None
    findings: tuple[Finding, ...]
    """Its distances, by channel: those that decide."""
    shares: Mapping[Channel, Share]
    histogram: Histogram | None = None

    @property
    def score(self) -> float:
        """The largest score of its channels."""
        return max((one.score for one in self.findings), default=0.0)


class Explanation(Value):
    """A day, feature by feature, the most unusual first."""

    model: str
    version: int
    day: date
    verdict: Verdict
    hours: Mapping[int, int]
    """Predictions by the hour of ``as_of``, UTC."""
    features: tuple[FeatureExplained, ...]

    def frame(self) -> pandas.DataFrame:
        """A row for each feature and channel that has a distance: value, usual_low, usual_high, score, importance."""
        return _frame(
            [
                {"feature": one.feature, "channel": found.channel.value, "value": found.value,
                 "usual_low": found.usual[0], "usual_high": found.usual[1], "score": found.score,
                 "importance": one.importance}
                for one in self.features
                for found in one.findings
            ],
            ["feature", "channel", "value", "usual_low", "usual_high", "score", "importance"],
        )  # fmt: skip

    def plot(self) -> Figure:
        """One feature's histogram, or all features' scores; needs matplotlib."""
        first = self.features[0] if self.features else None
        if first is None or first.histogram is None:
            shown = self.features[:MOST_BARS]
            title = f"{self.model}@{self.version}, {self.day}"
            figure, canvas = axes(title, "score, -log10 of the probability", "", bars=len(shown))
            canvas.barh([one.feature for one in shown], [one.score for one in shown], 0.6)
            canvas.invert_yaxis()
            return figure
        bars = first.histogram.bars
        figure, canvas = axes(f"{first.feature}, {self.day}", "share of the values", "", bars=len(bars))
        pairs(canvas, [bar.label for bar in bars], [bar.now for bar in bars], [bar.usual for bar in bars], "reference")
        return figure


class ReplayedDay(Value):
    """A day as it was judged then, and as today's rules judge it."""

    day: date
    said: Verdict | None
    """The verdict that counted; None if nobody judged the day."""
    said_at: AwareDatetime | None
    then: State | None
    verdict: Verdict
    now: State


class Replay(Value):
    """History, judged anew."""

    model: str
    version: int
    days: tuple[ReplayedDay, ...]

    @property
    def alarms_then(self) -> int:
        """How often an alarm began."""
        return _beginnings([one.then for one in self.days if one.then is not None])

    @property
    def alarms_now(self) -> int:
        """How often one would have begun by today's rules."""
        return _beginnings([one.now for one in self.days])

    def frame(self) -> pandas.DataFrame:
        """A row a day: what was said and what is said now."""
        return _frame(
            [
                {"day": one.day, "rows": one.verdict.rows,
                 "said": one.said.outcome.value if one.said else None, "said_p": one.said.p if one.said else None,
                 "then": one.then.value if one.then else None, "outcome": one.verdict.outcome.value,
                 "p": one.verdict.p, "now": one.now.value}
                for one in self.days
            ],
            ["day", "rows", "said", "said_p", "then", "outcome", "p", "now"],
        )  # fmt: skip

    def plot(self) -> Figure:
        """-log10 p by today's rules with its limit; needs matplotlib."""
        return _plot_p([(one.day, one.verdict) for one in self.days], f"{self.model}@{self.version}, replayed")


def _beginnings(states: list[State]) -> int:
    return sum(
        state is State.ALARM and before is not State.ALARM
        for before, state in zip([None, *states], states, strict=False)
    )


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pandas.DataFrame:
    import pandas

    return pandas.DataFrame(rows, columns=columns)


def _plot_p(points: list[tuple[date, Verdict]], title: str) -> Figure:
    """-log10 p by day: above the limit what is too unusual, in red what a verdict calls so (a line: by its quality)."""
    import math

    figure, canvas = axes(title, "day, UTC", "-log10 p")
    # A day without a p-value is a gap and no line.
    heights = [math.nan if verdict.p is None else -math.log10(verdict.p) for _, verdict in points]
    bad = [place for place, (_, verdict) in enumerate(points) if verdict.outcome in _UNUSUAL]
    if all(map(math.isnan, heights)) and not bad:
        nothing(canvas, "no day was judged beside its reference")
        return figure
    days = [day for day, _ in points]
    canvas.plot(days, heights, marker=".")
    canvas.axhline(-math.log10(SUSPECT_LIMIT), linestyle="--", color="gray", label=f"limit, p = {SUSPECT_LIMIT:.3f}")
    if ranked := [place for place in bad if not math.isnan(heights[place])]:
        canvas.plot([days[place] for place in ranked], [heights[place] for place in ranked], "o", color="tab:red",
                    label="unusual")  # fmt: skip
    for place in set(bad) - set(ranked):
        canvas.axvline(days[place], color="tab:red", alpha=0.4)
    by_day(canvas, days)
    canvas.legend()
    return figure
