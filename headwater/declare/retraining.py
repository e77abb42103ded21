"""When a model learns again by itself: the reasons that count, what holds it back, and what it may spend."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from headwater.declare.base import Declaration, refuse_repeats
from headwater.declare.times import Duration

Reason = Literal["schedule", "upload", "drift", "performance", "labels"]
LONGEST_WAIT = timedelta(days=90)
MOST_WINDOWS = 30


class Retraining(Declaration):
    """When a model is trained again by itself, and what holds that back.

    By default only `Model.retrain`'s ticks are a reason: nothing else starts a training.
    """

    reasons: tuple[Reason, ...] = ("schedule",)
    """``schedule``: a tick of `Model.retrain`; ``upload``: a source or a view that it learns from has new rows;
    ``drift``: its alarm says that requests have changed; ``performance``: its alarm says that it is worse than its
    limit; ``labels``: seven more days of its predictions have their labels."""
    debounce: Duration = timedelta(hours=1)  # type: ignore[assignment]
    """How long a reason other than the schedule is waited on, so that uploads that belong together are one training."""
    cool_down: Duration = timedelta(days=1)  # type: ignore[assignment]
    """How long after a training no reason other than the schedule starts one. A challenger that is rejected, or a
    training that fails, doubles it, up to eight times; a promotion sets it back."""
    runs: Annotated[int, Field(ge=1, le=500)] = 30
    """Most trainings by this policy within 30 days."""
    dollars: Annotated[FiniteFloat, Field(gt=0)] | None = None
    """Most that these may cost within 30 days, by AWS's list prices and the times that they took; None: no limit."""
    block_on_quality: bool = True
    """Whether nothing is trained while the monitor finds values missing, unseen or stuck: garbage would be learnt."""
    clean_days: Annotated[int, Field(ge=0, le=MOST_WINDOWS)] = 2
    """Days of predictions without such a finding, the last ones, before it is trained again."""
    least_labels: Annotated[int, Field(ge=1)] = 500
    """Labelled predictions, of the last seven days that have any, below which ``drift``, ``performance`` and ``labels``
    train nothing: what has changed couldn't be learnt yet."""
    matured: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Share of these predictions that must be labelled, likewise."""
    worse: Annotated[int, Field(ge=1, le=MOST_WINDOWS)] = 2
    """For ``performance``: how many of the last `windows` windows must be worse than the limit."""
    windows: Annotated[int, Field(ge=1, le=MOST_WINDOWS)] = 3
    """Windows, each of which ends a day after the one before, that `worse` is counted in."""
    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.01
    """How much worse than the champion a challenger may be on the held-out rows: in ROC AUC, or for a regression as a
    share of the champion's mean squared error."""
    segment_tolerance: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The same for each of the values of `Monitoring.segments` alone."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_repeats("retraining: reasons", self.reasons)
        if self.worse > self.windows:
            raise ValueError(
                f"retraining: worse={self.worse} of windows={self.windows} can't be: give windows at least"
            )
        for name in ("debounce", "cool_down"):
            if (given := getattr(self, name)) > LONGEST_WAIT:
                raise ValueError(f"retraining: {name} is {given}, the longest is {LONGEST_WAIT.days} days")
        return self

    @property
    def by_alarm(self) -> bool:
        """Whether an alarm of the model may be a reason."""
        return bool({"drift", "performance"} & set(self.reasons))
