"""How much feedback there is, and what it says: never without its coverage, for volunteers aren't everybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import groupby

from headwater.monitoring.feedback.types import Feedback, Verdict, current
from headwater.monitoring.shares import wilson
from headwater.values import Value

"""The normal distribution's 97.5% quantile: intervals are of 95%."""


class FeedbackDay(Value):
    """The predictions of a day, or of several, on which somebody said something.

    A prediction counts once, whoever many said something of it: as right or wrong if its authors agree.
    """

    day: date | None
    """UTC, by the receipt of the predictions; None of several."""
    right: int
    wrong: int
    disputed: int
    """Predictions that some authors call right and others wrong."""
    corrected: int
    """Predictions with a correction."""
    share: float | None
    """Right ones among those right or wrong; None if there are none."""
    low: float | None
    high: float | None
    """Wilson's interval of 95% for the share, as if volunteers were drawn by chance, which they aren't."""
    predictions: int | None
    """All predictions, by the log; None if they weren't counted."""
    asked: int | None
    """Predictions that were answered with a token, by the metric ``FeedbackAsked``; None if that isn't known."""

    @property
    def rated(self) -> int:
        """Predictions with feedback."""
        return self.right + self.wrong + self.disputed

    @property
    def coverage(self) -> float | None:
        """Predictions with feedback, as a share of all predictions."""
        return self.rated / self.predictions if self.predictions else None

    @property
    def coverage_of_asked(self) -> float | None:
        """Predictions with feedback, as a share of those that were answered with a token."""
        return self.rated / self.asked if self.asked else None


class FeedbackSummary(Value):
    """Feedback on a model's predictions."""

    model: str
    since: date
    until: date
    """The last day, included."""
    whole: FeedbackDay
    days: tuple[FeedbackDay, ...]
    """Days with predictions or feedback, the oldest first."""


def summarise(
    model: str,
    since: date,
    until: date,
    history: Iterable[Feedback],
    predictions: Mapping[date, int] | None,
    asked: Mapping[date, int] | None,
) -> FeedbackSummary:
    """Count entries in the order of `FeedbackStore.entries` by day.

    Parameters
    ----------
    model : str
    since, until : date
        Both included.
    history : iterable of Feedback
        What authors said earlier and replaced doesn't count.
    predictions, asked : mapping of date to int, optional
        All predictions and those with a token; days without any may be left out.
    """
    counted: dict[date, list[int]] = {}
    for (day, _), entries in groupby(current(history), key=lambda one: (one.day, one.prediction_id)):
        opinions, corrected = set(), False
        for entry in entries:
            opinions.add(entry.verdict)
            corrected |= entry.corrected is not None
        counts = counted.setdefault(day, [0, 0, 0, 0])
        counts[2 if len(opinions) == 2 else 0 if Verdict.RIGHT in opinions else 1] += 1
        counts[3] += corrected
    days = sorted(
        counted.keys() | {day for day, count in (predictions or {}).items() if count and since <= day <= until}
    )
    rows = [_day(day, counted.get(day, [0, 0, 0, 0]), _of(predictions, day), _of(asked, day)) for day in days]
    sums = [sum(counts[place] for counts in counted.values()) for place in range(4)]
    whole = _day(
        None,
        sums,
        None if predictions is None else sum(row.predictions or 0 for row in rows),
        None if asked is None else sum(row.asked or 0 for row in rows),
    )
    return FeedbackSummary(model=model, since=since, until=until, whole=whole, days=tuple(rows))


def _of(counts: Mapping[date, int] | None, day: date) -> int | None:
    return None if counts is None else counts.get(day, 0)


def _day(day: date | None, counts: list[int], predictions: int | None, asked: int | None) -> FeedbackDay:
    right, wrong, disputed, corrected = counts
    interval = wilson(right / (right + wrong), right + wrong) if right + wrong else None
    return FeedbackDay(
        day=day,
        right=right,
        wrong=wrong,
        disputed=disputed,
        corrected=corrected,
        share=right / (right + wrong) if interval else None,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        predictions=predictions,
        asked=asked,
    )
