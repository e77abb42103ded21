"""How a model learns and is judged: examples, search, holdout and gates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from headwater.declare.base import Declaration, Name
from headwater.declare.times import OptionalDuration


class Examples(Declaration):
    """The rows a model learns from: one for each request that could have come."""

    sources: tuple[Name, ...] = Field(min_length=1)
    """The sources that ``sql`` reads, a table each."""
    sql: str
    """Over the sources' curated rows, yields a column for each request input and entity key, the label, and
    ``asked_at`` (timestamp, UTC: when the request would have come) if the model has features or is split by time."""
    label: Name
    """The column that the model learns to predict."""
    positive: str = ""
    """For a classifier, what label 1 means, in words."""


class Uniform(Declaration):
    """A number between ``low`` and ``high``, searched on a log scale if ``log``."""

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    log: bool = False
    """Whether the search is even on a logarithmic scale; needs ``low`` above 0."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"search range {self.low} to {self.high}: low must be below high")
        if self.log and self.low <= 0:
            raise ValueError(f"search range {self.low} to {self.high}: a log scale needs low above 0")
        return self


class Integers(Declaration):
    """A whole number from ``low`` to ``high``, both included."""

    low: int
    """Smallest value."""
    high: int
    """Largest value."""
    log: bool = False
    """Whether the search is even on a logarithmic scale; needs ``low`` of at least 1."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high or (self.log and self.low < 1):
            raise ValueError(f"search range {self.low} to {self.high}: low must not be above high, nor below 1 if log")
        return self


class Choice(Declaration):
    """One of ``values``."""

    values: tuple[str | int | float | bool, ...] = Field(min_length=1)
    """The values to choose among."""


def _kind_of(given: Any) -> str | None:
    # A kept range names no kind. The numbers of `Uniform` are kept with a point, whole ones too: 8.0 is no 8.
    if isinstance(given, Declaration):
        return type(given).__name__
    if not isinstance(given, Mapping):
        return None
    if "values" in given:
        return Choice.__name__
    is_whole = all(type(given.get(name)) is int for name in ("low", "high"))
    return Integers.__name__ if is_whole else Uniform.__name__


Range = Annotated[
    Annotated[Uniform, Tag("Uniform")] | Annotated[Integers, Tag("Integers")] | Annotated[Choice, Tag("Choice")],
    Discriminator(
        _kind_of,
        custom_error_type="not_a_range",
        custom_error_message="a parameter's range is a Uniform, an Integers or a Choice",
    ),
]


class Search(Declaration):
    """A hyperparameter search: ``trials`` fits, judged on the last part of the training rows."""

    space: Mapping[str, Range] = Field(default_factory=dict)
    """Parameter name to its range; the train function gets a value for each in ``params``."""
    trials: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many parameter sets are tried."""
    seed: int = 0
    """Seed of the search: the same seed tries the same parameters."""


class Holdout(Declaration):
    """Which examples are kept back to judge the model: the latest ones, or without time a fixed random share."""

    last: OptionalDuration = None  # type: ignore[assignment]
    """Examples asked within this time before the newest one; later than all training rows."""
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of rows, the latest if the examples carry ``asked_at``, else drawn by a hash of the row's position."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.last is None) == (self.share is None):
            raise ValueError("holdout: give exactly one of last and share")
        return self


Metric = Literal["roc_auc", "average_precision", "log_loss", "brier", "accuracy", "rmse", "mae", "r2"]
LOWER_IS_BETTER: frozenset[str] = frozenset({"log_loss", "brier", "rmse", "mae"})
CLASSIFICATION_METRICS: frozenset[str] = frozenset({"roc_auc", "average_precision", "log_loss", "brier", "accuracy"})


class Gate(Declaration):
    """A limit that a candidate must meet on the held-out rows before it is registered as READY."""

    metric: Metric
    """The metric that is judged."""
    at_least: float | None = None
    """Smallest value that passes."""
    at_most: float | None = None
    """Largest value that passes."""
    champion_margin: float | None = None
    """How much worse a candidate may be than the champion (the version behind ``production``) on the same rows."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.at_least is None and self.at_most is None and self.champion_margin is None:
            raise ValueError(f"gate on {self.metric}: give at_least, at_most or champion_margin")
        return self
