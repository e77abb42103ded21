"""Events that other tools sent: taken in once, and told as nodes and edges of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from headwater.clock import Clock, utc_now
from headwater.graph import Log, Places, Told
from headwater.lineage.openlineage.naming import StackNames
from headwater.lineage.openlineage.reading import Event, stored, told
from headwater.lineage.store import Events
from headwater.storage.table import ABSENT, Table, WriteRefused

PREFIX = "FOREIGN#"
_EVENT, _KNOWN = "EVENT#", "SHA256#"
LOOK_BACK = timedelta(minutes=5)
"""Events whose time of receipt is a little earlier may be written a little later: that far a log is read again."""


def names_of(places: Places) -> StackNames:
    """The stack's names in OpenLineage."""
    buckets = {places.lake_bucket, places.artifacts_bucket, places.predictions_bucket} - {""}
    stack = f"{places.project}-{places.stack}"
    return StackNames(account=places.account, region=places.region, stack=stack, buckets=frozenset(buckets))


class Received:
    """Takes events in."""

    def __init__(self, places: Places, *, now: Clock = utc_now) -> None:
        self._table, self._events, self._now = places.table, Events(places.artifacts_bucket, places.clients), now

    def take(self, event: Event) -> bool:
        """Keep a checked event (`headwater.lineage.openlineage.receiving.receive`); False if it is known already.

        The object comes first, so that the registry never names one that isn't there.

        Raises
        ------
        WriteRefused
            The write wasn't acknowledged; sending the event again is safe.
        """
        self._events.keep(event.key, event.body)
        received = self._now().isoformat()
        known = {"pk": PREFIX, "sk": f"{_KNOWN}{event.id}", "received": received}
        listed = {"pk": PREFIX, "sk": f"{_EVENT}{received}#{event.id}", "key": event.key, "received": received}
        try:
            self._table.transact([self._table.put(known, only_if=ABSENT), self._table.put(listed, only_if=ABSENT)])
        except WriteRefused:
            # Known already, or the answer to our own write was lost.
            there = self._table.get(PREFIX, f"{_KNOWN}{event.id}")
            if there is None:
                raise
            return bool(there["received"] == received)
        return True


@dataclass(frozen=True)
class ReceivedLog:
    """The events that were taken in, in the order of their receipt."""

    table: Table
    events: Events
    names: StackNames
    name: str = "lineage/received"
    is_ordered: bool = True

    def entries(self, after: str) -> Iterator[tuple[str, Callable[[], Told]]]:
        """See `headwater.graph.Log`; the last minutes before ``after`` are told again."""
        if after:
            received = datetime.fromisoformat(after.removeprefix(_EVENT).rpartition("#")[0])
            after = f"{_EVENT}{(received - LOOK_BACK).isoformat()}"
        for item in self.table.query(PREFIX, _EVENT, after=after):
            yield item["sk"], partial(self._told, item["key"], datetime.fromisoformat(item["received"]))

    def _told(self, key: str, seen: datetime) -> Told:
        body = self.events.read(key)
        return Told(gone=[key]) if body is None else told(stored(body), self.names, seen=seen)


def logs(places: Places) -> Iterator[Log[Told]]:
    """The log of received events."""
    yield ReceivedLog(places.table, Events(places.artifacts_bucket, places.clients), names_of(places))
