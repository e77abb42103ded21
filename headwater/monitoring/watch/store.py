"""Judged windows in the predictions bucket, beside what is said of them: all calls to S3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from headwater.monitoring.drift.bank import BankWindow
from headwater.monitoring.watch.records import WatchRecords
from headwater.monitoring.watch.types import KeptWindow
from headwater.serving.store import PROFILES
from headwater.storage.clients import Clients
from headwater.storage.objects import Bucket
from headwater.storage.table import Table


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
    """Keeps what is known of how models are, in the predictions bucket and the registry table."""

    def __init__(self, bucket: str, table: Table, clients: Clients) -> None:
        super().__init__(table)
        self._bucket = Bucket(bucket, clients)

    # -- windows ------------------------------------------------------------------------------------------------

    def put_window(self, name: WindowName, window: KeptWindow) -> None:
        """Keep a judged window; keeping it again changes nothing."""
        self._bucket.put(name.key, window.packed(), ContentType="application/gzip")

    def windows(self, names: Sequence[WindowName]) -> Iterator[BankWindow]:
        """Judged windows, many read at once; those that are gone are left out."""
        for _, answer in self._bucket.read_all(names, lambda name: name.key):
            yield KeptWindow.unpacked(answer.body).window

    def window_names(self, model: str) -> list[WindowName]:
        """All windows that are kept of a model."""
        prefix = f"{PROFILES}{model}/windows/"
        found = []
        for entry in self._bucket.listed(prefix):
            version, _, name = entry["Key"][len(prefix) :].partition("/")
            day, digest = name[:10], name[11:].removesuffix(".json.gz")
            found.append(WindowName(model, int(version.removeprefix("v")), date.fromisoformat(day), digest))
        return found

    def remove_window(self, name: WindowName) -> None:
        """Remove a window, every version of it."""
        self._bucket.forget(name.key)
