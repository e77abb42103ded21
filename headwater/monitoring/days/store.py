"""Stored profiles in the predictions bucket, and which hours were counted in the registry table: all calls to AWS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from headwater.monitoring.days.types import PartDay, PartIndex, PartName, day_folder, index_prefix, profiles_prefix
from headwater.monitoring.log.types import hour_text
from headwater.storage.clients import Clients
from headwater.storage.objects import Bucket, ObjectGone
from headwater.storage.table import Item, Table

PREFIX = "WATCH#"
_COUNTED, _PROGRESS = "COUNTED#", "COUNTED"


class DayPart(NamedTuple):
    """A stored profile, as its key says: whose it is and which part it is of."""

    day: date
    version: int
    part: PartName
    key: str


class DayStore:
    """Stored profiles of days, in the predictions bucket and the registry table."""

    def __init__(self, bucket: str, table: Table, clients: Clients) -> None:
        self._bucket, self._table = Bucket(bucket, clients), table

    # -- profiles -----------------------------------------------------------------------------------------------

    def put(self, counted: PartDay) -> None:
        """Store what a part adds to a day; storing it again changes nothing."""
        self._bucket.put(key_of(counted), counted.packed(), ContentType="application/gzip")

    def read(self, parts: Sequence[DayPart]) -> Iterator[PartDay]:
        """The counts that parts add to their days, many read at once; one that is gone by now is left out."""
        for _, answer in self._bucket.read_all(parts, lambda one: one.key):
            yield PartDay.unpacked(answer.body)

    def list_days(self, model: str, since: date | None = None, until: date | None = None) -> Iterator[DayPart]:
        """The stored profiles of a model's days, both ends included, by day, version and part."""
        prefix = profiles_prefix(model)
        after = f"{prefix}{since.isoformat()}/" if since else prefix
        for entry in self._bucket.listed(prefix, after=after):
            found = _parse(entry["Key"], prefix)
            if found is None:
                continue
            if until is not None and found.day > until:
                return
            yield found

    def list_day(self, model: str, day: date, version: int | None = None) -> list[DayPart]:
        """The stored profiles of one day, of one version or of all."""
        prefix = profiles_prefix(model)
        found = (_parse(one["Key"], prefix) for one in self._bucket.listed(day_folder(model, day, version)))
        return [one for one in found if one is not None]

    def folders(self, model: str) -> list[date]:
        """The days that have stored profiles, oldest first; parts that no longer count may be all that a day has."""
        return [date.fromisoformat(folder) for folder in self._bucket.folders(profiles_prefix(model))]

    # -- indexes of parts ---------------------------------------------------------------------------------------

    def put_index(self, index: PartIndex) -> None:
        """Store which days a part has, before its counts or behind them."""
        part = PartName(index.received, index.part)
        self._bucket.put(f"{index_prefix(index.model)}{part.text}.json", index.model_dump_json().encode())

    def index(self, model: str, part: PartName) -> PartIndex | None:
        """Which days a part has; None if nobody began to count it."""
        try:
            return PartIndex.model_validate_json(self._bucket.read(f"{index_prefix(model)}{part.text}.json"))
        except ObjectGone:
            return None

    def indexed(self, model: str, hour: datetime | None = None) -> set[PartName]:
        """The parts that somebody began to count, of one hour or of all."""
        folder = index_prefix(model)
        listed = self._bucket.listed(index_prefix(model, hour))
        names = (entry["Key"][len(folder) :].removesuffix(".json") for entry in listed)
        return {part for part in map(PartName.parse, names) if part is not None}

    def remove(self, model: str, part: PartName) -> None:
        """Remove all that was stored of a part, every version of it: its rows may be of somebody who is forgotten."""
        index = self.index(model, part)
        if index is not None:
            keys = [f"{day_folder(model, day, version)}{part.text}.json.gz" for day, version, _ in index.days]
            for key in keys:
                self._bucket.forget(key)
        # The index is the last to go, and says until then what there is.
        self._bucket.forget(f"{index_prefix(model)}{part.text}.json")

    # -- what was counted ---------------------------------------------------------------------------------------

    def counted(self, model: str, since: datetime, until: datetime) -> dict[datetime, int]:
        """The revision at which each hour was counted, of hours from ``since`` to before ``until``."""
        first, last = f"{_COUNTED}{hour_text(since)}", f"{_COUNTED}{hour_text(until)}"
        found = {}
        for item in self._table.query(PREFIX + model, _COUNTED, after=_before(first)):
            if item["sk"] >= last:
                break
            found[datetime.fromisoformat(f"{item['sk'].removeprefix(_COUNTED)}:00+00:00")] = int(item["revision"])
        return found

    def note_counted(self, model: str, hour: datetime, revision: int) -> bool:
        """Note that an hour was counted as of a revision; False if a later one was."""
        item: Item = {"pk": PREFIX + model, "sk": f"{_COUNTED}{hour_text(hour)}", "revision": revision}
        absent_or_older = "attribute_not_exists(pk) OR #revision <= :known"
        return self._table.write(self._table.put(item, only_if=absent_or_older, known=revision))

    def looked(self, model: str) -> date | None:
        """The last day on which all hours were looked at."""
        item = self._table.get(PREFIX + model, _PROGRESS)
        return date.fromisoformat(item["day"]) if item else None

    def note_looked(self, model: str, day: date) -> None:
        """Note that all hours were looked at."""
        item = {"pk": PREFIX + model, "sk": _PROGRESS, "day": day.isoformat()}
        earlier = "attribute_not_exists(pk) OR #day <= :day"
        self._table.write(self._table.put(item, only_if=earlier, day=day.isoformat()))


def key_of(counted: PartDay) -> str:
    """The key of a stored profile in the predictions bucket."""
    part = PartName(counted.received.astimezone(UTC), counted.part)
    return f"{day_folder(counted.model, counted.day, counted.version)}{part.text}.json.gz"


def _parse(key: str, prefix: str) -> DayPart | None:
    pieces = key[len(prefix) :].split("/")
    part = PartName.parse(pieces[-1].removesuffix(".json.gz"))
    try:
        version = int(pieces[1].removeprefix("v"))
        return DayPart(date.fromisoformat(pieces[0]), version, part, key) if part and len(pieces) == 3 else None
    except (ValueError, IndexError):
        return None


def _before(sk: str) -> str:
    """A sort key just before ``sk``: what is asked for comes after it."""
    return sk[:-1] + chr(ord(sk[-1]) - 1) + "\U0010fffe"
