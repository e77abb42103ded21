"""How a model is watched: the figure that counts, the segments beside the whole, and how labels find predictions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headwater.declare.base import Declaration, Name
from headwater.declare.training import Metric

MOST_SEGMENTS = 8
"""Columns by which a model's predictions are counted apart."""


class Monitoring(Declaration):
    """How a model is watched. Every field has a default: a model is watched without a word."""

    segments: tuple[Name | str, ...] = Field(default=(), max_length=MOST_SEGMENTS)
    """Request inputs and features (``view.feature``) that are categories. Predictions are counted by each one's 31 most
    frequent values in training, and all others together."""
    metric: Metric | None = None
    """The figure that performance is judged by; by default that of the first gate."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """How much worse than on the held-out rows the figure may be, in its own unit, before an alarm goes off."""
    labelled_by: tuple[Name, ...] = ()
    """Request inputs whose values say which example is a prediction's outcome; by default all of them."""
