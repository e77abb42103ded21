"""Parts and torn records in the predictions bucket, and which parts count in the registry table: all calls to AWS."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple

from headwater.monitoring.log.listing import Page, asked
from headwater.monitoring.log.types import CompactedHour, Part, Progress, hour_text, parts_prefix, quarantine_prefix
from headwater.serving.store import COMPACTED, PredictionStore
from headwater.serving.types import RECORD_FORMAT, day_prefix, hour_prefix
from headwater.storage.clients import Clients
from headwater.storage.http.connection import connection
from headwater.storage.objects import Bucket
from headwater.storage.table import Item, Table, WriteRefused

PREFIX = "COMPACT#"
_HOUR, _PROGRESS = "HOUR#", "PROGRESS"
_TRIES = 5


class Listed(NamedTuple):
    """A record's object as S3 lists it."""

    key: str
    etag: str

    @property
    def torn_name(self) -> str:
        """Its name in quarantine: another one if the object, or the format that we can read, changes."""
        return hashlib.sha256(f"{self.key}\n{self.etag}\n{RECORD_FORMAT}".encode()).hexdigest()


class Contended(Exception):
    """Another compaction added a part to the same hour; what it did has to be read first."""


class CompactionStore:
    """The prediction log's parts, in the predictions bucket and the registry table."""

    def __init__(self, bucket: str, table: Table, clients: Clients) -> None:
        self.bucket, self._table = bucket, table
        self.log = PredictionStore(bucket, clients)
        self._objects, self._s3, self._wire = Bucket(bucket, clients), clients("s3"), connection("s3", clients)

    # -- the log ------------------------------------------------------------------------------------------------

    def hours(self, model: str, day: date) -> list[datetime]:
        """The hours of a day that have records of their own, oldest first."""
        folders = [name.rpartition("hour=")[2] for name in self._objects.folders(day_prefix(model, day))]
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return sorted(start + timedelta(hours=int(hour)) for hour in folders if hour.isdigit() and int(hour) < 24)

    def of_hour(self, model: str, hour: datetime) -> Iterator[Listed]:
        """The records of an hour, by key."""
        return self._listed(hour_prefix(model, hour))

    def of_day(self, model: str, day: date) -> Iterator[Listed]:
        """The records of a day whose keys have no hour, by key: those of an earlier version of Headwater."""
        return self._listed(day_prefix(model, day), "/")

    def bodies(self, records: Iterable[Listed]) -> Iterator[tuple[Listed, bytes]]:
        """The bytes of records, many read at once; one that is gone by now is left out."""
        for one, answer in self._objects.read_all(records, lambda one: one.key):
            yield one._replace(etag=answer.headers.get("etag", one.etag).strip('"')), answer.body

    def _listed(self, prefix: str, delimiter: str = "") -> Iterator[Listed]:
        token = ""
        while True:
            query = asked(prefix, delimiter, token)
            answer = self._wire.request("ListObjectsV2", "GET", self.bucket, query=query)
            found, token = Page.read(answer.body.decode(), prefix)
            yield from starmap(Listed, found)
            if not token:
                return

    # -- quarantine ---------------------------------------------------------------------------------------------

    def torn(self, model: str, hour: str) -> set[str]:
        """The `Listed.torn_name` of what lies in quarantine of an hour (``2026-03-01T05``) or a whole day."""
        return {Path(entry["Key"]).stem for entry in self._objects.listed(quarantine_prefix(model, hour))}

    def quarantine(self, model: str, hour: datetime, record: Listed, document: Mapping[str, Any]) -> None:
        """Keep a torn record with its reason; keeping it again changes nothing."""
        self._s3.put_object(
            Bucket=self.bucket,
            Key=f"{quarantine_prefix(model, hour_text(hour))}/{record.torn_name}.json",
            Body=json.dumps(document).encode(),
            ContentType="application/json",
        )

    # -- parts --------------------------------------------------------------------------------------------------

    def stored_parts(self, model: str) -> Iterator[Listed]:
        """All parts that lie in the bucket, by key, also those that don't count."""
        return self._listed(f"{COMPACTED}{model}/")

    def put(self, model: str, hour: datetime, part: Part, path: Path) -> None:
        """Store a part's bytes. It counts once it is noted."""
        with path.open("rb") as file:
            self._s3.put_object(Bucket=self.bucket, Key=f"{parts_prefix(model, hour)}{part.name}.parquet", Body=file)

    def fetch(self, hour: CompactedHour, part: Part, path: Path) -> bool:
        """Write a part's bytes to ``path``; False if somebody deleted the part."""
        return self._objects.fetch(hour.key(part), path)

    def note(self, known: CompactedHour, part: Part, gone: Sequence[Part] = ()) -> CompactedHour:
        """Let a part count, and those of ``gone`` no longer, if no other was added since ``known`` was read.

        Raises
        ------
        Contended
            Another part was added.
        """
        parts = (*(other for other in known.parts if other not in gone and other.name != part.name), part)
        pk, sk, revision = PREFIX + known.model, _HOUR + hour_text(known.hour), known.revision
        head: Item = {"pk": pk, "sk": sk, "revision": revision + 1, "parts": len(parts)}
        entry: Item = {"pk": pk, "sk": f"{sk}#{part.name}", "format": 1, "part": part.model_dump_json()}
        left = [
            self._table.delete(pk, f"{sk}#{other.name}", only_if="attribute_exists(pk)")
            for other in gone
            if other.name != part.name
        ]
        try:
            self._table.transact(
                [self._table.put_over(head, "revision", revision or None), self._table.put(entry), *left]
            )
        except WriteRefused as error:
            raise Contended(str(error)) from error
        return known.model_copy(update={"revision": revision + 1, "parts": parts, "expected": len(parts)})

    def hour(self, model: str, hour: datetime) -> CompactedHour:
        """The parts that count of an hour."""
        found = list(self.compacted(model, hour, hour + timedelta(hours=1)))
        return found[0] if found else CompactedHour(model=model, hour=hour)

    def compacted(self, model: str, since: datetime, until: datetime) -> Iterator[CompactedHour]:
        """The hours from ``since`` to before ``until`` that have parts, oldest first."""
        first, last = _HOUR + hour_text(since), _HOUR + hour_text(until - timedelta(microseconds=1))
        made: CompactedHour | None = None
        for item in self._table.query(PREFIX + model, _HOUR, after=_before(first)):
            name, _, part = item["sk"].removeprefix(_HOUR).partition("#")
            if _HOUR + name > last:
                break
            if not part:
                if made is not None:
                    yield self._whole(made)
                at = datetime.fromisoformat(f"{name}:00+00:00")
                made = CompactedHour(model=model, hour=at, revision=item["revision"], expected=item["parts"])
            elif made is not None:
                entry = Part.model_validate_json(item["part"])
                made = made.model_copy(update={"parts": (*made.parts, entry)})
        if made is not None:
            yield self._whole(made)

    def _whole(self, found: CompactedHour) -> CompactedHour:
        """The hour again, if it was read while a part was being added: a query isn't one moment."""
        for _ in range(_TRIES):
            if len(found.parts) == found.expected:
                break
            sk = _HOUR + hour_text(found.hour)
            items = list(self._table.query(PREFIX + found.model, sk))
            parts = tuple(Part.model_validate_json(item["part"]) for item in items if "part" in item)
            head = next(item for item in items if item["sk"] == sk)
            changed = {"revision": head["revision"], "expected": head["parts"], "parts": parts}
            found = found.model_copy(update=changed)
        return found

    # -- progress -----------------------------------------------------------------------------------------------

    def progress(self, model: str) -> Progress | None:
        """How far the model's log is compacted; None if it never was."""
        item = self._table.get(PREFIX + model, _PROGRESS)
        return Progress.model_validate_json(item["progress"]) if item else None

    def advance(self, progress: Progress) -> Progress:
        """Note how far the log is compacted, if nobody else did since; raises `Contended`."""
        later = progress.model_copy(update={"revision": progress.revision + 1})
        item: Item = {
            "pk": PREFIX + progress.model,
            "sk": _PROGRESS,
            "revision": later.revision,
            "progress": later.model_dump_json(),
        }
        if not self._table.write(self._table.put_over(item, "revision", progress.revision or None)):
            raise Contended(f"another compaction of {progress.model} goes on")
        return later


def _before(sk: str) -> str:
    """A sort key just before ``sk``: what is asked for comes after it."""
    return sk[:-1] + chr(ord(sk[-1]) - 1) + "\U0010fffe"


Stop = Callable[[], bool]
"""Whether no more work is to be begun."""
