"""Verdicts and status of models in the registry table, and judged windows in the predictions bucket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from headwater.monitoring.drift.bank import BankWindow
from headwater.monitoring.status import Status
from headwater.monitoring.watch.types import JudgedDay, KeptWindow
from headwater.serving.store import PROFILES
from headwater.storage.clients import client, error_code
from headwater.storage.http.connection import connection
from headwater.storage.objects import GONE, Bucket
from headwater.storage.table import ABSENT, Item, Table

PREFIX = "WATCH#"
_STATUS = "STATUS"
_TOGETHER = 64


class WindowName(NamedTuple):
    """A window that was judged: whose, of which day, and of which parts."""

    model: str
    version: int
    day: date
    digest: str

    @property
    def key(self) -> str:
        """Its key in the predictions bucket."""
        return f"{PROFILES}{self.model}/windows/v{self.version}/{self.day.isoformat()}-{self.digest}.json.gz"


class WatchStore:
    """Keeps what is known of how models are.

    Parameters
    ----------
    bucket : str
        The predictions bucket.
    table : Table
        The registry table.
    """

    def __init__(self, bucket: str, table: Table) -> None:
        self._bucket, self._table = Bucket(bucket), table
        self._s3, self._wire = client("s3"), connection("s3")

    # -- status -------------------------------------------------------------------------------------------------

    def status(self, model: str) -> Status | None:
        """How a model is by the last look; None if it was never looked at."""
        item = self._table.get(PREFIX + model, _STATUS)
        return Status.model_validate_json(item["status"]) if item else None

    def put_status(self, status: Status) -> bool:
        """Write down how a model is, unless a later look did."""
        at = f"{status.at.timestamp():020.6f}"
        item: Item = {"pk": PREFIX + status.model, "sk": _STATUS, "at": at, "status": status.model_dump_json()}
        later = "attribute_not_exists(pk) OR #at <= :at"
        return self._table.write(self._table.put(item, only_if=later, at=at))

    # -- verdicts -----------------------------------------------------------------------------------------------

    def judged(self, model: str, version: int) -> list[JudgedDay]:
        """All that was said of a version's days, oldest day first."""
        return [_judged(item) for item in self._table.query(PREFIX + model, _day_key(version))]

    def judged_day(self, model: str, version: int, day: date) -> JudgedDay | None:
        """The verdicts on a day; None if nothing was said of it."""
        item = self._table.get(PREFIX + model, f"{_day_key(version)}{day.isoformat()}")
        return _judged(item) if item else None

    def versions(self, model: str) -> list[int]:
        """The versions of which days were judged."""
        found: set[int] = set()
        after = ""
        while True:
            item = next(self._table.query(PREFIX + model, "DAY#v", after=after, page_size=1), None)
            if item is None:
                return sorted(found)
            version = int(item["sk"].split("#")[1].removeprefix("v"))
            found.add(version)
            after = f"{_day_key(version)}\U0010fffe"

    def put_judged(self, day: JudgedDay) -> bool:
        """Write down what is said of a day, if nobody else did since it was read."""
        later = day.model_copy(update={"revision": day.revision + 1})
        item: Item = {
            "pk": PREFIX + day.model,
            "sk": f"{_day_key(day.version)}{day.day.isoformat()}",
            "revision": later.revision,
            "judged": later.model_dump_json(),
        }
        if not day.revision:
            return self._table.write(self._table.put(item, only_if=ABSENT))
        return self._table.write(self._table.put(item, only_if="#revision = :known", known=day.revision))

    # -- windows ------------------------------------------------------------------------------------------------

    def put_window(self, name: WindowName, window: KeptWindow) -> None:
        """Keep a judged window; keeping it again changes nothing."""
        self._bucket.put(name.key, window.packed(), ContentType="application/gzip")

    def windows(self, names: Sequence[WindowName]) -> Iterator[BankWindow]:
        """Judged windows, many read at once; those that are gone are left out."""
        coming = iter(names)
        while some := list(islice(coming, _TOGETHER)):
            asked = [(name.key, ()) for name in some]
            for answer in self._wire.request_all("GetObject", "GET", self._bucket.name, asked):
                if not isinstance(answer, ClientError):
                    yield KeptWindow.unpacked(answer.body).window
                elif error_code(answer) not in GONE:
                    raise answer

    def window_names(self, model: str) -> list[WindowName]:
        """All windows that are kept of a model."""
        prefix = f"{PROFILES}{model}/windows/"
        found = []
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket.name, Prefix=prefix):
            for entry in page.get("Contents", ()):
                version, _, name = entry["Key"][len(prefix) :].partition("/")
                day, digest = name[:10], name[11:].removesuffix(".json.gz")
                found.append(WindowName(model, int(version.removeprefix("v")), date.fromisoformat(day), digest))
        return found

    def remove_window(self, name: WindowName) -> None:
        """Remove a window, every version of it."""
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket.name, Prefix=name.key)
        for page in pages:
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                self._s3.delete_object(Bucket=self._bucket.name, Key=entry["Key"], VersionId=entry["VersionId"])


def _day_key(version: int) -> str:
    return f"DAY#v{version}#"


def _judged(item: dict[str, Any]) -> JudgedDay:
    return JudgedDay.model_validate_json(item["judged"])
