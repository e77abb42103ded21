"""Judged windows in the predictions bucket, beside what is said of them: all calls to S3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice
from typing import NamedTuple

from botocore.exceptions import ClientError

from headwater.monitoring.drift.bank import BankWindow
from headwater.monitoring.watch.records import WatchRecords
from headwater.monitoring.watch.types import KeptWindow
from headwater.serving.store import PROFILES
from headwater.storage.clients import client, error_code
from headwater.storage.http.connection import connection
from headwater.storage.objects import GONE, Bucket
from headwater.storage.table import Table

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


class WatchStore(WatchRecords):
    """Keeps what is known of how models are.

    Parameters
    ----------
    bucket : str
        The predictions bucket.
    table : Table
        The registry table.
    """

    def __init__(self, bucket: str, table: Table) -> None:
        super().__init__(table)
        self._bucket = Bucket(bucket)
        self._s3, self._wire = client("s3"), connection("s3")

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
