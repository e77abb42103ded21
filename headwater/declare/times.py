"""When something runs again, and for how long a value stands."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from headwater.declare.base import Declaration


class Schedule(Declaration):
    """When something runs again, in EventBridge Scheduler's words: ``rate(7 days)`` or ``cron(0 6 ? * MON *)``."""

    expression: Annotated[
        str, StringConstraints(pattern=r"^(rate\([1-9]\d* (minute|minutes|hour|hours|day|days)\)|cron\([^)]+\))$")
    ]
    """EventBridge Scheduler's ``rate(...)`` or ``cron(...)``; cron takes six fields."""
    timezone: str = "UTC"
    """IANA time zone that a cron expression is read in."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.expression.startswith("cron(") and len(self.expression[5:-1].split()) != 6:
            raise ValueError(
                f"schedule {self.expression!r}: cron takes six fields (minute hour day month weekday year)"
            )
        return self
