"""Figures of performance, and what they are compared with."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from headwater.declare import Metric
from headwater.values import Value

FEWEST_ROWS = 30
"""Labelled rows, below which no figure is given."""
FEWEST_OF_A_CLASS = 5
"""Labelled rows of each class, below which nothing is said of a ranking."""


class Figure(Value):
    """A metric over some rows, with its 95% interval, or why there is none."""

    metric: Metric
    value: float | None = None
    """None if it can't be told; `reason` says why."""
    low: float | None = None
    high: float | None = None
    rows: int = 0
    """Rows that it is of: the labelled ones if it is realised."""
    reason: str = ""
    """One line for people; empty if there is a value."""

    @property
    def width(self) -> float:
        """Length of the interval; 0 if there is none."""
        return 0.0 if self.low is None or self.high is None else self.high - self.low


Figures = Mapping[Metric, Figure]


class DayBaseline(Value):
    """How a metric was on single held-out days.

    A metric of one day isn't that of all days together: rows of one day differ less from each other. And days differ by
    more than chance.
    """

    value: float
    """Mean of the days, by random effects."""
    low: float
    high: float
    """95% interval of the mean."""
    spread: float = Field(ge=0)
    """Standard deviation between days, beyond what the sampling of rows explains."""
    days: int = Field(ge=1)


class Baseline(Value):
    """The metric of a figure on the held-out rows of the training."""

    value: float
    low: float | None = None
    high: float | None = None
    """95% interval; None in versions whose training didn't keep it."""
    rows: int = 0
    """Held-out rows; 0 if unknown."""
    day: DayBaseline | None = None
    """None if the examples have no time, or fewer than three of their days have the metric."""
