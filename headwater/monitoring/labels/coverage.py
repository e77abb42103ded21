"""How many predictions of a window have a label, since when, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    delay_reason: str = ""
    """Why ``delay`` tells nothing (`why_no_delay`); empty if it tells something."""

    @property
    def share(self) -> float | None:
        """Share of the predictions that have a label; None without predictions."""
        return self.labelled / self.predictions if self.predictions else None


def why_no_delay(delay: Sequence[DelayPoint], labelled: int, until: datetime, known: datetime) -> str:
    """Why a delay curve tells nothing, for people; empty if it tells something.

    When a label was first seen is when a written one was received, or when the commit was made that brought a row of
    the lake. Data that is loaded in one go later has no other time: it would be guessed.

    Parameters
    ----------
    delay : sequence of DelayPoint
    labelled : int
        Predictions of the window that have a label by now.
    until, known : datetime
        The window's end, and the moment as of which is asked.
    """
    if any(point.labelled for point in delay) or not labelled:
        return ""
    if not delay:
        return f"{known:%Y-%m-%d %H:%M} UTC is less than an hour after the window's end, {until:%Y-%m-%d %H:%M} UTC"
    days = delay[-1].after / timedelta(days=1)
    within = f"{days:g} days" if days > 1 else f"{days * 24:g} hours"
    return (
        f"no label was known within {within} after {until:%Y-%m-%d %H:%M} UTC: the labels were written, or the data "
        "that holds them was committed, later. When each could have been seen first isn't in it"
    )


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
