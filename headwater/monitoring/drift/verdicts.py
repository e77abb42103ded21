"""The verdict on a window of a model's traffic, and the features that explain it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from headwater.monitoring.drift.channels import Channel
from headwater.values import Value

ALL = "all"
"""Name of the stratum of all windows."""


class Outcome(StrEnum):
    """Result of judging one window."""

    COLLECTING = "COLLECTING"
    """Too few rows, or too few reference windows: nothing is known."""
    CLEAN = "CLEAN"
    SUSPICIOUS = "SUSPICIOUS"
    EXTREME = "EXTREME"
    """Enough for an alarm by itself."""


class Finding(Value):
    """A feature that explains a verdict."""

    feature: str
    """A column, or `SCORES`."""
    channel: Channel
    value: float
    """A share; of shape the divergence beyond chance, in bits."""
    usual: tuple[float, float]
    """The 5% and the 95% quantile of the reference windows; of quality the least and the largest."""
    score: float
    """-log10 of the probability of such a value."""
    detail: str = ""
    """The value that it is stuck at, or the most frequent unseen word."""


class Verdict(Value):
    """Result of comparing one window with its reference, and the features that explain it."""

    outcome: Outcome
    reason: str
    rows: int
    windows: int
    """Reference windows."""
    stratum: str = ALL
    horizon: int = 1
    score: float | None = None
    p: float | None = None
    findings: tuple[Finding, ...] = ()
    """The features named, the strongest first; none if the window is quite usual (p above `NAMED_LIMIT`)."""
    scores: Mapping[str, float] = {}
    """The largest score of each feature."""
    unjudged: tuple[str, ...] = ()
    """Features with too few values, here or in the reference."""
    lasting_limit: float | None = None
    """Sum of surprises (`headwater.monitoring.drift.lasting`) above which days together are an alarm; None: there are
    too few reference windows, or windows of several days."""
