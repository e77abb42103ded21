"""Values of compaction: what a part holds, what an hour's parts are, and how far a model's log is compacted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from pydantic import AwareDatetime

from headwater.serving.store import COMPACTED, QUARANTINED
from headwater.values import Stored, Value

HOUR = timedelta(hours=1)
LATE = (1, 2, 24, 7 * 24, 31 * 24)
"""Hours after its first compaction at which an hour is looked at again, for records that came late."""
SETTLED = 2
"""Hours after which an hour's late records are so rare that readers wait for the next look at it."""


def hour_of(moment: datetime) -> datetime:
    """The hour that a moment is in, UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hour_text(hour: datetime) -> str:
    """An hour as keys have it: ``2026-03-01T05``."""
    return f"{hour:%Y-%m-%dT%H}"


def parts_prefix(model: str, hour: datetime) -> str:
    """The folder of an hour's parts in the predictions bucket."""
    return f"{COMPACTED}{model}/hour={hour_text(hour)}/"


def quarantine_prefix(model: str, hour: str) -> str:
    """The folder of torn records of an hour (``2026-03-01T05``), or the beginning of a day's folders."""
    return f"{QUARANTINED}{model}/hour={hour}"


def part_name(ids: Iterable[str]) -> str:
    """The name of a part: the SHA-256 of the sorted request ids in it."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def digest_of(ids: Iterable[str]) -> int:
    """A sum over ids that doesn't depend on their order: the digests of disjoint sets add up to that of their union."""
    return sum(int.from_bytes(hashlib.sha256(one.encode()).digest(), "big") for one in ids) % 2**256


class Part(Value):
    """A Parquet file with some of an hour's records, one row for each of their instances."""

    name: str
    """The sha256 of the request ids in it."""
    records: int
    rows: int
    digest: str
    """`digest_of` the request ids, as hexadecimal digits."""


class CompactedHour(Value):
    """The parts that count of an hour. A part that isn't in here is a leftover, and nobody reads it."""

    model: str
    hour: AwareDatetime
    revision: int = 0
    """How often a part was added; 0 if there is none."""
    expected: int = 0
    """How many parts there are by the hour's own item: a query isn't one moment."""
    parts: tuple[Part, ...] = ()

    @property
    def rows(self) -> int:
        """Instances in all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def digest(self) -> int:
        """`digest_of` the request ids of all parts."""
        return sum(int(part.digest, 16) for part in self.parts) % 2**256

    def key(self, part: Part) -> str:
        """The key of a part in the predictions bucket."""
        return f"{parts_prefix(self.model, self.hour)}{part.name}.parquet"


class Progress(Stored):
    """How far a model's log is compacted."""

    model: str
    revision: int = 0
    through: AwareDatetime
    """The newest hour that was compacted for the first time, and with it every look at earlier ones that was due."""
    backlog: tuple[date, ...] = ()
    """Days from before the first compaction that weren't reached yet."""
    known: tuple[date, ...] = ()
    """Days whose folders were seen."""
    strays: tuple[date, ...] = ()
    """Days whose first record came more than a day late, as from a clock that is wrong: looked at each time."""

    def is_settled(self, hour: datetime) -> bool:
        """Whether the hour was compacted and looked at again, so that readers needn't list its records."""
        day = hour.date()
        return hour + SETTLED * HOUR <= self.through and day not in self.backlog and day not in self.strays

    def is_day_settled(self, day: date) -> bool:
        """Whether the records of the day whose keys have no hour were looked at after the day's end."""
        end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        return end <= self.through and day not in self.backlog and day not in self.strays
