"""How many predictions of a window have a label, since when, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from headwater.values import Value

HORIZONS = tuple(timedelta(hours=hours) for hours in (1, 6, 24, 48, 72, 168, 336, 720))
"""Times after the end of a window at which the delay curve is drawn: 1 and 6 hours, 1, 2, 3, 7, 14 and 30 days."""


class DelayPoint(Value):
    """A point of the delay curve."""

    after: timedelta
    """Time after the window's end."""
    known: datetime
    labelled: int
    """Predictions that had a label by then."""


class Coverage(Value):
    """Labels of the predictions of a window, as known at a moment."""

    model: str
    since: datetime
    until: datetime
    known: datetime
    predictions: int
    labelled: int
    sources: Mapping[str, int]
    """Labelled predictions by where the label is from."""
    classes: Mapping[str, int]
    """Labelled predictions by label, of a classifier."""
    waiting: int
    """Predictions whose example in the lake has no label yet."""
    ambiguous: int
    """Predictions with several examples whose labels differ."""
    invalid: int
    """Predictions whose example's label is none that the model can have."""
    conflicts: int
    """Labelled predictions of which two sources say different things."""
    corrected: int
    """Labelled predictions with more than one written label."""
    early: int
    """Written labels that were observed before the moment that was asked about; they don't count."""
    unmatched: int
    """Written labels received in the window whose prediction isn't known."""
    expired: int
    """Unmatched labels that have waited longer than labels wait."""
    deleted: int
    """Batches of labels that somebody deleted."""
    delay: tuple[DelayPoint, ...]

    @property
    def share(self) -> float | None:
        """Share of the predictions that have a label; None without predictions."""
        return self.labelled / self.predictions if self.predictions else None


class WrittenLabel(Value):
    """One written label as its history shows it."""

    prediction_id: str | None
    keys: str | None
    as_of: datetime | None
    value: float
    observed_at: datetime | None
    received_at: datetime
    source: str
    write_id: str | None
    counts: bool
    """Whether no later one of the same prediction takes its place."""
