"""Inputs of a prediction request, and what is computed from them as they come."""

from __future__ import annotations

from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from headwater.declare.base import Declaration, Name


class RequestInput(Declaration):
    """One value that a prediction request carries.

    A ``timestamp`` reaches the model as three numbers, ``<name>_hour`` (0 to 23.98), ``<name>_weekday`` (Monday 0) and
    ``<name>_month`` (1 to 12), in ``timezone``; see `headwater.features.inputs`. A ``number`` reaches it as what
    float32 makes of it, true as 1 and false as 0; what float32 can't hold is refused. A ``category`` is text, or a
    number or boolean that becomes text with all of its digits.
    """

    name: Name
    """The input's name in the request."""
    kind: Literal["number", "category", "timestamp"]
    """A number, text (``category``), or a time in ISO 8601."""
    description: str = ""
    """One line for people; the model card shows it."""
    required: bool = True
    """Whether a request without the input is refused; otherwise the value is missing."""
    minimum: float | None = None
    """Smallest number that a request may carry."""
    maximum: float | None = None
    """Largest number that a request may carry."""
    timezone: str = "UTC"
    """IANA time zone in which a timestamp's hour, weekday and month are read."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"request input {self.name!r}: unknown time zone {self.timezone!r}") from error
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The model's columns that this input becomes."""
        if self.kind == "timestamp":
            return (f"{self.name}_hour", f"{self.name}_weekday", f"{self.name}_month")
        return (self.name,)


class OnDemand(Declaration):
    """A feature that is computed from the request as it comes: a stage of the model's ONNX graph."""

    name: Name
    """The feature's name: its column in the train function's frame."""
    sql: str = Field(min_length=1, max_length=4096)
    """An expression over the model's columns (``distance``, ``sched_dep_hour``, ``view.feature``) and the on-demand
    features declared before it; the language is that of `headwater.training.expressions`."""
    description: str = ""
    """One line for people."""


def number(
    name: str,
    description: str = "",
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    required: bool = True,
) -> RequestInput:
    """A number that a request carries, refused below ``minimum`` and above ``maximum``."""
    return RequestInput(
        name=name, kind="number", description=description, minimum=minimum, maximum=maximum, required=required
    )


def category(name: str, description: str = "", *, required: bool = True) -> RequestInput:
    """A text that a request carries."""
    return RequestInput(name=name, kind="category", description=description, required=required)


def timestamp(name: str, description: str = "", *, timezone: str = "UTC", required: bool = True) -> RequestInput:
    """A time that a request carries; the model gets its hour, weekday and month in ``timezone``."""
    return RequestInput(name=name, kind="timestamp", description=description, timezone=timezone, required=required)
