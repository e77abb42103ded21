"""Errors of the feature store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

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


class InvalidRows(InvalidRequest):
    """Streamed rows can't be taken; `problems` has an entry for each, of which the message shows twenty."""

    def __init__(self, view: str, problems: Sequence[Problem]) -> None:
        shown = "; ".join(map(str, problems[:20]))
        more = f"; and {len(problems) - 20} more" if len(problems) > 20 else ""
        super().__init__(f"feature view {view!r}: {shown}{more}")
        self.problems = tuple(problems)

    def by_row(self) -> list[dict[str, str]]:
        """The first problem of each row, for whoever sent them; clipped, so that an answer can hold all rows'."""
        first: dict[str, Problem] = {}
        for problem in self.problems:
            first.setdefault(problem.field.partition(".")[0], problem)
        return [{name: text[:200] for name, text in asdict(problem).items()} for problem in first.values()]


class InvalidView(InvalidRequest):
    """A feature view's SQL fails, or yields something else than its declaration says."""


class InvalidExamples(InvalidRequest):
    """A model's examples can't be used: a column is missing, a value impossible, a class absent."""


class InvalidEntityRows(InvalidRequest):
    """Rows that features were asked for can't be looked up: no table, no keys, no times, or of the wrong types."""


class NeedsSpark(Refused):
    """A view's rows for a data version aren't kept yet, and Spark is to compute them."""


class WaitsForSpark(NeedsSpark):
    """Spark is computing the rows: the same call succeeds once Spark has finished."""


class SparkFailed(Refused):
    """Spark couldn't compute a view's rows."""


class UnknownFeature(NotFound):
    """A feature that was asked for isn't declared."""


class OnlineStoreBusy(HeadwaterError):
    """DynamoDB kept throttling after all retries; nothing is lost, the same call may be made again."""

    http_status = 503


class ItemTooLarge(InvalidRequest):
    """An entity's online item would exceed DynamoDB's limit of 400 KB."""

    def __init__(self, key: str, size: int, said: str) -> None:
        super().__init__(
            f"online item {key[:200]!r}: with another value of {size:,} bytes it would be too large ({said}); declare "
            "fewer features in views with these join keys, or join keys in another order for some of the views"
        )
        self.key = key


class UnknownView(NotFound):
    """No feature view of that name was ever materialised."""


class UnknownViewVersion(NotFound):
    """The feature view was never declared like that."""


class DefinitionChanged(Refused):
    """This version of Headwater gives a stored definition another meaning, so the definition can't be used."""


class NeverMaterialised(NotFound):
    """The feature view is declared, but nothing was computed of it yet."""


class NothingToCompare(NotFound):
    """The feature view has but one materialisation."""


class OnlineDiffers(HeadwaterError):
    """Online values differ from the offline rows."""


class MaterialisationStuck(HeadwaterError):
    """A view can't be materialised shard by shard: no execution starts, or the shards lack rows."""
