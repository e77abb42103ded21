"""What can go wrong with features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headwater.errors import HeadwaterError, InvalidRequest, NotFound, Refused


@dataclass(frozen=True, slots=True)
class Problem:
    """One request input that can't be used."""

    field: str
    given: str
    expected: str

    def __str__(self) -> str:
        return f"{self.field}: {self.given}, expected {self.expected}"


class InvalidInput(InvalidRequest):
    """Request inputs are missing, unknown, of another type or out of range; `problems` has an entry for each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class InvalidView(InvalidRequest):
    """A feature view's SQL fails, or yields something else than its declaration says."""


class InvalidEntityRows(InvalidRequest):
    """Rows that features were asked for can't be looked up: no table, no keys, no times, or of the wrong types."""


class NeedsSpark(Refused):
    """A view's rows for a data version aren't kept yet, and Spark is to compute them."""


class UnknownFeature(NotFound):
    """A feature that was asked for isn't declared."""


class OnlineStoreBusy(HeadwaterError):
    """DynamoDB kept throttling after all retries; nothing is lost, the same call may be made again."""

    http_status = 503
