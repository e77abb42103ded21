"""Slices of predictions that lose more than the others."""

from __future__ import annotations

from pydantic import Field

from headwater.values import Value


class Slice(Value):
    """Rows that lose more than all others."""

    conditions: tuple[str, ...]
    """One or two, such as ``carrier=UA`` and ``18 <= hour < 20``."""
    rows: int
    loss: float
    """Mean loss of a row: log loss of a classifier, squared error of a regression."""
    excess: float
    """How much more than the mean of all other rows."""
    low: float
    high: float
    """95% interval of the excess."""
    share_of_rows: float = Field(ge=0, le=1)
    share_of_loss: float
    """Share of the loss of all rows."""
    q: float = Field(ge=0, le=1)
    """Share of slices as extreme that would be chance (Benjamini and Hochberg)."""
    before: float | None = None
    """Excess of the same slice in what it is compared with, as the last version or the held-out rows; None without or
    with fewer than 50 rows there."""
    change: float | None = None
    """How much the excess grew."""
    is_new: bool | None = None
    """True if it grew by more than chance: at 95%, of all slices that were found."""


class ErrorAnalysis(Value):
    """Slices, those that lose most above the mean first."""

    rows: int
    loss: float | None
    """Mean loss of all rows; None without rows."""
    searched: int = 0
    """Slices that were looked at."""
    slices: tuple[Slice, ...] = ()
    reason: str = ""
    """Why nothing was searched; empty if something was."""
